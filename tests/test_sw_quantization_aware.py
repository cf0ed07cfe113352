"""sw/quantization/aware.py: training under quantization makes a coarse network better, and repeats bit for bit."""

import json

import numpy as np
import pytest

from sw import mnist, network_file
from sw.architecture import Architecture
from sw.dataset import Dataset
from sw.errors import InputError
from sw.evaluate import evaluate
from sw.quantization.aware import fine_tune
from sw.quantization.post_training import quantize
from sw.quantization.settings import Settings
from sw.recipe import Recipe
from sw.text import check_json_object
from sw.train import train

ALL = mnist.load()
DATA = Dataset(ALL.train_images[:3000], ALL.train_labels[:3000], ALL.test_images[:2000], ALL.test_labels[:2000])
LAYERS = (
    {"kind": "conv", "outputs": 6, "size": 5, "stride": 2},
    {"kind": "batchnorm"},
    {"kind": "relu"},
    {"kind": "maxpool"},
    {"kind": "flatten"},
    {"kind": "dense", "outputs": "classes"},
)
RECIPE = Recipe(epochs=3, batch_size=50, shift=0, learning_rate=0.01, validation_images=500)
TUNING = Recipe(epochs=2, batch_size=50, shift=0, learning_rate=0.002, validation_images=500, average=0.9)


@pytest.fixture(scope="module")
def trained():
    return train(Architecture("small", LAYERS), RECIPE, DATA)


def accuracy(network):
    return evaluate(network, DATA.test_images, DATA.test_labels).accuracy


@pytest.mark.parametrize(
    "settings",
    [
        Settings(weight_bits=2, activation_bits=3),
        Settings(weight_bits=2, weights="ternary"),
        Settings(weight_bits=2, weights="binary", scales="multiplier"),
    ],
)
def test_coarse_weights_get_better(trained, settings):
    before = accuracy(quantize(trained, DATA.train_images[:2000], settings))
    network = fine_tune(trained, settings, TUNING, DATA)
    assert accuracy(network) > before + 0.01
    assert accuracy(network) > trained.test_accuracy - 0.1
    assert all(layer.weight_bits in (None, 2) for layer in network.layers)


def test_the_trained_model_stays_and_the_result_repeats(trained):
    before = {name: tensor.data.copy() for name, tensor in trained.model.parameters().items()}
    networks = [fine_tune(trained, Settings(weight_bits=2), TUNING, DATA) for _ in range(2)]
    assert network_file.digest(networks[0]) == network_file.digest(networks[1])
    for name, tensor in trained.model.parameters().items():
        np.testing.assert_array_equal(tensor.data, before[name])


def test_the_notes_of_many_epochs_stay_short(trained, monkeypatch):
    monkeypatch.setattr("sw.quantization.aware.NOTED_EPOCHS", 1)
    notes = fine_tune(trained, Settings(), TUNING, DATA).notes
    assert [entry["epoch"] for entry in notes["history"]] == [2]
    entry = {"epoch": TUNING.epochs, "loss": 1 / 3e-99, "validation_accuracy": 0.12345678901234567}
    check_json_object(notes | {"history": [entry] * 400}, "notes")


def test_notes(trained):
    steps = []
    network = fine_tune(
        trained,
        Settings(),
        TUNING,
        DATA,
        calibration_images=100,
        watch=lambda training, progress: steps.append(progress.step),
    )
    notes = json.loads(json.dumps(network.notes))
    assert network.name == "small"
    assert notes["float_accuracy"] == trained.test_accuracy
    assert notes["quantization"]["calibration_images"] == 100
    assert notes["fine_tuning"] == TUNING.to_dict()
    assert len(notes["history"]) == 2
    assert steps == list(range(1, 101))


def test_the_float_model_is_the_teacher(trained):
    recipe = TUNING.changed({"teacher": "small", "distill": 1.0, "epochs": 1})
    asked = []

    def teacher(images):
        asked.append(len(images))
        return trained.logits(images)

    given = fine_tune(trained, Settings(weight_bits=2), recipe, DATA, teacher=teacher)
    default = fine_tune(trained, Settings(weight_bits=2), recipe, DATA)
    assert asked == [2500]
    assert network_file.digest(given) == network_file.digest(default)
    assert network_file.digest(given) != network_file.digest(
        fine_tune(trained, Settings(weight_bits=2), recipe.changed({"teacher": ""}), DATA)
    )


def test_divergence_is_said(trained):
    with pytest.raises(InputError, match=r"training diverged .* take a learning rate lower than 100"):
        fine_tune(trained, Settings(), TUNING.changed({"learning_rate": 100.0, "optimizer": "sgd", "epochs": 3}), DATA)
