"""sw/train.py: the loop on a small data set that can be learned in a second."""

import itertools
import json

import numpy as np
import pytest

from sw.architecture import Architecture
from sw.dataset import Dataset
from sw.errors import InputError
from sw.nn.layers import Dense
from sw.nn.tensor import Tensor
from sw.recipe import OPTIMIZERS, Recipe
from sw.train import Training, accuracy, as_input, run_to_end, split
from sw.train import train as train_network

MLP = Architecture(
    "mlp",
    (
        {"kind": "flatten"},
        {"kind": "dense", "outputs": 16},
        {"kind": "relu"},
        {"kind": "dense", "outputs": "classes"},
    ),
)
RECIPE = Recipe(epochs=4, batch_size=50, learning_rate=0.01, validation_images=100)


def train(recipe, dataset, **options):
    return train_network(MLP, recipe, dataset, **options)


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
    other = weights(train(RECIPE.changed({"seed": 2, "epochs": 1}), dataset))
    assert all((other[name] != weight).any() for name, weight in weights(trained).items())


def test_test_images_decide_nothing(dataset, trained):
    other = Dataset(dataset.train_images, dataset.train_labels, dataset.test_images[:7], dataset.test_labels[:7])
    run = train(RECIPE, other)
    assert run.history == trained.history
    assert all((w == weights(trained)[name]).all() for name, w in weights(run).items())


def test_held_out_images_are_not_learned(dataset):
    recipe = RECIPE.changed({"epochs": 1})
    _, held_out = split(recipe, len(dataset.train_images))
    images = dataset.train_images.copy()
    images[held_out] = 0
    changed = Dataset(images, dataset.train_labels, dataset.test_images, dataset.test_labels)
    first, second = weights(train(recipe, dataset)), weights(train(recipe, changed))
    assert all((first[name] == second[name]).all() for name in first)


def test_one_image_cannot_be_split():
    with pytest.raises(InputError, match=r"there is 1 training image; must be 2 at least"):
        split(RECIPE, 1)


def test_split_is_a_partition():
    learned, held_out = split(RECIPE, 1100)
    assert (len(learned), len(held_out)) == (1000, 100)
    assert sorted([*learned, *held_out]) == list(range(1100))


def test_progress_is_called_after_every_step(dataset):
    calls = []
    train(RECIPE.changed({"epochs": 2}), dataset, watch=lambda training, progress: calls.append(progress))
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
        return IDENTITY(type(x)(x.data.reshape(-1, 2)))

    assert accuracy(model, images, labels) == 0.9


IDENTITY = Dense(2, 2, np.random.default_rng(0), initializer=lambda *_: np.eye(2))


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_divergence_names_epoch_step_and_layer(dataset, optimizer):
    recipe = RECIPE.changed({"learning_rate": 90.0, "optimizer": optimizer, "schedule": "constant", "shift": 0})
    message = r"diverged at epoch 1, step \d+, in layer [0-3] \(Dense \d+→\d+\).* lower than 90"
    with pytest.raises(InputError, match=message):
        train(recipe, dataset)


def test_data_of_one_class_do_not_diverge_in_a_model_of_ten(dataset):
    ones = Dataset(dataset.train_images, dataset.train_labels * 0, dataset.test_images, dataset.test_labels * 0)
    model = MLP.build(dataset.shape, dataset.classes, np.random.default_rng(1))
    assert Training(model, RECIPE, ones, generator=np.random.default_rng(1)).advance().loss > 0


def test_nan_is_divergence(dataset, monkeypatch):
    monkeypatch.setattr(
        "sw.train.as_input", lambda images: type(as_input(images))(np.full((50, 784), np.nan, np.float32))
    )
    with pytest.raises(InputError, match=r"epoch 1, step 1, in layer 0 \(Flatten\): the loss is nan"):
        train(RECIPE, dataset)


def test_too_few_images(dataset):
    with pytest.raises(InputError, match=r"1100 training images less 1080 .* leave 20; must leave .* batch of 50"):
        train(Recipe(batch_size=50, validation_images=1080), dataset)


def start_training(recipe, dataset, architecture=MLP, teacher=None):
    generator = np.random.default_rng(recipe.seed)
    model = architecture.build(dataset.shape, dataset.classes, generator)
    training = Training(model, recipe, dataset, teacher, generator)
    model.set_training(True)
    return training


def held(training):
    return {name: tensor.data.tobytes() for name, tensor in training.kept.items()}


WITH_STATE = Architecture(
    "state",
    (
        {"kind": "flatten"},
        {"kind": "dense", "outputs": 16},
        {"kind": "batchnorm"},
        {"kind": "relu"},
        {"kind": "dropout", "rate": 0.3},
        {"kind": "dense", "outputs": "classes"},
    ),
)
EVERYTHING = {
    "average": 0.9,
    "patience": 2,
    "rotate": 5.0,
    "refresh": 2,
    "clip": 1.0,
    "label_smoothing": 0.1,
    "teacher": "someone",
}


