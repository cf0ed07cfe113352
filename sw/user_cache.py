"""The user's cache: what is compiled, synthesized or checked once, each entry known by what it was made from.

HOME/KIND/KEY/   files of an entry; KEY is the SHA-256 of all that decides them
    entry.json   the SHA-256 of each of the files; its time is that of the last use

Only the user writes there, so what lies in it is believed, and programs in it are run. Nothing is ever taken from a
folder that a user may have got from somebody else. An entry appears whole, by a rename; one that is damaged is made
again. Where the cache cannot be written, an entry lives as long as the process.
"""

import atexit
import functools
import json
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from sw import fingerprint
from sw.errors import InputError

VARIABLE = "AMARRAY_CACHE_DIR"
"""Environment variable that names another place than the system's."""
LIMIT = 4_000_000_000
"""Bytes above which old entries go."""
RECENT = 3600
"""Seconds for which an entry is safe after its last use."""
LISTING = "entry.json"
_UNFINISHED = ".new-"
_ENTRY = re.compile(rf"[0-9a-f]{{64}}|{re.escape(_UNFINISHED)}\w+")
"""Names of our folders in that of a kind."""
_NEW, _DAMAGED, _OLD = _PARTS = ("new", "damaged", "old")
"""What an unfinished folder may hold: entries on their way in and out."""
_unkept: dict[Path, Path] = {}
"""Where entries lie that this process could not keep, by the place they should have."""


@dataclass(frozen=True)
class Entry:
    """An entry of the cache: its kind, its folder, the size of its files, and when it was last used, in seconds."""

    kind: str
    folder: Path
    bytes: int
    used: float


def home() -> Path:
    """The folder of the cache, which need not exist.

    Raises InputError where somebody else can write there, or where it is no folder.
    """
    path = Path(os.environ.get(VARIABLE) or platformdirs.user_cache_path("amarray", appauthor=False)).absolute()
    try:
        status = path.stat()
    except OSError:
        return path
    other = f"name another folder in {VARIABLE}"
    if not stat.S_ISDIR(status.st_mode):
        raise InputError(f"the cache cannot be {path}, which is no folder; {other}")
    if os.name == "posix" and status.st_uid != os.getuid():
        raise InputError(f"will not use the cache {path}: it belongs to another user; {other}")
    if os.name == "posix" and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InputError(f"will not use the cache {path}: others can write there; `chmod go-w` it, or {other}")
    return path


def find(kind: str, key: object) -> Path | None:
    """The folder of an entry, None where there is none or it is damaged. key: JSON value of all that decides it."""
    place = _place(kind, key)
    if place in _unkept:
        return _unkept[place]
    if not _whole(place):
        return None
    with suppress(OSError):  # of a cache that can only be read
        os.utime(place / LISTING)
    return place


def add(kind: str, key: object, make: Callable[[Path], None]) -> Path:
    """The folder of a new entry: make writes its files into an empty folder. What it raises leaves no entry."""
    place = _place(kind, key)
    with ExitStack() as stack:
        made = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="amarray-")))
        make(made)
        (made / LISTING).write_text(json.dumps(_digests(made)), encoding="utf-8")
        try:
            _keep(made, place)
        except OSError as error:
            reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror or error
            _say(f"nothing can be kept in the cache {home()}: {reason}")
            _unkept[place] = made
            atexit.register(stack.pop_all().close)
            return made
    return place


def entry(kind: str, key: object, make: Callable[[Path], None]) -> Path:
    """The folder of an entry, made now if it is not there; see find and add."""
    return find(kind, key) or add(kind, key, make)


def entries() -> list[Entry]:
    """All entries of the cache, also those that a process has left unfinished; least recently used first."""
    return sorted(_entries(), key=lambda each: each.used)


def clear() -> None:
    """Remove all entries, and nothing else that lies in the folder, which may be that of another program by mistake."""
    found = entries()
    for each in found:
        _remove(each.folder)
    for kind in {each.folder.parent for each in found}:
        with suppress(OSError):  # something else is in it
            kind.rmdir()


def evict() -> None:
    """Remove the least recently used entries above LIMIT, but none of the last hour."""
    found = entries()
    excess, recent = sum(each.bytes for each in found) - LIMIT, time.time() - RECENT
    for each in found:
        if excess <= 0 or each.used > recent:
            break
        _remove(each.folder)
        excess -= each.bytes


def _place(kind: str, key: object) -> Path:
    return home() / kind / fingerprint.of(key)


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): fingerprint.content(path) for path in files}


def _whole(place: Path) -> bool:
    """Whether an entry is there, with the files as they were made."""
    try:
        listed = json.loads((place / LISTING).read_text(encoding="utf-8"))
        return all(fingerprint.content(place / name) == digest for name, digest in listed.items())
    except (OSError, ValueError, AttributeError, TypeError):
        return False


def _keep(made: Path, place: Path) -> None:
    """Copy an entry to its place, where it appears in one step. Raises OSError where that cannot be written."""
    home().mkdir(mode=0o700, parents=True, exist_ok=True)
    home()  # for another may have made it meanwhile
    place.parent.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=place.parent) as beside:
        new = shutil.copytree(made, Path(beside, _NEW))
        if not _whole(place):
            with suppress(FileNotFoundError):
                place.rename(Path(beside, _DAMAGED))
        try:
            new.rename(place)
        except OSError:
            if not _whole(place):
                raise  # else another process was faster, and its entry is as good as ours
    if sum(path.stat().st_size for path in made.rglob("*")) > LIMIT // 4096:  # small ones do not pay the walk
        evict()


def _entries() -> Iterator[Entry]:
    for folder in home().glob("*/*"):
        with suppress(OSError):  # it has just been removed
            if _is_ours(folder):
                files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
                listing = folder / LISTING
                used = (listing if listing.is_file() else folder).stat().st_mtime
                yield Entry(folder.parent.name, folder, sum(files), used)


def _is_ours(folder: Path) -> bool:
    """Whether an entry is made here, finished or not: other programs name files and folders by hashes, too."""
    if not _ENTRY.fullmatch(folder.name) or folder.is_symlink() or folder.parent.is_symlink() or not folder.is_dir():
        return False
    if folder.name.startswith(_UNFINISHED):
        return all(path.name in _PARTS for path in folder.iterdir())
    return (folder / LISTING).is_file()


def _remove(folder: Path) -> None:
    """Remove an entry, which disappears in one step."""
    with suppress(OSError), tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=folder.parent) as beside:
        folder.rename(Path(beside, _OLD))


@functools.cache
def _say(line: str) -> None:
    """Print a note, once in a process."""
    print(f"note: {line}", file=sys.stderr)
