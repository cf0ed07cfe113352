"""sw/reading.py: every way in which bytes can be wrong ends in InputError, and nothing large is allocated for it."""

import io
import os
import struct
import tracemalloc
import zipfile
import zlib

import fuzz
import numpy as np
import pytest

from sw import idx, reading
from sw.errors import InputError
from sw.reading import (
    MOST_BITS,
    MOST_MEMBERS,
    MOST_NESTING,
    MOST_TEXT,
    archive,
    array,
    json_value,
    refusing,
    toml_value,
)

RAISED = [
    (ValueError("no such digit"), r"it is not a list, or truncated or damaged \(no such digit\); write one"),
    (TypeError("a\nb"), r"damaged \(a b\)"),
    (KeyError("width"), r"damaged \('width' is missing\)"),
    (EOFError(), r"damaged \(EOFError\)"),
    (RecursionError("maximum"), r"damaged \(it is nested too deep\)"),
    (MemoryError(), r"damaged \(it asks for more memory than there is\)"),
    (FileNotFoundError(2, "No such file"), r"^cannot read a\.txt: No such file; write one$"),
    (InputError("width must be 3"), r"^cannot read a\.txt: width must be 3$"),
    (NotImplementedError("x"), "damaged"),
    (AttributeError("x"), "damaged"),
    (IndexError("x"), "damaged"),
    (OverflowError("x"), "damaged"),
    (ZeroDivisionError("x"), "damaged"),
    (zlib.error("x"), "damaged"),
    (struct.error("x"), "damaged"),
    (zipfile.BadZipFile("x"), "damaged"),
    (OSError("no reason given"), r"damaged \(no reason given\)"),
]


@pytest.mark.parametrize(("error", "message"), RAISED, ids=[type(error).__name__ for error, _ in RAISED])
def test_whatever_a_reader_raises_becomes_one_line(error, message):
    with (
        pytest.raises(InputError, match=message) as caught,
        refusing("read a.txt", "a list", "write one"),
    ):
        raise error
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("cannot read a.txt: ")


def test_a_stop_passes():
    with pytest.raises(KeyboardInterrupt), refusing("read a.txt", "a list", "write one"):
        raise KeyboardInterrupt


def refused(read, data) -> str:
    with pytest.raises(InputError) as caught, refusing("read it", "any", "none"):
        read(data)
    return str(caught.value)


def test_a_file_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert reading.read_bytes(path, 5) == b"12345"
    with pytest.raises(InputError, match="it has more than 5 bytes"):
        path.write_bytes(b"123456") and reading.read_bytes(path, 5)


def test_what_may_never_end_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "link"):
        assert refused(reading.read_bytes, path) == "cannot read it: it is a device, a pipe or the like; name a file"
        with pytest.raises(InputError, match="is a device"):
            idx.content(path)
    with pytest.raises(IsADirectoryError):
        reading.read_bytes(tmp_path)


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize("read", [json_value, toml_value])
def test_a_byte_order_mark_is_named(read):
    assert "byte order mark; save it as UTF-8 without one" in refused(read, b"\xef\xbb\xbf{}")


def test_json_up_to_its_bounds():
    assert json_value(b" " * (MOST_TEXT - 1) + b"1") == 1
    assert json_value(str((1 << MOST_BITS) - 1).encode()) == (1 << MOST_BITS) - 1
    assert json_value(nested(MOST_NESTING))
    assert json_value('{"é": [1, -0.5, null, true, "\\ud83d\\ude00"]}'.encode()) == {"é": [1, -0.5, None, True, "😀"]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b" " * MOST_TEXT + b"1", "must have at most 1048576 bytes, not 1048577"),
        (str(1 << MOST_BITS).encode(), "an integer must have at most 128 bits, not 129"),
        (nested(MOST_NESTING + 1), "nested deeper than 64"),
        (b"[" * 10**6, "nested too deep"),
        (b'{"a":' * 10**5, "nested too deep"),
        (b"9" * 5000, "4300 digits"),
        (b'{"a": 1, "b": 2, "a": 3}', "a key must occur once, not twice as 'a' does"),
        (b"NaN", "a number must be finite, not nan"),
        (b"[-Infinity]", "a number must be finite, not -inf"),
        (b"1e999", "a number must be finite, not inf"),
        ("{}".encode("utf-16"), "'utf-8' codec can't decode"),
        (b"\xff", "'utf-8' codec can't decode"),
        (b'["\\ud800"]', "surrogates not allowed"),
        (b'{"\\ud800": 1}', "surrogates not allowed"),
        (b"", "Expecting value"),
    ],
)
def test_json_beyond_its_bounds(data, message):
    assert message in refused(json_value, data)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 5000, "nested too deep"),
        ("a = " + "{a=" * 5000, "nested too deep"),
        ("a = " + "[" * 65 + "]" * 65, "nested deeper than 64"),
        ("a = " + "9" * 5000, "4300 digits"),
        ("a = 0x" + "f" * 5000, "an integer must have at most 128 bits, not 20000"),
        ("a = nan", "a number must be finite, not nan"),
        ("a = 1\na = 2", "Cannot overwrite a value"),
        ("#" * (MOST_TEXT + 1), "at most 1048576 bytes"),
    ],
)
def test_toml_beyond_its_bounds(text, message):
    assert message in refused(toml_value, text.encode())


