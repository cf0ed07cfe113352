"""sw/run_folder.py: round trip, and a reason for every damage."""

import hashlib
import io
import json
from dataclasses import replace

import fuzz
import numpy as np
import pytest

from sw.architecture import Architecture
from sw.data_record import DataRecord
from sw.errors import InputError
from sw.recipe import Recipe
from sw.run_folder import load_run, save_run
from sw.train import TrainedModel

TABLES = (
    {"kind": "flatten"},
    {"kind": "dense", "outputs": 6},
    {"kind": "batchnorm"},
    {"kind": "dense", "outputs": "classes"},
)
DATA = DataRecord("signs", "0123456789abcdef" * 4, (4, 5, 1), 3, "../signs")


@pytest.fixture
def trained():
    architecture = Architecture("tiny", TABLES)
    model = architecture.build((4, 5, 1), 3, np.random.default_rng(3))
    history = [{"epoch": 1, "loss": 0.1, "validation_accuracy": 0.5}]
    return TrainedModel(architecture, Recipe(seed=3, epochs=1), DATA, model, history, 0.75)


@pytest.fixture
def folder(trained, tmp_path):
    save_run(trained, tmp_path / "run")
    return tmp_path / "run"


def test_round_trip(trained, folder):
    kept = trained.model.parameters() | trained.model.state()
    for tensor in kept.values():
        tensor.data = tensor.data + 1  # what is loaded must come from the file, not from the seed
    save_run(trained, folder)
    loaded = load_run(folder)
    for name in ("architecture", "recipe", "data", "history", "test_accuracy"):
        assert getattr(loaded, name) == getattr(trained, name)
    assert not loaded.model.training
    found = loaded.model.parameters() | loaded.model.state()
    assert len(found) == 8
    for name, tensor in kept.items():
        np.testing.assert_array_equal(found[name].data, tensor.data)


def test_same_run_gives_the_same_files(trained, folder, tmp_path):
    save_run(trained, tmp_path / "other")
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_description_names_numpy(folder):
    assert json.loads((folder / "run.json").read_text())["numpy"] == np.__version__


def test_format_2_has_neither_hash_nor_path_of_its_data(trained, folder):
    edit(folder, format=2, data={"name": "signs", "shape": [4, 5, 1], "classes": 3})
    assert load_run(folder).data == replace(DATA, sha256=None, path=None)


def edit(folder, **changes):
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def put_weights(folder, arrays):
    """Store other weights, with a hash that fits."""
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    put_bytes(folder, stream.getvalue())


def put_bytes(folder, data):
    (folder / "model.npz").write_bytes(data)
    edit(folder, model_sha256=hashlib.sha256(data).hexdigest())


def compressed(arrays):
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def weights(folder):
    with np.load(folder / "model.npz") as arrays:
        return dict(arrays)


def truncate(path, keep):
    path.write_bytes(path.read_bytes()[:keep])


