"""hw/load_image.py: a load image is read back whole, and a damaged one is refused before a board sees it."""

import struct
import zlib
from dataclasses import replace

import pytest
from networks import random_network

from hw.compiler import compile_network, size_array
from hw.load_image import MAGIC, MOST_BYTES, read_load_image
from sw.errors import InputError


def whole(magic=MAGIC, version=1, length=None, payload=b"abc") -> bytes:
    image = magic + struct.pack("<III", version, 7, len(payload) if length is None else length) + payload
    return image + struct.pack("<I", zlib.crc32(image))


def test_what_the_compiler_made_is_read(tmp_path):
    network = random_network(0, [7, 4, 3])
    image = compile_network(network, replace(size_array(network, 2, 2), reloadable=True)).load_image()
    (tmp_path / "a.load").write_bytes(image)
    assert read_load_image(tmp_path / "a.load") == image
    (tmp_path / "a.load").write_bytes(whole())
    assert read_load_image(tmp_path / "a.load") == whole()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "it begins with ''"),
        (whole(magic=b"PK\x03\x04"), "it begins with '50 4b 03 04', a load image with '61 6d 61 72'"),
        (whole(version=2), "it is of version 2, must be 1"),
        (whole(length=4), "it has 3 bytes of content, and says 4"),
        (whole(length=2**32 - 1), "it has 3 bytes of content, and says 4294967295"),
        (whole()[:-1], "it has 2 bytes of content, and says 3"),
        (whole()[:16], "it has -4 bytes of content"),
        (whole()[:15], "it has -5 bytes of content"),
        (whole(payload=b"abd")[:-4] + whole()[-4:], "its checksum is wrong"),
        (None, "No such file or directory; `amarray load` writes one"),
    ],
)
def test_refuses(tmp_path, data, message):
    if data is not None:
        (tmp_path / "a.load").write_bytes(data)
    with pytest.raises(InputError, match=rf"cannot read load image .*a\.load: {message}"):
        read_load_image(tmp_path / "a.load")


def test_refuses_a_file_that_is_too_large_without_reading_it(tmp_path):
    with (tmp_path / "a.load").open("wb") as file:
        file.truncate(MOST_BYTES + 1)  # sparse
    with pytest.raises(InputError, match="it has more than"):
        read_load_image(tmp_path / "a.load")
