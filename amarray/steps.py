"""Steps that are not repeated: each is known by the content of what goes in and what comes out.

A step is reused if its inputs, the source files that it runs, the packages it uses and its output files have the same
hash as when it last ran. The record is in the user's cache, never in a folder that may come from somebody else.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from sw import fingerprint, user_cache

RESULT = "result.json"


class Steps:
    """The steps of one command. Threads and processes may run steps at the same time.

    Parameters
    ----------
    say: called with a line for each step that is reused.

    Attributes
    ----------
    seconds: time of each step in this run. reused: names of those that did not run.
    """

    def __init__(self, say: Callable[[str], None]):
        self._say = say
        self.seconds: dict[str, float] = {}
        self.reused: list[str] = []

    def run(
        self,
        name: str,
        action: Callable[[Path], dict],
        *,
        inputs: object,
        code: Iterable[str],
        packages: Iterable[str],
        outputs: Iterable[Path] = (),
    ) -> tuple[dict, Path]:
        """The action's result, a JSON object, and a folder with what it has written; kept if nothing has changed.

        name: its first word is the kind of the entry in the cache. action: takes an empty folder for files that are
        to be kept with the result. inputs: JSON value that decides the result. code: source folders and files that it
        runs. packages: distributions that it uses. outputs: files and folders elsewhere that it writes.
        """
        kind, outputs = name.split()[0], list(outputs)
        decides = [inputs, fingerprint.code(*code), fingerprint.versions(*packages)]
        start = time.perf_counter()
        found = user_cache.find(kind, [decides, contents(outputs)])
        if found:
            self.reused.append(name)
            self._say(f"{name}: nothing has changed since it last ran, its result is reused")
        else:
            with tempfile.TemporaryDirectory(prefix="amarray-") as temporary:
                result = json.dumps(action(Path(temporary)))
                Path(temporary, RESULT).write_text(result, encoding="utf-8")
                found = user_cache.add(
                    kind, [decides, contents(outputs)], lambda new: shutil.copytree(temporary, new, dirs_exist_ok=True)
                )
        self.seconds[name] = time.perf_counter() - start
        return json.loads((found / RESULT).read_text(encoding="utf-8")), found


def contents(paths: Iterable[Path]) -> list[str]:
    """SHA-256 of files and folders."""
    return [fingerprint.content(path) for path in paths]
