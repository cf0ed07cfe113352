"""sw/train.py: the loop on a small data set that can be learned in a second."""

import numpy as np
import pytest

from sw.errors import InputError
from sw.mnist import Dataset
from sw.nn.layers import Dense
from sw.recipe import Recipe
from sw.train import accuracy, as_input, split, train

RECIPE = Recipe(epochs=4, batch_size=50, learning_rate=0.01, validation_images=100)


@pytest.fixture(scope="module")
def dataset():
    """Digit k is a bright bar in row 2k + 4, in noise."""
    generator = np.random.default_rng(0)

    def draw(count):
        labels = generator.integers(0, 10, count, dtype=np.uint8)
        images = generator.integers(0, 60, (count, 28, 28, 1), dtype=np.uint8)
        images[np.arange(count), 2 * labels.astype(int) + 4] += 150
        return images, labels

    return Dataset(*draw(1100), *draw(200))


@pytest.fixture(scope="module")
def trained(dataset):
    return train(RECIPE, dataset)


def weights(run):
    return {name: parameter.data for name, parameter in run.model.parameters().items()}


def test_learns(trained):
    assert trained.test_accuracy > 0.9
    assert [entry["epoch"] for entry in trained.history] == [1, 2, 3, 4]
    assert trained.history[-1]["loss"] < trained.history[0]["loss"] / 2


def test_same_seed_gives_the_same_weights_bit_for_bit(dataset, trained):
    again = train(RECIPE, dataset)
    assert again.history == trained.history
    assert {n: w.tobytes() for n, w in weights(again).items()} == {n: w.tobytes() for n, w in weights(trained).items()}


def test_another_seed_gives_other_weights(dataset, trained):
    other = weights(train(Recipe(**RECIPE.to_dict() | {"seed": 2, "epochs": 1}), dataset))
    assert all((other[name] != weight).any() for name, weight in weights(trained).items())


def test_test_images_decide_nothing(dataset, trained):
    other = Dataset(dataset.train_images, dataset.train_labels, dataset.test_images[:7], dataset.test_labels[:7])
    run = train(RECIPE, other)
    assert run.history == trained.history
    assert all((w == weights(trained)[name]).all() for name, w in weights(run).items())


def test_held_out_images_are_not_learned(dataset):
    recipe = Recipe(**RECIPE.to_dict() | {"epochs": 1})
    _, held_out = split(recipe, len(dataset.train_images))
    images = dataset.train_images.copy()
    images[held_out] = 0
    changed = Dataset(images, dataset.train_labels, dataset.test_images, dataset.test_labels)
    first, second = weights(train(recipe, dataset)), weights(train(recipe, changed))
    assert all((first[name] == second[name]).all() for name in first)


def test_split_is_a_partition():
    learned, held_out = split(RECIPE, 1100)
    assert (len(learned), len(held_out)) == (1000, 100)
    assert sorted([*learned, *held_out]) == list(range(1100))


def test_progress_is_called_after_every_step(dataset):
    calls = []
    train(Recipe(**RECIPE.to_dict() | {"epochs": 2}), dataset, calls.append)
    assert [call.step for call in calls] == list(range(1, 41))
    assert [call.epoch for call in calls] == [1] * 20 + [2] * 20
    assert {(call.steps, call.epochs) for call in calls} == {(40, 2)}
    assert calls[0].validation_accuracy is None
    assert 0 <= calls[-1].validation_accuracy <= 1


def test_input_is_the_pixel_over_255():
    x = as_input(np.array([[0, 51, 255]], np.uint8)).data
    assert x.dtype == np.float32
    np.testing.assert_allclose(x, [[0, 0.2, 1]], rtol=1e-6)


def test_accuracy_counts_all_images_over_batches():
    images = np.zeros((2500, 2, 1, 1), np.uint8)
    labels = np.arange(2500) % 2
    images[np.arange(2500), labels] = 255
    labels[::10] ^= 1

    def model(x):
        return Dense.__call__(IDENTITY, type(x)(x.data.reshape(-1, 2)))

    assert accuracy(model, images, labels) == 0.9


IDENTITY = Dense(2, 2, np.random.default_rng(0), initializer=lambda *_: np.eye(2))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_divergence_names_epoch_step_and_layer(dataset, optimizer):
    recipe = Recipe(epochs=1, batch_size=50, learning_rate=90.0, optimizer=optimizer, schedule="constant")
    recipe = Recipe(**recipe.to_dict() | {"validation_images": 100})
    message = r"diverged at epoch 1, step \d+, in layer [0-5] \(Dense \d+→\d+\).* lower than 90"
    with pytest.raises(InputError, match=message):
        train(recipe, dataset)


def test_nan_is_divergence(dataset, monkeypatch):
    monkeypatch.setattr(
        "sw.train.as_input", lambda images: type(as_input(images))(np.full((50, 784), np.nan, np.float32))
    )
    with pytest.raises(InputError, match=r"epoch 1, step 1, in layer 0 \(Flatten\): the loss is nan"):
        train(RECIPE, dataset)


def test_too_few_images(dataset):
    with pytest.raises(InputError, match=r"1100 training images less 1080 .* leave 20; must leave .* batch of 50"):
        train(Recipe(batch_size=50, validation_images=1080), dataset)
