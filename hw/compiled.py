"""Where the machine code of the tools that are WebAssembly is kept.

A tool's first run compiles it, and writes hundreds of megabytes in place, which a second run may have mapped at that
moment and is then ended by the system. Here a first run writes to a folder of its own, which is renamed at its end.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import platformdirs


@contextlib.contextmanager
def machine_code(tool: str, package: str) -> Iterator[Path]:
    """Folder for the machine code of a tool of a package, `YOWASP_CACHE_DIR` of the runtime that runs it.

    It lies in the user's cache, or in YOWASP_CACHE_DIR where that is set, one for each tool and version. What a body
    that raises has written is not kept.
    """
    home = Path(
        os.environ.get("YOWASP_CACHE_DIR") or platformdirs.user_cache_path("YoWASP", appauthor=False)
    ).absolute()
    versions = [f"{name}-{metadata.version(name)}" for name in (package, "wasmtime")]
    kept = home / "-".join([tool, *versions])
    if kept.exists():
        yield kept
        return
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix="new-") as folder:
        new = Path(folder, "code")
        yield new
        with contextlib.suppress(OSError):  # nothing was compiled, or another first run has ended before
            new.rename(kept)
