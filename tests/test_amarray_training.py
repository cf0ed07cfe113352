"""amarray/training.py: `amarray train` on a small data set, stopped and resumed as a user would."""

import json
import os
import re
import signal
from contextlib import contextmanager

import pytest
from tiny import TRAIN, write_tiny

from amarray.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of tests/tiny.py; also the working directory."""
    write_tiny(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_json(capsys, *arguments):
    assert main([*map(str, arguments)]) == 0
    return json.loads(capsys.readouterr().out)


def error(capsys, *arguments, code=2):
    assert main([*map(str, arguments)]) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.endswith("...")]
    assert len(lines) == 1
    return lines[0]


def test_own_network_on_own_data(folder, capsys):
    result = run_json(capsys, *TRAIN, "--set", "optimizer=nesterov", "--set", "rotate=5", "--epochs", "30")
    assert (result["model"], result["data"], result["epochs"], result["run"]) == ("tiny", "bars", 30, "runs/tiny")
    assert result["parameters"] == 72 * 8 + 8 + 16 + 8 * 4 + 4
    assert result["float_accuracy"] > 0.9
    recipe = json.loads((folder / "runs" / "tiny" / "run.json").read_text())["recipe"]
    assert (recipe["optimizer"], recipe["rotate"], recipe["batch_size"]) == ("nesterov", 5, 20)


def interrupt_at(monkeypatch, count):
    """Ctrl-C while step number `count` is reported."""
    calls = []

    @contextmanager
    def bar(*arguments):
        def update(done):
            calls.append(done)
            if len(calls) == count:
                os.kill(os.getpid(), signal.SIGINT)

        yield update

    monkeypatch.setattr("amarray.training.bar", bar)


@pytest.mark.parametrize("stop", [3, 5, 12])
def test_ctrl_c_leaves_a_checkpoint_that_resumes(folder, capsys, monkeypatch, stop):
    handler = signal.getsignal(signal.SIGINT)
    whole = run_json(capsys, *TRAIN, "-o", "whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, stop)
        line = error(capsys, *TRAIN, "-o", "parts", code=130)
    assert "the same command with --resume goes on from parts.checkpoint.npz" in line
    assert not (folder / "parts").exists()
    assert "--resume" in error(capsys, *TRAIN, "-o", "parts")  # nothing is lost by typing the command again
    resumed = run_json(capsys, *TRAIN, "-o", "parts", "--resume")
    assert resumed == whole | {"run": "parts"}
    for name in ("run.json", "model.npz"):
        assert (folder / "parts" / name).read_bytes() == (folder / "whole" / name).read_bytes()
    assert not (folder / "parts.checkpoint.npz").exists()
    assert signal.getsignal(signal.SIGINT) is handler


def test_checkpoints_at_the_end_of_epochs_while_it_runs(folder, capsys, monkeypatch):
    monkeypatch.setattr("amarray.training.CHECKPOINT_SECONDS", -1)
    steps = []
    monkeypatch.setattr(
        "amarray.training.save_checkpoint", lambda training, architecture, path: steps.append(training.step)
    )
    run_json(capsys, *TRAIN)
    assert steps == [5, 10, 15, 20]


def test_a_teacher_is_a_run(folder, capsys):
    teacher = run_json(capsys, *TRAIN, "-o", "teacher")
    pupil = run_json(capsys, *TRAIN, "-o", "pupil", "--set", "teacher=teacher", "--set", "distill=0.9")
    assert pupil["loss"] != teacher["loss"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "resnet"), "'resnet' is neither a TOML file nor a shipped network: .*mlp"),
        ((*TRAIN, "--set", "speed=3"), "a recipe has no field 'speed'"),
        ((*TRAIN, "--set", "epochs"), "--set needs NAME=VALUE, not 'epochs'"),
        ((*TRAIN, "--set", "teacher=nobody"), "'nobody' is neither a folder that `amarray train` wrote nor a shipped"),
        ((*TRAIN, "--epochs", "0"), r"epochs must be an integer 1\.\.100000, not 0"),
        ((*TRAIN[:2], "--data", "nowhere"), "nowhere is not a folder"),
        ((*TRAIN, "--resume"), "cannot resume from runs/tiny.checkpoint.npz: No such file"),
    ],
)
def test_bad_input_is_one_line(folder, capsys, arguments, message):
    assert re.search(message, error(capsys, *arguments))


def test_a_shipped_recipe_shrinks_to_small_data(folder, capsys):
    result = run_json(capsys, "train", "mlp", "--data", "bars", "--epochs", "1", "--json")
    assert result["notes"] == [
        "validation_images is 20, not 1000, for there are only 120 training images",
        "batch_size is 12, not 512, for there are only 120 training images",
    ]
    run = json.loads((folder / "runs" / "mlp" / "run.json").read_text())
    assert (run["recipe"]["validation_images"], run["recipe"]["batch_size"]) == (20, 12)
    assert (run["data"]["path"], run["data"]["shape"], run["data"]["classes"]) == ("bars", [9, 8, 1], 4)


@pytest.mark.parametrize(
    "arguments",
    [
        (*TRAIN, "--batch-size", "101"),
        (*TRAIN, "--set", "validation_images=101"),
        ("train", "mlp", "--data", "bars", "--batch-size", "101"),
        ("train", "wishes.toml", "--data", "bars"),
    ],
)
def test_what_the_user_asks_for_does_not_shrink(folder, capsys, arguments):
    (folder / "wishes.toml").write_text(
        (folder / "tiny.toml").read_text().replace("batch_size = 20", "batch_size = 101")
    )
    assert re.search(
        r"120 training images less \d+ for validation leave \d+; must leave at least one batch of \d+: "
        "change one with --set validation_images=N or --set batch_size=N",
        error(capsys, *arguments),
    )


def test_a_teacher_of_other_images_is_refused(folder, capsys):
    line = error(capsys, *TRAIN, "--set", "teacher=mlp")
    assert "run mlp reads images of 28 x 28 x 1 in 10 classes; those of bars are 9 x 8 x 1 in 4 classes" in line


def test_a_teacher_of_other_data_is_named(folder, capsys):
    run_json(capsys, *TRAIN, "-o", "teacher", "--epochs", "1")
    path = folder / "teacher" / "run.json"
    description = json.loads(path.read_text())
    description["data"] |= {"sha256": "ab" * 32, "path": "elsewhere"}
    path.write_text(json.dumps(description))
    pupil = run_json(capsys, *TRAIN, "-o", "pupil", "--set", "teacher=teacher", "--epochs", "1")
    assert pupil["notes"] == [
        "run teacher was made with other data than bars: bars (elsewhere, SHA-256 abababababab...)"
    ]