@pytest.mark.parametrize("part", ["a", '"="', "'#'", ' "a"', '"\\"" '])
def test_a_dotted_key_has_few_parts(part):
    """tomllib takes 100 GB for half a million of them."""
    assert toml_value((".".join([part] * 16) + " = 1").encode())
    assert "at most 16 parts" in refused(toml_value, (".".join([part] * 17) + " = 1").encode())
    assert "at most 16 parts" in refused(toml_value, f'a = {{b = """x"""""}}\n[{".".join([part] * 17)}]'.encode())


def test_dots_elsewhere_are_no_key():
    text = f"# {'.' * 100}\na = \"{'a.' * 100}\"\nb = '''\n{'a.' * 100}'''\nc = [{'0.1, ' * 100}]\n"
    assert toml_value(text.encode())["a"] == "a." * 100


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", ["|u1", "|i1", "|b1", "<i8", ">i4", "<u2", "<f4", ">f8", "<f2"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3), (2, 1, 3), (3, 0)])
def test_an_array_is_what_numpy_reads(shape, dtype, order):
    stream = io.BytesIO()
    given = np.asarray(np.arange(np.prod(shape)).reshape(shape), dtype=dtype, order=order)
    np.save(stream, given)
    found = array(stream.getvalue())
    assert (found.dtype, found.shape) == (given.dtype, given.shape)
    np.testing.assert_array_equal(found, given)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((-1,), 1),
        ((-1, -1), 1),
        ((10**12,), 8),
        ((0, 2**63 - 1, 2**63 - 1), 0),
        ((2**32, 2**32), 0),  # 0 bytes in 64 bits
        ((2**31, 2**33), 0),
        ((1,) * 65, 1),
        ((3,), 2),
        ((3,), 4),
        ("((((", 1),
        ("[" * 3000, 1),
        ("__import__('os').abort()", 1),
        ("9" * 5000, 1),
    ],
)
def test_an_array_whose_header_lies(shape, size):
    refused(array, fuzz.npy("|u1", shape, bytes(size)))


@pytest.mark.parametrize(
    "descr", ["|O", "|V0", "|S0", "<U1", "<M8[s]", "|u3", "<f1", ("<i4", (2,)), [("a", "<i4")], ""]
)
def test_an_array_that_is_not_of_numbers(descr):
    refused(array, fuzz.npy(descr, (1,), bytes(8)))
    assert "not a plain array" in refused(array, b"")
    assert "not a plain array" in refused(array, fuzz.pickled())


def test_an_archive():
    parts = {"a": fuzz.npy("|u1", (2,), b"12"), "é.x": fuzz.npy("<f4", (), bytes(4))}
    found = archive(fuzz.stored(parts))
    assert found["a"].tolist() == [49, 50]
    assert found["é.x"].shape == ()


def test_an_archive_that_is_compressed_or_overlaps():
    parts = {"a": fuzz.npy("|u1", (10**6,), bytes(10**6)), "b": fuzz.npy("|u1", (1,), b"1")}
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert "its members are compressed" in refused(archive, fuzz.stored(parts, method))
    data = fuzz.stored(parts)
    second, end = data.rindex(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    first = data.index(b"PK\x01\x02")
    entry = bytearray(data[first:second])
    entry[-5:] = b"c.npy"
    twice = (
        data[:end] + entry + data[end : end + 8] + struct.pack("<HHII", 3, 3, end - first + len(entry), first) + b"\0\0"
    )
    assert "must not overlap" in refused(archive, twice)


def test_an_archive_of_very_many_members():
    assert f"at most {MOST_MEMBERS} members" in refused(archive, b"PK\x01\x02" * (MOST_MEMBERS + 1))


def test_a_refusal_takes_little_memory():
    """Neither the terabyte that a header claims nor what a bomb would become is allocated."""
    bomb = fuzz.stored({"a": fuzz.npy("|u1", (10**8,), bytes(10**8))}, zipfile.ZIP_DEFLATED)
    claims = fuzz.stored({"a": fuzz.npy("<f8", (10**12,), b"")})
    dots = b"a." * 500_000 + b"a = 1"
    tracemalloc.start()
    for read, data in ((archive, bomb), (archive, claims), (toml_value, dots)):
        refused(read, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**7


def test_memory_is_that_of_the_machine(monkeypatch):
    assert 1 << 28 < reading.memory() < 1 << 50
    monkeypatch.delattr(os, "sysconf")
    assert reading.memory() == reading.UNKNOWN_MEMORY