DAMAGES = {
    "no description": (lambda f: (f / "run.json").unlink(), "run.json: No such file"),
    "no weights": (lambda f: (f / "model.npz").unlink(), "model.npz: No such file"),
    "truncated description": (lambda f: truncate(f / "run.json", 100), "it is not a run, or truncated or damaged"),
    "description is a list": (lambda f: (f / "run.json").write_text("[]"), "it is not a run, or truncated or damaged"),
    "description is not text": (
        lambda f: (f / "run.json").write_bytes(b"\xff\xfe"),
        "it is not a run, or truncated or damaged",
    ),
    "truncated weights": (lambda f: truncate(f / "model.npz", 500), "model.npz does not match its SHA-256"),
    "newer format": (lambda f: edit(f, format=1), "format version 1 is not known; must be 2 or 3"),
    "unknown recipe field": (lambda f: edit(f, recipe={"speed": 1}), "a recipe has no field 'speed'"),
    "unknown layer": (
        lambda f: edit(f, architecture={"name": "a", "layers": [{"kind": "lstm"}]}),
        "layer 0: kind must be one of",
    ),
    "other data": (
        lambda f: edit(f, data=DATA.to_json() | {"shape": [4, 6, 1]}),
        r"1.weight is float32 \(20, 6\); the model has float32 \(24, 6\)",
    ),
    "data without hash and path": (
        lambda f: edit(f, data={"name": "signs", "shape": [4, 5, 1], "classes": 3}),
        "a data set must be described by name, sha256, shape, classes, path, and nothing else",
    ),
    "path of two lines": (
        lambda f: edit(f, data=DATA.to_json() | {"path": "signs\nrm"}),
        "path of a data set must be 1..4096 printable characters, not 'signs.nrm'",
    ),
    "parameter missing": (lambda f: put_weights(f, {"1.weight": np.zeros(3)}), "1.weight is float64"),
    "no parameters": (lambda f: put_weights(f, {}), "it is not a run, .*1.weight.* is missing"),
    "a huge image": (
        lambda f: edit(f, data=DATA.to_json() | {"shape": [50000, 50000, 4]}),
        "pixels of an image must be at most 16777216, not 10000000000",
    ),
    "pixels that overflow": (
        lambda f: edit(f, data=DATA.to_json() | {"shape": [2**32, 2**32, 1]}),
        "pixels of an image must be at most 16777216",
    ),
    "no pixels": (lambda f: edit(f, data=DATA.to_json() | {"shape": [4, 5, 0]}), "each at least 1"),
    "too many classes": (lambda f: edit(f, data=DATA.to_json() | {"classes": 257}), "1..256, not 257"),
    "description nested deep": (
        lambda f: (f / "run.json").write_text("[" * 10**5),
        "it is not a run, .*nested too deep",
    ),
    "description of 2 MiB": (lambda f: (f / "run.json").write_text(" " * 2**21), "it has more than 1048576 bytes"),
    "history is text": (lambda f: edit(f, history="good"), "the history must have numbers"),
    "history lacks a loss": (lambda f: edit(f, history=[{"epoch": 1}]), "the history must have numbers"),
    "accuracy is text": (lambda f: edit(f, test_accuracy="high"), r"the test accuracy must be a number 0\.\.1"),
    "data without a name": (
        lambda f: edit(f, data=DATA.to_json() | {"name": 3}),
        "the name of a data set must be 1..100 printable characters, not 3",
    ),
    "weights that are empty": (lambda f: put_bytes(f, b""), "it is not a run, or truncated or damaged"),
    "weights that are compressed": (lambda f: put_bytes(f, compressed(weights(f))), "its members are compressed"),
    "weights of 373 GiB": (
        lambda f: put_bytes(f, fuzz.stored({"1.weight": fuzz.npy("<f4", (10**11,), b"")})),
        r"member '1\.weight\.npy': it is not a plain array of shape \(100000000000,\)",
    ),
    "pickled weights": (
        lambda f: put_bytes(f, fuzz.stored({"1.weight": fuzz.pickled()})),
        r"member '1\.weight\.npy': it is not a plain array",
    ),
    "weights with an odd header": (
        lambda f: put_bytes(f, fuzz.stored({"1.weight": fuzz.npy("<f4", "(" * 5000, b"")})),
        r"member '1\.weight\.npy': it is not a plain array",
    ),
    "not finite": (
        lambda f: put_weights(f, weights(f) | {"1.bias": np.full(6, np.nan, np.float32)}),
        "1.bias holds values that are not finite",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_refuses_damage_with_one_line(folder, name):
    damage, message = DAMAGES[name]
    damage(folder)
    with pytest.raises(InputError, match=f"cannot load run .*{message}") as caught:
        load_run(folder)
    assert "\n" not in str(caught.value)


def test_does_not_replace_a_foreign_folder(trained, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"will not replace .*no run\.json"):
        save_run(trained, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
