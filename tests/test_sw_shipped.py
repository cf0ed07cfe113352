"""sw/shipped.py: the networks that come with amarray are whole, and as good as it says."""

import hashlib

import numpy as np
import pytest
from tiers import slow

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

SHA256 = {
    "cnn": "0daa57d20048ef2603b8ff52a44bd56db115cf96780471819a17a2ee3ae8789c",
    "cnn-8k": "7eb744f4890f7f67de7385f5a4a0e5ae4856b187573737a0a56994281972d8b2",
    "cnn-large": "088b8cbdfc33ffe7eb58c98676f916ac7a1c312c8b41d552512e429bec2e7ba7",
    "lenet5": "3c7c0c2625ef5ceacfaeb9764a1968a13b5a529e3233b033beac9a4482fc0a1a",
    "mlp": "4183933c79a778ab0d408fd2ddceb2e4dabbcef11722e1b55f52b1d5a150774c",
}
"""Digests of the Network files from before they recorded their data."""
WEIGHTS = {
    "cnn": "4ee33dbabaf22f7d2725c0b1c27ff4b123fab6151f4ed7c5488b0d0710bc3411",
    "cnn-8k": "66b6aec5f5657ee268f0452db2305e14be4b74dcc8679d8218977363204fba30",
    "cnn-large": "e21ef54db7fc9d649c1c9e943c781fff566c15acfa7371258d616d379b48b4a6",
    "lenet5": "92060e85a3350d8cd99fc101fce26ce38328956c9057b0f9005ac27d3f053e53",
    "mlp": "f019806ab83a4eda4ebed835ed53f31aaedb0478f746c7be67d42db1e6c4ae29",
}
"""SHA-256 of the runs' model.npz from then."""


def test_all_are_there():
    assert set(NAMES) == set(LIMITS) == set(SHA256) == set(WEIGHTS)


@pytest.fixture(scope="module")
def dataset():
    return mnist.load()


@pytest.mark.parametrize("name", LIMITS)
def test_run_is_what_its_file_describes(name):
    architecture, recipe, _ = read_network_toml(toml_path(name))
    run = load_run(run_path(name))
    assert (run.architecture, run.recipe) == (architecture, recipe)


@pytest.mark.parametrize("name", SHA256)
def test_recording_their_data_changed_nothing_else(name, dataset):
    network, run = network_file.load(network_path(name)), load_run(run_path(name))
    assert network.data == run.data == dataset.record
    assert network_file.digest(network) == SHA256[name]
    assert hashlib.sha256((run_path(name) / "model.npz").read_bytes()).hexdigest() == WEIGHTS[name]


@pytest.mark.parametrize("name", ["mlp", "cnn", "lenet5", *slow(["cnn-8k", "cnn-large"])])
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
