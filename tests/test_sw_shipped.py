"""sw/shipped.py: the networks that come with amarray are whole, and as good as it says."""

import numpy as np
import pytest

from sw import mnist, network_file
from sw.errors import InputError
from sw.evaluate import evaluate
from sw.network_toml import read_network_toml
from sw.run_folder import load_run
from sw.shipped import NAMES, network_path, run_path, toml_path
from sw.train import accuracy

LIMITS = {
    "mlp": (13_002, 0.974),
    "cnn": (6_000, 0.993),
    "cnn-8k": (8_000, 0.994),
    "cnn-large": (100_000, 0.996),
    "lenet5": (62_000, 0.99),
}
"""By name: most parameters, and least accuracy of the integers on the test images."""


def test_all_are_there():
    assert set(NAMES) == set(LIMITS)


@pytest.fixture(scope="module")
def dataset():
    return mnist.load()


@pytest.mark.parametrize("name", LIMITS)
def test_run_is_what_its_file_describes(name):
    architecture, recipe = read_network_toml(toml_path(name))
    run = load_run(run_path(name))
    assert (run.architecture, run.recipe, run.data) == (architecture, recipe, "mnist")


@pytest.mark.parametrize("name", LIMITS)
def test_integers_are_as_good_as_the_float_network(name, dataset):
    network, run = network_file.load(network_path(name)), load_run(run_path(name))
    found = evaluate(network, dataset.test_images, dataset.test_labels).accuracy
    assert network.notes["float_accuracy"] == run.test_accuracy
    assert network.parameters <= LIMITS[name][0]
    assert found >= LIMITS[name][1]
    assert found >= run.test_accuracy - 0.001
    rows = np.arange(0, 10000, 10)
    images, labels = dataset.test_images[rows], dataset.test_labels[rows]
    assert accuracy(run.model, images, labels) == pytest.approx(run.test_accuracy, abs=0.02)


def test_paths_of_users_pass_through(tmp_path):
    for find in (toml_path, run_path, network_path):
        assert find(str(tmp_path)) == tmp_path
        with pytest.raises(InputError, match=r"'nowhere' is neither .* nor a shipped network: cnn, "):
            find("nowhere")
