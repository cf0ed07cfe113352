"""sw/recipe.py: JSON round trip, and a message for each bad field."""

import json

import pytest

from sw.errors import InputError
from sw.recipe import Recipe


def test_json_round_trip():
    recipe = Recipe(seed=7, learning_rate=0.5)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_missing_fields_keep_their_defaults():
    assert Recipe.from_dict({"epochs": 3}) == Recipe(epochs=3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": "mpl"}, "model must be one of mlp.*, not 'mpl'"),
        ({"optimizer": "Adam"}, "optimizer must be one of adam, sgd, not 'Adam'"),
        ({"schedule": 3}, "schedule must be one of .*, not 3"),
        ({"epochs": 0}, r"epochs must be an integer 1\.\.100000, not 0"),
        ({"epochs": 1.5}, "epochs must be an integer .*, not 1.5"),
        ({"batch_size": True}, "batch_size must be an integer .*, not True"),
        ({"seed": -1}, "seed must be an integer .*, not -1"),
        ({"shift": 9}, r"shift must be an integer 0\.\.8, not 9"),
        ({"validation_images": 0}, "validation_images must be an integer 1"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0, at most 100, not 0"),
        ({"learning_rate": float("nan")}, "learning_rate .* not nan"),
        ({"learning_rate": "fast"}, "learning_rate .* not 'fast'"),
        ({"epoch": 3}, "a recipe has no field 'epoch'; it has model, seed, epochs"),
    ],
)
def test_refuses(values, message):
    with pytest.raises(InputError, match=message):
        Recipe.from_dict(values)
