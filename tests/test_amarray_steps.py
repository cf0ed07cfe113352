"""Steps are reused by content: inputs, outputs, code and packages."""

import json

import pytest

from amarray.steps import STATE, Steps
from sw.errors import InputError


class Counted:
    """An action that writes a file and counts its calls."""

    def __init__(self, folder):
        self.folder, self.calls = folder, 0

    def __call__(self):
        self.calls += 1
        self.folder.mkdir(exist_ok=True)
        (self.folder / "out.txt").write_text("made")
        return {"calls": self.calls}


def run(folder, action, *, inputs=("a",), packages=("numpy",)):
    lines = []
    steps = Steps(folder, lines.append)
    result = steps.run("make", action, inputs=list(inputs), outputs=["out.txt"], code=["sw"], packages=packages)
    return result, steps, lines


def test_second_run_reuses_and_says_so(tmp_path):
    action = Counted(tmp_path / "demo")
    first, steps, lines = run(tmp_path / "demo", action)
    assert (steps.reused, lines) == ([], [])
    second, steps, lines = run(tmp_path / "demo", action)
    assert (first, second, action.calls) == ({"calls": 1}, {"calls": 1}, 1)
    assert steps.reused == ["make"]
    assert lines == ["make: nothing has changed since it last ran, its result is reused"]
    assert "make" in steps.seconds


def test_other_input_or_output_runs_again(tmp_path):
    action = Counted(tmp_path / "demo")
    run(tmp_path / "demo", action)
    run(tmp_path / "demo", action, inputs=["b"])
    assert action.calls == 2
    (tmp_path / "demo" / "out.txt").write_text("edited")
    run(tmp_path / "demo", action, inputs=["b"])
    assert action.calls == 3
    (tmp_path / "demo" / "out.txt").unlink()
    run(tmp_path / "demo", action, inputs=["b"])
    assert action.calls == 4
    run(tmp_path / "demo", action, inputs=["b"], packages=["numpy", "amaranth"])
    assert action.calls == 5


def test_time_stamps_do_not_matter(tmp_path):
    action = Counted(tmp_path / "demo")
    run(tmp_path / "demo", action)
    (tmp_path / "demo" / "out.txt").touch()
    run(tmp_path / "demo", action)
    assert action.calls == 1


def test_changed_code_runs_again(tmp_path, monkeypatch):
    (tmp_path / "sw").mkdir()
    (tmp_path / "sw" / "module.py").write_text("1")
    monkeypatch.setattr("amarray.steps.ROOT", tmp_path)
    action = Counted(tmp_path / "demo")
    run(tmp_path / "demo", action)
    (tmp_path / "sw" / "module.py").write_text("2")
    run(tmp_path / "demo", action)
    assert action.calls == 2


def test_failed_step_is_not_recorded_and_what_it_left_is_no_obstacle(tmp_path):
    def fails():
        (tmp_path / "demo" / "out.txt").write_text("half")
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        run(tmp_path / "demo", fails)
    assert json.loads((tmp_path / "demo" / STATE).read_text()) == {}
    action = Counted(tmp_path / "demo")
    run(tmp_path / "demo", action)
    assert action.calls == 1


def test_two_runs_in_one_folder_keep_the_records_of_both(tmp_path):
    action = Counted(tmp_path / "demo")
    first, second = (Steps(tmp_path / "demo", print) for _ in range(2))
    options = {"inputs": [], "outputs": ["out.txt"], "code": ["sw"], "packages": []}
    first.run("one", action, **options)
    second.run("two", action, **options)
    later = Steps(tmp_path / "demo", lambda line: None)
    later.run("one", action, **options)
    later.run("two", action, **options)
    assert (later.reused, action.calls) == (["one", "two"], 2)


def test_damaged_record_runs_all_again(tmp_path):
    action = Counted(tmp_path / "demo")
    run(tmp_path / "demo", action)
    (tmp_path / "demo" / STATE).write_text("{")
    run(tmp_path / "demo", action)
    assert action.calls == 2
    assert json.loads((tmp_path / "demo" / STATE).read_text())


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"will not write into .*: it is not empty and has no steps\.json"):
        Steps(tmp_path, print)
