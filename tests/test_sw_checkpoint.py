"""sw/checkpoint.py: what is read goes on as what was written, and every other file is refused."""

import json

import numpy as np
import pytest

from sw.architecture import Architecture
from sw.checkpoint import load_checkpoint, save_checkpoint
from sw.dataset import Dataset
from sw.errors import InputError
from sw.recipe import Recipe
from sw.train import Training, run_to_end

TABLES = ({"kind": "flatten"}, {"kind": "dropout", "rate": 0.2}, {"kind": "dense", "outputs": "classes"})
ARCHITECTURE = Architecture("tiny", TABLES)
RECIPE = Recipe(epochs=3, batch_size=10, validation_images=10, learning_rate=0.01)


def dataset(seed=0):
    generator = np.random.default_rng(seed)
    parts = [
        (generator.integers(0, 256, (n, 6, 6, 1), dtype=np.uint8), np.arange(n, dtype=np.uint8) % 3) for n in (60, 9)
    ]
    return Dataset(*parts[0], *parts[1])


def training():
    generator = np.random.default_rng(RECIPE.seed)
    data = dataset()
    return Training(ARCHITECTURE.build(data.shape, data.classes, generator), RECIPE, data, generator=generator)


@pytest.fixture
def path(tmp_path):
    stopped = training()
    for _ in range(7):
        stopped.advance()
    save_checkpoint(stopped, ARCHITECTURE, tmp_path / "checkpoint.npz")
    return tmp_path / "checkpoint.npz"


def test_goes_on_bit_for_bit(path):
    whole, resumed = training(), training()
    run_to_end(whole)
    resumed.restore(*load_checkpoint(path, ARCHITECTURE, RECIPE, dataset()))
    assert resumed.step == 7
    run_to_end(resumed)
    assert resumed.history == whole.history
    for name, tensor in whole.kept.items():
        assert resumed.kept[name].data.tobytes() == tensor.data.tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": Architecture("other", TABLES)}, "another architecture; name is 'tiny' there and 'other'"),
        ({"recipe": RECIPE.changed({"epochs": 4})}, "another recipe; epochs is 3 there and 4 here"),
        ({"dataset": dataset(1)}, "another data set"),
    ],
)
def test_refuses_that_of_another_training(path, change, message):
    wanted = {"architecture": ARCHITECTURE, "recipe": RECIPE, "dataset": dataset()} | change
    with pytest.raises(InputError, match=f"cannot resume from .*: it is of {message}"):
        load_checkpoint(path, **wanted)


@pytest.mark.parametrize("content", [b"", b"not an archive", None])
def test_refuses_what_is_no_checkpoint(path, content):
    path.write_bytes(path.read_bytes()[:400] if content is None else content)
    with pytest.raises(InputError, match="it is not a checkpoint, or truncated or damaged"):
        load_checkpoint(path, ARCHITECTURE, RECIPE, dataset())


def test_missing(tmp_path):
    with pytest.raises(InputError, match="No such file or directory; a stopped training leaves one"):
        load_checkpoint(tmp_path / "none.npz", ARCHITECTURE, RECIPE, dataset())


def edit(path, arrays=None, **values):
    """Another header or other arrays in the file."""
    with np.load(path) as file:
        members = dict(file)
    header = json.loads(members["header"].tobytes())
    header["values"] |= values
    members |= {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)} | (arrays or {})
    np.savez(path, **{name: array for name, array in members.items() if array is not None})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step": -1}, r"the step must be 0\.\.15, not -1"),
        ({"step": 16}, r"the step must be 0\.\.15, not 16"),
        ({"step": "7"}, "the step must be"),
        ({"step": 8}, "there must be a loss for each of 3 steps"),
        ({"losses": [1, 2]}, "there must be a loss for each of 2 steps"),
        ({"losses": None}, "it is not a state of this training"),
        ({"history": []}, "the history must have one entry for each of 1 epochs"),
        ({"history": [{"epoch": 1}]}, "the history must have one entry"),
        ({"generator": {}}, "it is not a state of this training"),
        ({"generator": {"bit_generator": "MT19937"}}, "it is not a state of this training"),
        ({"arrays": {"weights/2.bias": None}}, r"2\.bias of the weights is None, must be"),
        ({"arrays": {"weights/2.bias": np.zeros(4, np.float32)}}, r"2\.bias of the weights is \(\(4,\)"),
        ({"arrays": {"weights/2.bias": np.zeros(3)}}, r"2\.bias of the weights is \(\(3,\), dtype\('float64'\)"),
        ({"arrays": {"best/2.bias": np.zeros(3, np.float32)}}, r"2\.weight of the best is None"),
        ({"arrays": {"averages/x": np.zeros(3)}}, "of the averages is"),
        ({"arrays": {"optimizer/steps": np.zeros(3)}}, "steps in the state of an optimizer must be"),
        ({"arrays": {"other/x": np.zeros(3)}}, "'other' is missing"),
    ],
)
def test_a_damaged_state_is_refused_before_the_training_goes_on(path, values, message):
    edit(path, **values)
    start = load_checkpoint(path, ARCHITECTURE, RECIPE, dataset())
    with pytest.raises(InputError, match=f"cannot resume: .*{message}"):
        training().restore(*start)


def test_refuses_a_checkpoint_that_is_compressed(path):
    with np.load(path) as file:
        np.savez_compressed(path.with_suffix(".other.npz"), **dict(file))
    with pytest.raises(InputError, match="its members are compressed"):
        load_checkpoint(path.with_suffix(".other.npz"), ARCHITECTURE, RECIPE, dataset())
