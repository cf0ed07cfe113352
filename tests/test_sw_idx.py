"""sw/idx.py: every legal type is read, every kind of damage is refused with its reason."""

import gzip
import struct
import tracemalloc

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


def header(*sizes, code=0x08):
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header(*[1] * 100) + b"1", "damaged .*dimension"),
        (header(0, *[2**32 - 1] * 8), "damaged .*too (big|large)"),
        (header(65536, 65536), "bytes that its header says must be at most"),
        (header(2**32 - 1, 2**32 - 1, 2**32 - 1), "bytes that its header says must be at most"),
        (header(2**31, 2**31, 4), "bytes that its header says must be at most"),  # 0 in 64 bits
        (header(1 << 30), "has 8 bytes; an IDX file of shape"),
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_refuses_sizes_that_are_beyond_memory_or_the_file(tmp_path, data, message, compress, monkeypatch):
    monkeypatch.setattr(idx, "memory", lambda: 4 << 30)
    (tmp_path / "a.idx").write_bytes(compress(data))
    with pytest.raises(InputError, match=f"(?s){message}"):
        idx.read(tmp_path / "a.idx")


def test_a_header_may_say_half_of_the_memory_or_a_quarter_where_numbers_are_copied(tmp_path, monkeypatch):
    for code, share in ((0x08, 2), (0x0C, 4)):
        data = encode(EXAMPLE, code)
        (tmp_path / "a.idx").write_bytes(data)
        monkeypatch.setattr(idx, "memory", lambda share=share, data=data: share * len(data))
        np.testing.assert_array_equal(idx.read(tmp_path / "a.idx"), EXAMPLE)
        monkeypatch.setattr(idx, "memory", lambda share=share, data=data: share * len(data) - 1)
        with pytest.raises(InputError, match="bytes that its header says must be at most"):
            idx.read(tmp_path / "a.idx")


def test_gzip_is_inflated_no_further_than_the_header_says(tmp_path):
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(GOOD + bytes(10**8), compresslevel=1))
    tracemalloc.start()
    with pytest.raises(InputError, match="has more than 40 bytes; an IDX file of shape"):
        idx.read(tmp_path / "bomb.gz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**6


def test_pixels_take_their_size_and_no_more(tmp_path):
    (tmp_path / "a.idx").write_bytes(header(1000, 1000, 8) + bytes(8 * 10**6))
    tracemalloc.start()
    assert idx.read(tmp_path / "a.idx").flags.writeable
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * 10**6
