"""Reading bytes from outside: any bytes end in a value or in InputError, within a bound on memory.

Each reader does its work inside `refusing`, which makes InputError of whatever goes wrong, and takes bytes, JSON, TOML
and arrays from the functions below, which look at a size before they allocate it. Nothing that is read is executed:
the text of an array's header is matched, not evaluated, and pickles are refused.
"""

import codecs
import io
import json
import math
import os
import re
import stat
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from sw.errors import InputError

MOST_TEXT = 1 << 20
"""Bytes of a JSON or TOML file. Parsed, they take less than 200 MiB."""
MOST_NESTING = 64
"""Tables and lists within each other."""
MOST_BITS = 128
"""Of an integer; the state of numpy's generators has such."""
MOST_MEMBERS = 1 << 16
"""Of an archive."""
UNKNOWN_MEMORY = 4 << 30
"""What a system is taken to have that does not tell."""
MOST_KEY_PARTS = 16
"""Of a dotted key in TOML."""


@contextmanager
def refusing(what: str, kind: str, remedy: str) -> Iterator[None]:
    """Whatever is raised in the block becomes InputError, `cannot WHAT: REASON; REMEDY`.

    what: the task and the file, "load network a.npz". kind: what the bytes should have been, "a network file".
    remedy: what would help; it is not said where an InputError already names the rule.

    Only reading belongs into the block: a defect of ours would be called bad input, too.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"cannot {what}: {error}") from error
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"cannot {what}: {error.strerror}; {remedy}") from error
        raise InputError(
            f"cannot {what}: it is not {kind}, or truncated or damaged ({_reason(error)}); {remedy}"
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if isinstance(error, MemoryError):
        return "it asks for more memory than there is"
    return str(error) or type(error).__name__


def memory() -> int:
    """Bytes of physical memory."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system has these names
        return UNKNOWN_MEMORY


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file, open for reading in the block.

    Raises InputError where it is a pipe or a device, for reading these may never end; OSError where it cannot be read.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InputError("it is a device, a pipe or the like; name a file")
        yield file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # else a pipe opens when somebody writes into it


def read_bytes(path: Path, most: int = MOST_TEXT) -> bytes:
    """A file's content. Raises InputError where it has more than `most` bytes; else as `opened`."""
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size <= most:
            data = file.read(size + 1)
            if len(data) <= size:
                return data
    raise InputError(f"it has more than {min(size, most)} bytes, the most that are read")


def json_value(data: bytes, most: int = MOST_TEXT):
    """The value that JSON in UTF-8 describes: finite numbers, no key twice, nothing nested deeper than MOST_NESTING.

    Raises InputError or ValueError where the bytes are anything else, or more than `most`.
    """
    _check_size(data, most)
    return _plain(json.loads(_text(data), object_pairs_hook=_object))


def toml_value(data: bytes) -> dict:
    """The table that TOML describes; raises as `json_value` does."""
    _check_size(data, MOST_TEXT)
    text = _text(data)
    if _LONG_KEY.search(_QUOTED.sub("_", text)):  # for which tomllib takes time and memory by the square of its parts
        raise InputError(f"a key must have at most {MOST_KEY_PARTS} parts with dots between them")
    return _plain(tomllib.loads(text))


def array(data: bytes) -> np.ndarray:
    """The array in the bytes of a .npy file of version 1.0, a read-only view of them, so that it takes no memory.

    Raises InputError or ValueError where they are no array of booleans, integers or floats, or not of its length.
    """
    start = 10 + int.from_bytes(data[8:10], "little")
    header = _NPY_HEADER.fullmatch(data[10:start].replace(b" ", b""))
    if data[:8] != b"\x93NUMPY\x01\x00" or header is None:
        raise InputError("it is not a plain array: .npy, version 1.0, of booleans, integers or floats")
    dtype, order = np.dtype(header[1].decode()), "F" if header[2] == b"True" else "C"
    shape = tuple(int(length) for length in header[3].split(b",") if length)
    if len(data) - start != dtype.itemsize * math.prod(shape):
        raise InputError(
            f"it is not a plain array of shape {shape} and dtype {dtype}: it has {len(data) - start} bytes of data"
        )
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order=order)


def archive(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of an uncompressed .npz archive by name, read-only. They take as much memory as the archive.

    Raises InputError where a member occurs twice, is compressed or is no plain array; zipfile's errors, and others,
    where the bytes are no archive.
    """
    if data.count(b"PK\x01\x02") > MOST_MEMBERS:  # before zipfile makes an object of each
        raise InputError(f"an archive must have at most {MOST_MEMBERS} members")
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        entries = {entry.filename.removesuffix(".npy"): entry for entry in file.infolist()}
        if len(entries) < len(file.infolist()):
            raise InputError("a member occurs twice; each must occur once")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise InputError("its members are compressed; they must be stored as they are")
        if sum(entry.file_size for entry in entries.values()) > len(data):
            raise InputError("its members claim to be larger than the archive; they must not overlap")
        return {name: _member(file, entry) for name, entry in entries.items()}


def _member(file: zipfile.ZipFile, entry: zipfile.ZipInfo) -> np.ndarray:
    try:
        return array(file.read(entry))
    except InputError as error:
        raise InputError(f"member {entry.filename!r}: {error}") from error


_NPY_HEADER = re.compile(
    rb"\{'descr':'([<>|][biuf][1248])','fortran_order':(True|False),'shape':\(((?:\d+,)*\d*)\),?\}\n?"
)
"""The header of a .npy file, without its blanks."""
_QUOTED = re.compile(
    r'''#[^\n]*|"""(?:[^"\\]|\\.|"(?!""))*+"{0,5}|\'\'\'(?:[^']|'(?!\'\'))*+'{0,5}'''
    r"""|"(?:[^"\\\n]|\\.)*+"?|'[^'\n]*+'?""",
    re.DOTALL,
)
"""A comment or a text in TOML."""
_LONG_KEY = re.compile(rf"(?:\.[ \t]*+[\w-]++[ \t]*+){{{MOST_KEY_PARTS}}}")


def _text(data: bytes) -> str:
    if data.startswith(codecs.BOM_UTF8):  # which some editors write, and nobody sees
        raise InputError("it begins with a byte order mark; save it as UTF-8 without one")
    return data.decode("utf-8")


def _check_size(data: bytes, most: int) -> None:
    if len(data) > most:
        raise InputError(f"a text must have at most {most} bytes, not {len(data)}")


def _object(pairs: list[tuple[str, object]]) -> dict:
    found = {}
    for name, value in pairs:
        if name in found:
            raise InputError(f"a key must occur once, not twice as {name!r} does")
        found[name] = value
    return found


def _plain(value):
    """The value, where its nesting, numbers and texts are such that every later step can take them."""
    level = [value]
    for _ in range(MOST_NESTING):
        inner = []
        for item in level:
            match item:
                case str():
                    item.encode()  # raises where half of a surrogate pair stands alone, which cannot be printed
                case dict():
                    inner += [*item.keys(), *item.values()]
                case list():
                    inner += item
                case int() if item.bit_length() > MOST_BITS:
                    raise InputError(f"an integer must have at most {MOST_BITS} bits, not {item.bit_length()}")
                case float() if not math.isfinite(item):
                    raise InputError(f"a number must be finite, not {item}")
        if not inner:
            return value
        level = inner
    raise InputError(f"tables and lists must not be nested deeper than {MOST_NESTING}")
