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

import tomllib
from pathlib import Path

from sw.architecture import Architecture
from sw.errors import InputError
from sw.recipe import Recipe

TABLES = ("name", "layers", "recipe")


def read_network_toml(path: Path) -> tuple[Architecture, Recipe, frozenset[str]]:
    """Architecture, recipe, and the fields that the file gives it; the name is the file's unless it says `name`.

    Raises InputError where the file is missing, not TOML, or has a key that is not known.
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        for key in content:
            if key not in TABLES:
                raise InputError(f"it has no key {key!r}; it has {', '.join(TABLES)}")
        layers, recipe = content.get("layers"), content.get("recipe", {})
        if not isinstance(layers, list) or not isinstance(recipe, dict):
            raise InputError("layers must be a list of tables, and recipe a table")
        architecture = Architecture(content.get("name", path.stem), tuple(layers))
        return architecture, Recipe.from_dict(recipe), frozenset(recipe)
    except InputError as error:
        raise InputError(f"cannot read network {path}: {error}") from error
    except OSError as error:
        raise InputError(f"cannot read network {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read network {path}: it is not TOML: {error}") from error
