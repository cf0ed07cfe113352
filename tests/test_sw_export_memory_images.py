"""sw/export/memory_images.py: words of the right width, in the right order, read back to the same integers."""

import json

import numpy as np
import pytest
from networks import random_image_network, random_network

from sw.errors import InputError
from sw.export.contents import Array, arrays
from sw.export.memory_images import MANIFEST, MARKER, READERS, file_name, image, write
from sw.fixed import Format

BASES = {"hex": 16, "mem": 2}
EXAMPLE = Array("layer0.weight", np.array([[1, -1], [-8, 7]]), Format(5, signed=True), ("output", "input"))


def words(text: str, suffix: str, form: Format) -> list[int]:
    """The values of a file: two's complement, comments left out."""
    codes = [int(line, BASES[suffix]) for line in text.splitlines() if not line.startswith("//")]
    assert all(code < 1 << form.bits for code in codes)
    return [code - (1 << form.bits) if code > form.high else code for code in codes]


def test_hexadecimal_words():
    head, *rest = image(EXAMPLE, "hex").splitlines()
    assert head == "// layer0.weight: 2 (output) x 2 (input), last axis fastest; int5, for $readmemh into reg [4:0]"
    assert rest == ["01", "1f", "18", "07"]


def test_binary_words():
    head, *rest = image(EXAMPLE, "mem").splitlines()
    assert "$readmemb" in head
    assert rest == ["00001", "11111", "11000", "00111"]


@pytest.mark.parametrize("suffix", READERS)
def test_every_array_has_a_file_that_reads_back(tmp_path, suffix):
    network = random_image_network(4, ("grouped", "residual"))
    write(network, tmp_path / "images", suffix)
    described = json.loads((tmp_path / "images" / MANIFEST).read_text())
    files = {array["name"]: array["file"] for layer in described["layers"] for array in layer["arrays"]}
    found = {path.name for path in (tmp_path / "images").iterdir()}
    assert found == {*files.values(), MANIFEST, MARKER}
    for array in arrays(network):
        assert files[array.name] == file_name(array.name, suffix)
        text = (tmp_path / "images" / files[array.name]).read_text()
        assert words(text, suffix, array.form) == array.values.ravel().tolist()


def test_an_export_is_replaced_whole_and_another_folder_is_not(tmp_path):
    write(random_network(1, [5, 4, 4, 3]), tmp_path / "images", "hex")
    write(random_network(1, [5, 3]), tmp_path / "images", "mem")
    names = {path.name for path in (tmp_path / "images").iterdir()}
    assert names == {"layer0_weight.mem", "layer0_bias.mem", MANIFEST, MARKER}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / MANIFEST).touch()
    with pytest.raises(InputError, match="will not replace"):
        write(random_network(1, [5, 3]), tmp_path / "mine", "hex")


def test_the_same_network_gives_the_same_bytes(tmp_path):
    network = random_network(1, [5, 4, 3])
    for name in ("a", "b"):
        write(network, tmp_path / name, "hex")
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
