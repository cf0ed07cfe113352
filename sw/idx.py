"""IDX, the file format of MNIST: big-endian arrays of any rank, plain or gzipped.

Format: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "File formats".
Two zero bytes, a byte for the dtype, a byte for the rank, the dimensions as 4-byte integers, the data.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np

from sw.errors import InputError

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""numpy dtype by the type byte of the file."""
GZIP_MAGIC = b"\x1f\x8b"


def read(path: Path) -> np.ndarray:
    """The array in an IDX file, plain or gzipped, in native byte order. Raises InputError where it is damaged."""
    return parse(content(path), str(path))


def content(path: Path) -> bytes:
    """The bytes of a file, uncompressed if it is gzip. Raises InputError where it cannot be read whole."""
    try:
        raw = Path(path).read_bytes()
        return gzip.decompress(raw) if raw.startswith(GZIP_MAGIC) else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is truncated or damaged gzip ({error}); get the file again") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; name an IDX file") from error


def parse(data: bytes, name: str) -> np.ndarray:
    """The array that the bytes of an IDX file describe; `name` is what error messages call it."""
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
    length = start + int(np.prod(shape, dtype=object)) * dtype.itemsize
    if len(data) != length:
        raise InputError(f"{name} has {len(data)} bytes; an IDX file of shape {shape} and {dtype.name} has {length}")
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
