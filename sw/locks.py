"""Locks: two processes do not work for the same target at the same time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sw.files import TargetError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None
    import msvcrt


_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""A link in a folder of somebody else must not say where a file is made."""


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Keep a target for this process while the block runs.

    The lock is on a hidden file beside the target. It belongs to the process and ends with it, however that ends, so
    that one that was left behind is no hindrance. Where the file system has no locks, there is none.
    Raises TargetError at once where another process holds it, or where the file cannot be made.
    """
    target = Path(target)
    path = target.with_name(f".{target.name}.lock")
    handle = _acquire(path, target)
    try:
        yield
    finally:
        with suppress(OSError):  # on Windows a file goes only after it is closed
            path.unlink()
        os.close(handle)


def _acquire(path: Path, target: Path) -> int:
    """An open file that is locked and lies at `path`: one that its owner removed meanwhile protects nothing."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
        except OSError as error:
            raise TargetError(
                f"cannot write a lock beside {target}: {error.strerror}; choose a place you can write to"
            ) from error
        try:
            _lock(handle)
        except (BlockingIOError, PermissionError):
            os.close(handle)
            raise TargetError(
                f"another process is at work on {target}; wait until it is done, or name another target"
            ) from None
        except OSError:  # of a file system that has no locks
            return handle
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                return handle
        os.close(handle)


def _lock(handle: int) -> None:
    """Lock an open file, or raise at once."""
    if fcntl is None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
