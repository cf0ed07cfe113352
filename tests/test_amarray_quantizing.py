"""amarray/quantizing.py: `amarray quantize` on a tiny network: mixed bits, training under quantization, sweep."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import TRAIN, idx_bytes, write_tiny

from amarray import quantizing
from amarray.cli import main
from sw import network_file
from sw.dataset import load_folder
from sw.locks import locked


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of tests/tiny.py with a trained run."""
    folder = tmp_path_factory.mktemp("quantizing")
    write_tiny(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([*TRAIN, "--epochs", "30", "-o", "run"]) == 0
    return folder


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch):
    monkeypatch.chdir(folder)


QUANTIZE = ("quantize", "run", "--data", "bars", "--calibration-images", "120")


def run_json(capsys, *arguments):
    assert main([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_mixed_bits(capsys):
    result = run_json(capsys, *QUANTIZE, "--weight-bits", "3,8", "--activation-bits", "5", "-o", "mixed.npz")
    assert (result["weight_bits"], result["activation_bits"]) == (8, 5)
    network = network_file.load("mixed.npz")
    assert [layer.weight_bits for layer in network.layers] == [3, 8]
    assert np.abs(network.layers[0].weight).max() <= 3


def test_binary_weights(capsys):
    run_json(capsys, *QUANTIZE, "--weight-bits", "2,8", "--weights", "binary", "-o", "binary.npz")
    assert set(np.unique(network_file.load("binary.npz").layers[0].weight)) == {-1, 1}


def test_aware_trains_on(capsys):
    coarse = ("--weight-bits", "2", "--activation-bits", "2")
    before = run_json(capsys, *QUANTIZE, *coarse, "-o", "before.npz")
    after = run_json(capsys, *QUANTIZE, *coarse, "--aware", "--set", "average=0.9", "-o", "after.npz")
    assert after["sha256"] != before["sha256"]
    assert after["quantized_accuracy"] > 0.9
    notes = network_file.load("after.npz").notes
    assert (notes["fine_tuning"]["epochs"], notes["fine_tuning"]["average"]) == (7, 0.9)
    assert notes["fine_tuning"]["learning_rate"] == pytest.approx(0.001)


def test_aware_is_repeatable(capsys):
    first, second = (run_json(capsys, *QUANTIZE, "--aware", "-o", f"{i}.npz")["sha256"] for i in range(2))
    other = run_json(capsys, *QUANTIZE, "--aware", "--seed", "7", "-o", "2.npz")["sha256"]
    assert first == second != other


def test_sweep(folder, capsys):
    result = run_json(capsys, *QUANTIZE, "--sweep", "--aware", "--epochs", "1", "-o", "sweep")
    assert json.loads((folder / "sweep" / "sweep.json").read_text()) | {"notes": []} == result
    with Image.open(folder / "sweep" / "sweep.png") as picture:
        assert picture.size[0] > 500
    for field in ("weight_bits", "activation_bits"):
        rows = result["series"][field]
        methods = ("post-training", "quantization-aware")
        assert [(row[field], row["method"]) for row in rows] == [(b, m) for b in range(8, 1, -1) for m in methods]
        for row in rows:
            for layer in row["layers"]:
                assert layer["proven"][0] <= layer["measured"][0] <= layer["measured"][1] <= layer["proven"][1]
                assert 0 <= layer["saturated"] <= 1
    rows = [row for row in result["series"]["weight_bits"] if row["method"] == "post-training"]
    assert rows[0]["accuracy"] == pytest.approx(result["float_accuracy"], abs=0.05)
    assert rows[-1]["layers"][0]["proven_bits"] < rows[0]["layers"][0]["proven_bits"]


def test_sweep_prints_tables(capsys):
    assert main([*QUANTIZE, "--sweep", "-o", "sweep"]) == 0
    text = capsys.readouterr().out
    assert "tiny: accuracy against weight bits" in text
    assert re.search(r"0 dense +\d\.\d{3} %", text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--weight-bits", "8,8,8"), "weight_bits has 3 entries, but 2 layers take one"),
        (("--weight-bits", "eight"), "--weight-bits takes a number or a list like 8,4,8, not 'eight'"),
        (("--activation-bits", "9"), "activation_bits must be an integer 2..8, not 9"),
        (("--epochs", "3"), "epochs belongs to quantization-aware training; add --aware"),
        (("--set", "average=0.9"), "average belongs to quantization-aware training; add --aware"),
        (("--weights", "ternary"), "ternary weights need weight_bits 2"),
        (
            ("--calibration-images", "121"),
            "--calibration-images must be 1..120, not 121: there are 120 training images",
        ),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, message):
    assert main([*QUANTIZE, *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.endswith("...")]
    assert len(lines) == 1
    assert message in lines[0]


def foreign(path):
    """Somebody's folder with something in it."""
    path.mkdir(parents=True)
    (path / "thesis").touch()


def never(*arguments, **options):
    raise AssertionError("it must be refused before")


def error(capsys, *arguments):
    assert main([*QUANTIZE, *arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.endswith("...")]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--aware", "-o", "own"), "cannot write own: it is a folder; name a file"),
        (("--aware", "-o", "tiny.toml"), "will not replace tiny.toml: it is not a Network file; name another file, or"),
        (("--aware", "-o", "tiny.toml/x.npz"), "cannot write tiny.toml/x.npz: Not a directory"),
        (("--aware", "--force", "-o", "own"), "cannot write own: it is a folder; name a file"),
        (("--sweep", "-o", "own"), "will not replace own: it is not empty and has no sweep.json; name a new folder"),
        (("--sweep", "--force", "-o", "own"), "will not replace own: it is not empty and has no sweep.json"),
        (("--sweep", "-o", "tiny.toml"), "a file has that name"),
    ],
)
def test_a_target_is_checked_before_the_work(folder, capsys, monkeypatch, arguments, message):
    if not (folder / "own").exists():
        foreign(folder / "own")
    monkeypatch.setattr("amarray.quantizing._quantized", never)
    before = sorted(folder.rglob("*"))
    assert message in error(capsys, *arguments)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("arguments", [("--aware", "-o", "locked"), ("--sweep", "-o", "locked")])
def test_the_second_of_two_is_refused_at_its_start(capsys, monkeypatch, arguments):
    monkeypatch.setattr("amarray.quantizing._quantized", never)
    with locked(Path("locked")):
        assert "another process is at work on locked; wait" in error(capsys, *arguments)
    assert not Path("locked").exists()


def test_force_replaces_a_file_of_another_kind(folder, capsys):
    (folder / "poem.txt").write_text("O mores")
    run_json(capsys, *QUANTIZE, "--force", "-o", "poem.txt")
    assert network_file.load("poem.txt").layers


@pytest.mark.parametrize(
    ("options", "kept"), [(("--aware", "--epochs", "1"), "late.kept.npz"), (("--sweep",), "late.kept2.npz")]
)
def test_a_result_whose_target_is_refused_in_the_end_is_kept(folder, capsys, monkeypatch, options, kept):
    def quantized(*arguments):
        if not Path("late.npz").exists():
            foreign(Path("late.npz"))
        return made(*arguments)

    made = quantizing._quantized
    monkeypatch.setattr("amarray.quantizing._quantized", quantized)
    assert error(capsys, *options, "-o", "late.npz").endswith(f"kept as {kept}")
    found = folder / kept
    assert network_file.load(found) if found.is_file() else (found / "sweep.png").is_file()
    assert not any(path.name.startswith(".late") for path in folder.iterdir())
    (folder / "late.npz" / "thesis").unlink()
    (folder / "late.npz").rmdir()


def test_the_data_of_the_run_are_taken(capsys):
    result = run_json(capsys, "quantize", "run", "--aware", "--epochs", "1", "-o", "own.npz")
    assert result["data"] == "bars"
    assert result["notes"] == ["there are 120 training images: all are taken, not 2000"]
    assert network_file.load("own.npz").data.path == "bars"


def test_aware_shrinks_the_recipe_of_a_run_to_other_small_data(folder, capsys):
    write_few(folder / "few")
    arguments = ("quantize", "run", "--data", "few", "--aware", "--epochs", "1", "-o", "few.npz")
    notes = run_json(capsys, *arguments)["notes"]
    assert "was made with other data than few: bars (bars, " in notes[0]
    assert notes[1:] == [
        "there are 24 training images: all are taken, not 2000",
        "validation_images is 4, not 20, for there are only 24 training images",
        "batch_size is 2, not 20, for there are only 24 training images",
    ]
    tuned = network_file.load("few.npz").notes["fine_tuning"]
    assert (tuned["validation_images"], tuned["batch_size"]) == (4, 2)
    assert main([*arguments, "--set", "batch_size=21"]) == 2
    assert "leave 20; must leave at least one batch of 21" in capsys.readouterr().err


def write_few(folder):
    """The first 24 training images of bars, and its test images."""
    data = load_folder("bars")
    folder.mkdir()
    parts = (data.train_images[:24, ..., 0], data.train_labels[:24], data.test_images[..., 0], data.test_labels)
    names = ("train-images", "train-labels", "t10k-images", "t10k-labels")
    for name, array in zip(names, parts, strict=True):
        (folder / name).write_bytes(idx_bytes(array))
