"""sw/image_file.py: pictures in .npy and .pgm files, and a reason for each that is refused."""

import fuzz
import numpy as np
import pytest

from sw.errors import InputError
from sw.image_file import read_image_file
from sw.limits import PIXELS

PIXEL = np.arange(6, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (1, 2, 3)])
def test_reads_npy(tmp_path, shape):
    np.save(tmp_path / "a.npy", np.asfortranarray(PIXEL.reshape(shape)))
    np.testing.assert_array_equal(read_image_file(tmp_path / "a.npy"), PIXEL.reshape(*shape, *[1] * (3 - len(shape))))


@pytest.mark.parametrize("head", [b"P5 3 2 255 ", b"P5\n# made by hand\n3\n2 # 9 9\n255\n", b"P5#\n\t3\r\n2\n255\r"])
def test_reads_pgm(tmp_path, head):
    (tmp_path / "a.pgm").write_bytes(head + PIXEL.tobytes())
    np.testing.assert_array_equal(read_image_file(tmp_path / "a.pgm"), PIXEL.reshape(2, 3, 1))


BAD = {
    "a header that is no text": ("a.npy", b"\x93NUMPY\x01\x00\x76\x00" + b"(" * 118, "not a plain array"),
    "93 GiB": ("a.npy", fuzz.npy("|u1", (10**11,), b""), r"not a plain array of shape \(100000000000,\)"),
    "floats": ("a.npy", fuzz.npy("<f4", (1, 1), bytes(4)), r"uint8 pixels, not float32 \(1, 1\)"),
    "a vector": ("a.npy", fuzz.npy("|u1", (4,), bytes(4)), r"uint8 pixels, not uint8 \(4,\)"),
    "no pixels": ("a.npy", fuzz.npy("|u1", (0, 3), b""), r"each at least 1, not \(0, 3, 1\)"),
    "a pickle": ("a.npy", fuzz.pickled(), "not a plain array"),
    "too many pixels": ("a.npy", fuzz.npy("|u1", (1, PIXELS + 1), bytes(PIXELS + 1)), "at most 16777216, not 16777217"),
    "too large": ("a.npy", bytes(PIXELS + (1 << 16) + 1), "it has more than 16842752 bytes"),
    "text": ("a.pgm", b"P2 1 1 255 0", "begins with P5"),
    "no pixels in a pgm": ("a.pgm", b"P5 0 1 255 ", "each at least 1"),
    "16 bits": ("a.pgm", b"P5 1 1 65535 ab", r"must have 1 pixels of 0\.\.255, not 2 of 0\.\.65535"),
    "long numbers": ("a.pgm", b"P5 " + b"9" * 5000 + b" 1 255 ", "begins with P5"),
    "long comments": ("a.pgm", b"P5" + b"#\n" * 10**6 + b"1 1 255 a", "begins with P5"),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses(tmp_path, name):
    file, data, message = BAD[name]
    (tmp_path / file).write_bytes(data)
    with pytest.raises(InputError, match=rf"cannot read image .*{file}: .*{message}"):
        read_image_file(tmp_path / file)


def test_the_largest_picture_is_read(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 4096 4096 255\n" + bytes(PIXELS))
    assert read_image_file(tmp_path / "a.pgm").shape == (4096, 4096, 1)
