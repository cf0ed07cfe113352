"""sw/recipe.py: JSON round trip, and a message for each bad field."""

import json

import numpy as np
import pytest

from sw.errors import InputError
from sw.nn.tensor import Tensor
from sw.recipe import OPTIMIZERS, Recipe


def test_json_round_trip():
    recipe = Recipe(seed=7, learning_rate=0.5)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_missing_fields_keep_their_defaults():
    assert Recipe.from_dict({"epochs": 3}) == Recipe(epochs=3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "Adam"}, "optimizer must be one of sgd, .*adamw, not 'Adam'"),
        ({"schedule": 3}, "schedule must be one of .*, not 3"),
        ({"epochs": 0}, r"epochs must be an integer 1\.\.10000, not 0"),
        ({"epochs": 1.5}, "epochs must be an integer .*, not 1.5"),
        ({"batch_size": True}, "batch_size must be an integer .*, not True"),
        ({"seed": -1}, "seed must be an integer .*, not -1"),
        ({"shift": 9}, r"shift must be an integer 0\.\.8, not 9"),
        ({"validation_images": 0}, "validation_images must be an integer 1"),
        ({"learning_rate": 0}, r"learning_rate must be a number 1e-12\.\.100, not 0"),
        ({"rotate": 200}, r"rotate must be a number 0\.\.180, not 200"),
        ({"average": 1}, r"average must be a number 0\.\..*, not 1"),
        ({"label_smoothing": True}, "label_smoothing must be a number .*, not True"),
        ({"teacher": 3}, "teacher must be the folder or name of a run, or empty, not 3"),
        ({"distill": 1.5}, r"distill must be a number 0\.\.1, not 1.5"),
        ({"learning_rate": float("nan")}, "learning_rate .* not nan"),
        ({"learning_rate": "fast"}, "learning_rate .* not 'fast'"),
        ({"epoch": 3}, "a recipe has no field 'epoch'; it has seed, epochs"),
    ],
)
def test_refuses(values, message):
    with pytest.raises(InputError, match=message):
        Recipe.from_dict(values)


def test_changed_keeps_the_rest():
    assert Recipe(seed=5, shift=2).changed({"epochs": 3}) == Recipe(seed=5, shift=2, epochs=3)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_takes_parameters(name):
    parameter = Tensor(np.ones(3), requires_grad=True)
    optimizer = OPTIMIZERS[name]([parameter], Recipe(weight_decay=0.5))
    parameter.grad = np.ones(3)
    optimizer.step(0.1)
    assert (parameter.data < 1).all()


def test_weight_decay_is_that_of_the_recipe():
    assert OPTIMIZERS["adamw"]([], Recipe(weight_decay=0.5)).weight_decay == 0.5


@pytest.mark.parametrize(
    ("images", "given", "held_out", "batch"),
    [
        (60_000, (), 5000, 512),  # MNIST: as it is
        (30_000, (), 5000, 512),
        (29_999, (), 4999, 512),
        (4915, (), 819, 512),
        (4914, (), 819, 511),
        (60, (), 10, 6),
        (2, (), 1, 1),
        (60, ("batch_size",), 10, 512),
        (9000, ("validation_images",), 5000, 500),
        (60, ("batch_size", "validation_images"), 5000, 512),
    ],
)
def test_few_images_shrink_what_the_user_has_not_chosen(images, given, held_out, batch):
    recipe, notes = Recipe().fitted(images, given)
    assert recipe == Recipe(validation_images=held_out, batch_size=batch)
    shrunk = [f"validation_images is {held_out}, not 5000"] * (held_out < 5000)
    shrunk += [f"batch_size is {batch}, not 512"] * (batch < 512)
    assert notes == [f"{change}, for there are only {images} training images" for change in shrunk]


def test_a_recipe_is_fitted_once():
    recipe, _ = Recipe().fitted(60, ())
    assert recipe.fitted(60, ()) == (recipe, [])