def says_label_0(images):
    return np.repeat(np.eye(10, dtype=np.float32)[:1], len(images), axis=0)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("stop", [7, 40, 53])
def test_resumed_equals_uninterrupted_bit_for_bit(dataset, optimizer, stop):
    recipe = RECIPE.changed(EVERYTHING | {"optimizer": optimizer, "learning_rate": 0.001})
    whole = start_training(recipe, dataset, WITH_STATE, says_label_0)
    run_to_end(whole)
    first = start_training(recipe, dataset, WITH_STATE, says_label_0)
    for _ in range(stop):
        first.advance()
    values, arrays = first.state()
    values, arrays = json.loads(json.dumps(values)), {name: array.copy() for name, array in arrays.items()}
    first.advance()  # what is stored must not change any more
    second = start_training(recipe.changed({}), dataset, WITH_STATE, says_label_0)
    second.restore(values, arrays)
    run_to_end(second)
    assert held(second) == held(whole)
    assert second.history == whole.history


def test_average_follows_the_formula(dataset):
    training = start_training(RECIPE.changed({"average": 0.5}), dataset)
    expected = training.parameters["1.bias"].data.copy()
    for step in range(1, 20):
        training.advance()
        decay = np.float32(min(0.5, (1 + step) / (10 + step)))
        expected += (1 - decay) * (training.parameters["1.bias"].data - expected)
        np.testing.assert_array_equal(training.averages["1.bias"], expected)
    training.finish()
    np.testing.assert_array_equal(training.parameters["1.bias"].data, expected)


def test_patience_keeps_the_best_weights(dataset):
    recipe = RECIPE.changed({"epochs": 50, "patience": 2, "batch_size": 500})
    training = start_training(recipe, dataset)
    accuracies, seen = iter((0.3, 0.6, 0.5, 0.6, 0.9)), []

    def judge(model, images, labels):
        seen.append(held(training))
        return next(accuracies)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sw.train.accuracy", judge)
        run_to_end(training)
    assert len(training.history) == 4
    assert held(training) == seen[1]


def test_teacher_is_followed(dataset):
    recipe = RECIPE.changed({"teacher": "someone", "distill": 1.0, "temperature": 0.1})
    run = train(recipe, dataset, teacher=says_label_0)
    assert accuracy(run.model, dataset.test_images, np.zeros(200, int)) == 1


def test_teacher_must_be_given(dataset):
    with pytest.raises(InputError, match="learns from 'someone', but no such teacher"):
        train(RECIPE.changed({"teacher": "someone"}), dataset)


def test_distillation_loss(dataset):
    """At temperature T the teacher's part is T² · cross-entropy of both softened distributions."""
    recipe = RECIPE.changed({"teacher": "someone", "distill": 0.25, "temperature": 2.0})
    training = start_training(recipe, dataset, teacher=says_label_0)
    training._prepare_epoch()
    predicted, rows = np.random.default_rng(0).normal(size=(5, 10)), np.arange(5)
    log_softmax = predicted - np.log(np.exp(predicted).sum(axis=1, keepdims=True))
    soft_log = predicted / 2 - np.log(np.exp(predicted / 2).sum(axis=1, keepdims=True))
    taught = np.exp(says_label_0(rows) / 2)
    taught /= taught.sum(axis=1, keepdims=True)
    hard = -log_softmax[rows, training._labels[rows]].mean()
    soft = -(taught * soft_log).sum(axis=1).mean()
    assert float(training._loss(Tensor(predicted), rows).data) == pytest.approx(0.75 * hard + 0.25 * 4 * soft, rel=1e-6)


def test_label_smoothing_loss(dataset):
    training = start_training(RECIPE.changed({"label_smoothing": 0.1}), dataset)
    training._prepare_epoch()
    predicted, rows = np.random.default_rng(0).normal(size=(5, 10)), np.arange(5)
    log_softmax = predicted - np.log(np.exp(predicted).sum(axis=1, keepdims=True))
    expected = -(0.9 * log_softmax[rows, training._labels[rows]] + 0.1 * log_softmax.mean(axis=1)).mean()
    assert float(training._loss(Tensor(predicted), rows).data) == pytest.approx(expected)


def test_images_are_distorted_anew_after_refresh_epochs(dataset):
    training = start_training(RECIPE.changed({"refresh": 2, "shift": 3}), dataset)
    seen = []
    for _ in range(4):
        for _ in range(training.batches):
            training.advance()
        seen.append(training._images.tobytes())
    assert [a == b for a, b in itertools.pairwise(seen)] == [True, False, True]


def test_order_changes_from_epoch_to_epoch(dataset):
    training = start_training(RECIPE, dataset)
    orders = []
    for _ in range(2):
        for _ in range(training.batches):
            training.advance()
        orders.append(training._order)
    assert (orders[0] != orders[1]).any()
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(1000))
