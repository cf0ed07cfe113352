"""sw/network_toml.py: a file as a user writes it, and a reason for each bad one."""

import pytest

from sw.errors import InputError
from sw.network_toml import read_network_toml
from sw.recipe import Recipe

TEXT = """
layers = [
  { kind = "flatten" },
  { kind = "dense", outputs = "classes" },
]

[recipe]
epochs = 3
"""


def read(tmp_path, text):
    (tmp_path / "mine.toml").write_text(text)
    return read_network_toml(tmp_path / "mine.toml")


def test_reads(tmp_path):
    architecture, recipe = read(tmp_path, TEXT)
    assert architecture.name == "mine"
    assert architecture.layers == ({"kind": "flatten"}, {"kind": "dense", "outputs": "classes"})
    assert recipe == Recipe(epochs=3)


def test_name_and_no_recipe(tmp_path):
    architecture, recipe = read(tmp_path, 'name = "other"\nlayers = []')
    assert architecture.name == "other"
    assert recipe == Recipe()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layers = [", "it is not a network in TOML, or truncated or damaged .Invalid value"),
        ("layer = []", "it has no key 'layer'; it has name, layers, recipe"),
        ("layers = 3", "layers must be a list of tables"),
        ("", "layers must be a list of tables"),
        ("name = 3\nlayers = []", r"the name of a network must be 1\.\.100 printable characters, not 3"),
        ("layers = " + "[" * 5000, "it is not a network in TOML.*nested too deep"),
        (TEXT + "seed = " + "9" * 5000, "it is not a network in TOML.*4300 digits"),
        (TEXT + "seed = 0x" + "f" * 5000, "an integer must have at most 128 bits"),
        ("layers = [" + "{}," * 1001 + "]", "layers of a network must be at most 1000, not 1001"),
        (TEXT + "speed = 3", "a recipe has no field 'speed'"),
        (TEXT.replace("3", "0"), r"epochs must be an integer 1\.\.10000, not 0"),
    ],
)
def test_refuses(tmp_path, text, message):
    with pytest.raises(InputError, match=f"cannot read network .*mine.toml: {message}"):
        read(tmp_path, text)


def test_missing(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_network_toml(tmp_path / "none.toml")
