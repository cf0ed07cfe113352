"""A network and its recipe in a TOML file, as a user writes it and as the shipped ones are written.

layers = [
  { kind = "flatten" },
  { kind = "dense", outputs = 32 },
  { kind = "relu" },
  { kind = "dense", outputs = "classes" },
]

[recipe]
epochs = 20
"""

from pathlib import Path

from sw.architecture import Architecture
from sw.errors import InputError, did_you_mean
from sw.reading import read_bytes, refusing, toml_value
from sw.recipe import Recipe

TABLES = ("name", "layers", "recipe")


def read_network_toml(path: Path) -> tuple[Architecture, Recipe, frozenset[str]]:
    """Architecture, recipe, and the fields that the file gives it; the name is the file's unless it says `name`.

    Raises InputError where the file is missing, not TOML, above 1 MiB, or has a key that is not known. Takes less than
    200 MiB of memory.
    """
    path = Path(path)
    with refusing(f"read network {path}", "a network in TOML", "docs/training.md shows one"):
        content = toml_value(read_bytes(path))
        for key in content:
            if key not in TABLES:
                raise InputError(f"it has no key {key!r}; it has {', '.join(TABLES)}{did_you_mean(key, TABLES)}")
        layers, recipe = content.get("layers"), content.get("recipe", {})
        if not isinstance(layers, list) or not isinstance(recipe, dict):
            raise InputError("layers must be a list of tables, and recipe a table")
        architecture = Architecture(content.get("name", path.stem), tuple(layers))
        return architecture, Recipe.from_dict(recipe), frozenset(recipe)
