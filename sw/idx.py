"""IDX, the file format of MNIST: big-endian arrays of any rank, plain or gzipped.

Format: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "File formats".
Two zero bytes, a byte for the dtype, a byte for the rank, the dimensions as 4-byte integers, the data.
"""

import gzip
import math
from pathlib import Path

import numpy as np

from sw.errors import InputError
from sw.limits import check_most
from sw.reading import memory, opened, refusing

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""numpy dtype by the type byte of the file."""
GZIP_MAGIC = b"\x1f\x8b"
PIECE = 1 << 20
"""Bytes that are read at a time."""


def read(path: Path) -> np.ndarray:
    """The array in an IDX file, plain or gzipped, in native byte order; memory and errors as for `content`."""
    return parse(content(path), str(path))


def content(path: Path) -> bytearray:
    """The bytes of an IDX file, uncompressed if it is gzip.

    The header is read first, and then no more than what it says, which may be half of the memory there is. (A quarter
    where numbers have several bytes, for `parse` copies these.) Raises InputError where the file is no IDX file, has
    another length than its header says, or cannot be read.
    """
    with refusing(f"read {path}", "an IDX file", "get the file again"), opened(path) as file:
        magic = file.read(len(GZIP_MAGIC))
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if magic == GZIP_MAGIC else file
        data = bytearray(stream.read(4))
        data += stream.read(4 * data[3]) if len(data) == 4 else b""
        dtype, _, length = _layout(data, Path(path).name)
        check_most("bytes that its header says", length, memory() // (2 if dtype.itemsize == 1 else 4))
        while piece := stream.read(min(PIECE, length + 1 - len(data))):
            data += piece
        return data


def parse(data: bytes, name: str) -> np.ndarray:
    """The array that the bytes of an IDX file describe; `name` is what error messages call it.

    Bytes become a view of `data`, other numbers a copy. Raises InputError where they are no IDX file.
    """
    dtype, shape, length = _layout(data, name)
    if len(data) != length:
        found = len(data) if len(data) < length else f"more than {length}"
        raise InputError(f"{name} has {found} bytes; an IDX file of shape {shape} and {dtype.name} has {length}")
    with refusing(f"read {name}", "an IDX file", "get the file again"):
        flat = np.frombuffer(data, dtype, offset=length - math.prod(shape) * dtype.itemsize)
        return flat.reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _layout(data: bytes, name: str) -> tuple[np.dtype, tuple[int, ...], int]:
    """dtype, shape and bytes in all of the IDX file that begins so."""
    if len(data) < 4 or data[:2] != b"\0\0":
        raise InputError(f"{name} is not an IDX file: it starts with {data[:4].hex(' ')!r}, must start with '00 00'")
    if data[2] not in DTYPES:
        known = ", ".join(f"0x{code:02x}" for code in DTYPES)
        raise InputError(f"{name} has IDX type 0x{data[2]:02x}; must be one of {known}")
    dtype, rank = np.dtype(DTYPES[data[2]]), data[3]
    start = 4 + 4 * rank
    if rank == 0 or len(data) < start:
        raise InputError(f"{name} ends inside its header: {len(data)} bytes for {rank} dimensions; must have 1 or more")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", rank, offset=4))
    return dtype, shape, start + math.prod(shape) * dtype.itemsize
