"""amarray/training.py: `amarray train` on a small data set, stopped and resumed as a user would."""

import json
import re
import signal
from contextlib import contextmanager
from pathlib import Path

import pytest
from tiny import TRAIN, write_tiny

from amarray.cli import main
from amarray.training import train_run
from sw.errors import InputError
from sw.locks import locked
from sw.network_toml import read_network_toml
from sw.run_folder import load_run


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


@pytest.fixture(params=[signal.SIGINT, signal.SIGTERM])
def stop_signal(request):
    """Ctrl-C as in a shell, and SIGTERM where Ctrl-C is ignored, as in a background job of a script."""
    handler = signal.default_int_handler if request.param == signal.SIGINT else signal.SIG_IGN
    before = signal.signal(signal.SIGINT, handler)
    yield request.param
    signal.signal(signal.SIGINT, before)


def interrupt_at(monkeypatch, count, number):
    """A stop while step number `count` is reported."""
    calls = []

    @contextmanager
    def bar(*arguments):
        def update(done):
            calls.append(done)
            if len(calls) == count:
                signal.raise_signal(number)

        yield update

    monkeypatch.setattr("amarray.training.bar", bar)


@pytest.mark.parametrize("stop", [3, 5, 12])
def test_a_stop_leaves_a_checkpoint_that_resumes(folder, capsys, monkeypatch, stop, stop_signal):
    handler = signal.getsignal(signal.SIGINT)
    whole = run_json(capsys, *TRAIN, "-o", "whole")
    with monkeypatch.context() as patch:
        interrupt_at(patch, stop, stop_signal)
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


def test_what_quantize_will_refuse_is_said_before_the_first_step(folder, capsys, monkeypatch):
    text = (folder / "tiny.toml").read_text()
    changed = text.replace('{ kind = "relu" }', '{ kind = "tanh" }').replace(
        '"classes" },', '"classes" }, { kind = "softmax" },'
    )
    (folder / "tiny.toml").write_text(changed)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 1, signal.SIGINT)
        assert main([*TRAIN, "-o", "stopped"]) == 130
    note, *_ = capsys.readouterr().err.splitlines()
    assert note == (
        "note: `amarray quantize` will refuse this network: layer 3 (Tanh) has no integer form; take ReLU in its place;"
        " layer 6 (Softmax) has no integer form; leave it out, the greatest logit wins without it"
    )
    result = run_json(capsys, *TRAIN)
    assert result["notes"] == [note.removeprefix("note: ")]
    assert main([*TRAIN[:-1], "-o", "again"]) == 0
    captured = capsys.readouterr()
    assert note in captured.out
    assert "next:" not in captured.out
    reason = note.partition("network: ")[2]
    assert error(capsys, "quantize", "again", "--data", "bars", "--calibration-images", "100").endswith(
        f"cannot be quantized: {reason}"
    )


def test_a_network_that_can_be_quantized_has_no_note(folder, capsys):
    assert main([*TRAIN[:-1]]) == 0
    captured = capsys.readouterr()
    assert "note:" not in captured.err + captured.out
    assert captured.out.splitlines()[-1] == "next: amarray quantize runs/tiny --data bars"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "resnet"), "'resnet' is neither a TOML file nor a shipped network: .*mlp"),
        ((*TRAIN, "--set", "speed=3"), "a recipe has no field 'speed'"),
        ((*TRAIN, "--set", "epochs=" + "[" * 5000), "cannot read --set epochs: .*nested too deep"),
        ((*TRAIN, "--set", "seed=0x" + "f" * 5000), "an integer must have at most 128 bits"),
        ((*TRAIN, "--set", "epochs"), "--set needs NAME=VALUE, not 'epochs'"),
        ((*TRAIN, "--set", "teacher=nobody"), "'nobody' is neither a folder that `amarray train` wrote nor a shipped"),
        ((*TRAIN, "--epochs", "0"), r"epochs must be an integer 1\.\.10000, not 0"),
        ((*TRAIN[:2], "--data", "nowhere"), "nowhere is not a folder"),
        ((*TRAIN, "--resume"), "cannot resume from runs/tiny.checkpoint.npz: No such file"),
    ],
)
def test_bad_input_is_one_line(folder, capsys, arguments, message):
    assert re.search(message, error(capsys, *arguments))


