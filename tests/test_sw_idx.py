"""sw/idx.py: every legal type is read, every kind of damage is refused with its reason."""

import gzip
import struct

import numpy as np
import pytest

from sw import idx
from sw.errors import InputError

EXAMPLE = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


# The table of the published format: type byte and big-endian code of struct.
TYPES = {0x08: "B", 0x09: "b", 0x0B: "h", 0x0C: "i", 0x0D: "f", 0x0E: "d"}
NAMES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}


def encode(array, code):
    header = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + struct.pack(f">{array.size}{TYPES[code]}", *array.ravel().tolist())


@pytest.mark.parametrize("code", TYPES)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_reads_every_type_plain_and_gzipped(tmp_path, code, compress):
    path = tmp_path / "a.idx"
    path.write_bytes(compress(encode(EXAMPLE, code)))
    array = idx.read(path)
    assert array.dtype == np.dtype(NAMES[code])
    np.testing.assert_array_equal(array, EXAMPLE)


GOOD = encode(EXAMPLE, 0x08)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an IDX file"),
        (b"\x01" + GOOD[1:], "not an IDX file.*'01 00 08 03'"),
        (GOOD[:2] + b"\x0a" + GOOD[3:], "IDX type 0x0a; must be one of 0x08"),
        (GOOD[:9], "ends inside its header"),
        (b"\0\0\x08\0", "ends inside its header"),
        (GOOD[:-1], r"has 39 bytes; an IDX file of shape \(2, 3, 4\) and uint8 has 40"),
        (GOOD + b"\0", "has more than 40 bytes"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "has 16 bytes"),
    ],
)
def test_refuses_damaged_content(data, message):
    with pytest.raises(InputError, match=message):
        idx.parse(data, "a.idx")


@pytest.mark.parametrize("keep", [5, 20, -1])
def test_refuses_truncated_gzip(tmp_path, keep):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(GOOD)[:keep])
    with pytest.raises(InputError, match=r"cannot read .*a\.gz: .* truncated or damaged"):
        idx.read(path)


def test_refuses_gzip_with_a_flipped_bit(tmp_path):
    path = tmp_path / "a.gz"
    data = bytearray(gzip.compress(GOOD))
    data[-6] ^= 1  # in the checksum
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"truncated or damaged \(CRC check failed"):
        idx.read(path)


def test_refuses_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*none\.idx: No such file"):
        idx.read(tmp_path / "none.idx")
    with pytest.raises(InputError, match="cannot read"):
        idx.read(tmp_path)
