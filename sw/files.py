"""Writing files and folders so that a reader never sees half of one, and nothing of others is replaced."""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path

from sw.errors import InputError
from sw.file_kinds import Kind

_reading_umask = threading.Lock()


class TargetError(InputError):
    """The place of a result cannot be written, or holds what is not ours."""


def check_file(path: Path, kind: Kind | None = None, force: bool = False) -> None:
    """Raises TargetError where `replacing_file` would, for a caller that has minutes of work before; changes nothing.

    kind: what will be written; without it any file is replaced. force: also one of another kind.
    """
    path = Path(path)
    _check_old_file(path, kind, force)
    _check_place(path)


def check_folder(path: Path, marker: str, others: Collection[str] = ()) -> None:
    """Raises TargetError where `replacing_folder` would, for a caller that has minutes of work before; changes nothing.

    marker, others: as there.
    """
    path = Path(path)
    _check_old_folder(path, marker, others)
    _check_place(path)


@contextmanager
def replacing_file(path: Path, kind: Kind | None = None, force: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed to `path`, on failure removed.

    kind: what is written: an existing file that is not empty must be of the same kind. Without it, any is replaced.
    force: replace a file of another kind, too.
    Raises TargetError where the file must not be replaced, or the folder cannot be written or is full.
    """
    path = Path(path)
    _check_old_file(path, kind, force)
    with _writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary_file(path, path.parent)
    try:
        with _writable(path, temporary):
            yield temporary
            temporary.chmod(0o666 & ~_umask())
        _check_old_file(path, kind, force)  # once more, for the block may have taken minutes
        with _writable(path):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path, marker: str, others: Collection[str] = ()) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; on success it takes the place of `path`.

    An existing folder is replaced only if it is empty, or holds a file named `marker`, the sign that an earlier run of
    ours made it, and nothing but that and `others`: names and patterns of files that ours may hold. What somebody else
    has put there would be lost. Raises TargetError otherwise, or where it cannot be written or is full.
    """
    path = Path(path)
    _check_old_folder(path, marker, others)
    with _writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        with _writable(path, temporary):
            temporary.chmod(0o777 & ~_umask())
            yield temporary
        _check_old_folder(path, marker, others)
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


def save_or_keep(save: Callable[[Path], None], path: Path) -> None:
    """Call `save(path)`; where that place refuses what took long to make, save it elsewhere and say where.

    save: writes a file or folder, whole or not at all, by the functions of this module; may be called again.
    Raises TargetError in any case where `path` was not written: beside it, or else in the system's folder for
    temporary files, lies what should be there, unless all these places refused it.
    """
    path = Path(path)
    try:
        save(path)
    except TargetError as refused:
        for place in _other_places(path):
            try:
                save(place)
            except TargetError:
                continue
            raise TargetError(f"{refused}; what was to be written there is kept as {place}") from refused
        raise


def write_text(path: Path, text: str, kind: Kind | None = None, force: bool = False) -> None:
    """Write `text` to `path` in UTF-8, whole or not at all. kind, force: as for `replacing_file`."""
    with replacing_file(path, kind, force) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _check_old_file(path: Path, kind: Kind | None, force: bool) -> None:
    with _writable(path):
        if path.is_dir():
            raise TargetError(f"cannot write {path}: it is a folder; name a file")
        if not path.exists():
            return
        if not path.is_file():
            raise TargetError(f"cannot write {path}: it is a device, a pipe or the like; name a file")
        if kind is not None and not force and not kind.matches(path):
            raise TargetError(
                f"will not replace {path}: it is not {kind.name}; name another file, or take --force to replace it"
            )


def _check_old_folder(path: Path, marker: str, others: Collection[str]) -> None:
    with _writable(path):
        if path.name in ("", ".."):
            raise TargetError(f"cannot write folder {path}: it must have a name of its own; name a new folder")
        if not path.exists():
            if path.is_symlink():  # no folder takes the place of a link that leads nowhere
                raise TargetError(f"cannot write folder {path}: it is a link to nothing; name another folder")
            return
        if not path.is_dir():
            raise TargetError(f"cannot write folder {path}: a file has that name; name another folder")
        if any(path.iterdir()) and not (path / marker).is_file():
            raise TargetError(f"will not replace {path}: it is not empty and has no {marker}; name a new folder")
        foreign = next(_foreign_files(path, (marker, *others)), None)
        if foreign is not None:
            raise TargetError(
                f"will not replace {path}: {foreign} in it is not of those that this command writes; move it away, or "
                f"name a new folder"
            )


def _foreign_files(folder: Path, ours: Collection[str]) -> Iterator[str]:
    """Files in the folder, and in those below it, whose names match none of the patterns.

    A hidden file of a name of ours is a lock, or what a process left that was killed.
    """
    patterns = [*ours, *(f".{name}.*" for name in ours)]
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_dir():
            own = (each for each in patterns if each.endswith("/*") or "/" not in name)  # else * would pass a slash
            if not any(fnmatchcase(name, each) for each in own):
                yield name


def _check_place(path: Path) -> None:
    """Raises TargetError where no file can be made beside `path`, or in the nearest folder above it that exists."""
    with _writable(path):
        folder = next(folder for folder in path.absolute().parents if folder.exists())
        _temporary_file(path, folder).unlink()


def _other_places(path: Path) -> Iterator[Path]:
    """Where a result can be kept: beside the path under a new name, and in a new temporary folder."""
    names = (f"{path.stem}.kept{'' if number == 1 else number}{path.suffix}" for number in count(1))
    with suppress(OSError):
        yield next(place for place in map(path.with_name, names) if not place.exists())
    with suppress(OSError):
        folder = Path(tempfile.mkdtemp(prefix="amarray-kept-"))
        yield folder / path.name
        folder.rmdir()  # nothing could be kept there


def _temporary_file(path: Path, folder: Path) -> Path:
    """A new, empty file in the folder, named after `path`."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=folder)
    os.close(handle)
    return Path(name)


@contextmanager
def _writable(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Errors of the system become one of `path`; those of other files than the temporary one, if there is one, pass."""
    try:
        yield
    except OSError as error:
        named = [str(name) for name in (error.filename, error.filename2) if name is not None]  # of a copy both
        if temporary is not None and named and not any(name.startswith(str(temporary)) for name in named):
            raise
        raise _refusal(path, error) from error
    except TargetError as error:
        if temporary is None or f" {temporary}/" not in str(error) or not isinstance(error.__cause__, OSError):
            raise
        raise _refusal(path, error.__cause__) from error  # of a file within the temporary folder


def _refusal(path: Path, error: OSError) -> TargetError:
    return TargetError(f"cannot write {path}: {error.strerror or error}; choose a place you can write to")


def _umask() -> int:
    with _reading_umask:  # which means to set it, for all threads
        mask = os.umask(0)
        os.umask(mask)
    return mask
