"""SHA-256 of whatever decides a result: values, files, source code, versions of packages. No time stamp takes part."""

import functools
import hashlib
import json
import platform
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The folder of amarray's own packages."""
SOURCES = (".py", ".v", ".cpp")
"""Suffixes of source files."""


def of(value: object) -> str:
    """SHA-256 of a JSON value, in hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def content(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of all files below a folder."""
    return _files(path, sorted(path.rglob("*")))


def code(*parts: str) -> list[str]:
    """SHA-256 of each part of amarray's source code, as this process found it: folders and files, relative to ROOT."""
    return [_code(ROOT / part) for part in parts]


def versions(*packages: str) -> list[str]:
    """Name and version of each package."""
    return [f"{package} {metadata.version(package)}" for package in packages]


def machine() -> list[str]:
    """What a compiled program depends on, besides its source and the compiler: several machines may share a cache."""
    return [platform.system(), platform.machine(), *platform.libc_ver()]


@functools.cache
def _code(path: Path) -> str:
    return _files(path, sorted(each for each in path.rglob("*") if each.suffix in SOURCES))


def _files(path: Path, below: list[Path]) -> str:
    files = [path] if path.is_file() else [each for each in below if each.is_file()]
    return of([[str(file.relative_to(path)), _digest(file)] for file in files])


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
