"""Writing files and folders so that a reader never sees half of one."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sw.errors import InputError

_reading_umask = threading.Lock()


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed to `path`, on failure removed.

    Raises InputError where the folder cannot be written.
    """
    path = Path(path)
    temporary = _temporary_file(path)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with _writable(path):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_file(path: Path) -> None:
    """Raises InputError where `path` cannot be written, for a caller that has minutes of work before it writes."""
    _temporary_file(Path(path)).unlink()


@contextmanager
def replacing_folder(path: Path, marker: str) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it takes the place of `path`.

    An existing folder is replaced only if it is empty or holds a file named `marker`, the sign that
    an earlier run of ours made it. Raises InputError otherwise, or where it cannot be written.
    """
    path = Path(path)
    if path.exists():
        if not path.is_dir():
            raise InputError(f"cannot write folder {path}: a file has that name; name another folder")
        if any(path.iterdir()) and not (path / marker).is_file():
            raise InputError(f"will not replace {path}: it is not empty and has no {marker}; name a new folder")
    with _writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        temporary.chmod(0o777 & ~_umask())
        yield temporary
        with _writable(path):
            if path.exists():
                old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
                path.replace(old / path.name)
                temporary.replace(path)
                shutil.rmtree(old)
            else:
                temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` in UTF-8, whole or not at all."""
    with replacing_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _temporary_file(path: Path) -> Path:
    """A new, empty file beside `path`."""
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder; name a file")
    with _writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    return Path(name)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"cannot write {path}: {reason}; choose a place you can write to") from error


def _umask() -> int:
    with _reading_umask:  # which means to set it, for all threads
        mask = os.umask(0)
        os.umask(mask)
    return mask