def foreign(path):
    """Somebody's folder with something in it."""
    path.mkdir(parents=True)
    (path / "thesis").touch()


def never(*arguments, **options):
    raise AssertionError("it must be refused before")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("mine", "will not replace mine: it is not empty and has no run.json; name a new folder"),
        ("tiny.toml", "a file has that name; name another folder"),
        ("tiny.toml/run", "cannot write tiny.toml/run: Not a directory"),
        ("other", "cannot write other.checkpoint.npz: it is a folder"),
        (".", "it must have a name of its own"),
    ],
)
def test_a_target_is_checked_before_anything_is_read(folder, capsys, monkeypatch, output, message):
    foreign(folder / "mine")
    foreign(folder / "other.checkpoint.npz")
    monkeypatch.setattr("amarray.training.load_data", never)
    before = sorted(folder.rglob("*"))
    assert message in error(capsys, *TRAIN, "-o", output)
    assert sorted(folder.rglob("*")) == before


def test_the_demo_checks_the_target_of_its_training_too(folder, monkeypatch):
    foreign(folder / "mine")
    monkeypatch.setattr("amarray.training.training.train", never)
    with pytest.raises(InputError, match="will not replace mine"):
        train_run(*read_network_toml(folder / "tiny.toml")[:2], None, Path("mine"))


def test_the_second_training_of_a_run_is_refused_at_its_start(folder, capsys, monkeypatch):
    with locked(Path("runs/tiny")), monkeypatch.context() as patch:
        patch.setattr("amarray.training.training.train", never)
        assert "another process is at work on runs/tiny" in error(capsys, *TRAIN)
    run_json(capsys, *TRAIN)
    assert [path.name for path in Path("runs").iterdir()] == ["tiny"]


def while_it_trains(monkeypatch, act):
    """Call a function while the first step is reported."""
    acts = [act]

    @contextmanager
    def bar(*arguments):
        yield lambda done: acts and acts.pop()()

    monkeypatch.setattr("amarray.training.bar", bar)


def test_a_run_whose_target_is_refused_in_the_end_is_kept(folder, capsys, monkeypatch):
    whole = run_json(capsys, *TRAIN, "-o", "whole")
    while_it_trains(monkeypatch, lambda: foreign(Path("run")))
    assert error(capsys, *TRAIN, "-o", "run").endswith("what was to be written there is kept as run.kept")
    assert (folder / "run.kept" / "model.npz").read_bytes() == (folder / "whole" / "model.npz").read_bytes()
    assert load_run(Path("run.kept")).test_accuracy == whole["float_accuracy"]


def test_a_checkpoint_that_cannot_be_written_costs_no_training(folder, capsys, monkeypatch):
    monkeypatch.setattr("amarray.training.CHECKPOINT_SECONDS", -1)
    while_it_trains(monkeypatch, lambda: Path("run.checkpoint.npz").mkdir())
    assert main([*TRAIN, "-o", "run"]) == 0
    errors = capsys.readouterr().err
    assert errors.count("note: no checkpoint: cannot write run.checkpoint.npz: it is a folder") == 4
    assert load_run(Path("run")).history


def test_a_checkpoint_of_a_stop_is_kept_elsewhere(folder, capsys, monkeypatch):
    def stop():
        Path("run.checkpoint.npz").mkdir()
        signal.raise_signal(signal.SIGTERM)

    while_it_trains(monkeypatch, stop)
    line = error(capsys, *TRAIN, "-o", "run", code=130)
    assert "is kept as run.checkpoint.kept.npz; --resume goes on from run.checkpoint.npz, when it lies there" in line
    Path("run.checkpoint.npz").rmdir()
    Path("run.checkpoint.kept.npz").rename("run.checkpoint.npz")
    run_json(capsys, *TRAIN, "-o", "run", "--resume")


def test_a_stop_after_the_last_step_loses_nothing(folder, capsys, monkeypatch):
    monkeypatch.setattr("sw.train.Training.finish", lambda training: signal.raise_signal(signal.SIGTERM))
    run_json(capsys, *TRAIN, "-o", "run")
    assert load_run(Path("run")).history


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
