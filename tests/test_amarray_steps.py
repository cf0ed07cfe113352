"""Steps are reused by content: inputs, outputs, code and packages."""

import pytest

from amarray.steps import Steps
from sw.errors import InputError
from sw.user_cache import VARIABLE, clear


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))


class Counted:
    """An action that writes a file beside, keeps one, and counts its calls."""

    def __init__(self, folder, text="made"):
        self.folder, self.text, self.calls = folder, text, 0

    def __call__(self, kept):
        self.calls += 1
        (self.folder / "out.txt").write_text(self.text)
        (kept / "kept.txt").write_text(f"kept {self.calls}")
        return {"calls": self.calls}


def run(folder, action, *, inputs=("a",), packages=("numpy",)):
    lines = []
    steps = Steps(lines.append)
    outputs = [folder / "out.txt"]
    result, kept = steps.run("make it", action, inputs=inputs, outputs=outputs, code=["sw"], packages=packages)
    return result, (kept / "kept.txt").read_text(), steps, lines


def test_second_run_reuses_and_says_so(tmp_path):
    action = Counted(tmp_path)
    first, kept, steps, lines = run(tmp_path, action)
    assert (kept, steps.reused, lines) == ("kept 1", [], [])
    second, kept, steps, lines = run(tmp_path, action)
    assert (first, second, kept, action.calls) == ({"calls": 1}, {"calls": 1}, "kept 1", 1)
    assert steps.reused == ["make it"]
    assert lines == ["make it: nothing has changed since it last ran, its result is reused"]
    assert "make it" in steps.seconds


def test_other_input_or_output_runs_again(tmp_path):
    action = Counted(tmp_path)
    run(tmp_path, action)
    run(tmp_path, action, inputs=["b"])
    assert action.calls == 2
    (tmp_path / "out.txt").write_text("edited")
    run(tmp_path, action, inputs=["b"])
    assert action.calls == 3
    (tmp_path / "out.txt").unlink()
    run(tmp_path, action, inputs=["b"])
    assert action.calls == 4
    run(tmp_path, action, inputs=["b"], packages=["numpy", "amaranth"])
    assert action.calls == 5


def test_a_step_that_does_not_always_write_the_same_is_reused_with_what_is_there(tmp_path):
    for text in ("one", "two"):
        (tmp_path / "out.txt").unlink(missing_ok=True)
        run(tmp_path, Counted(tmp_path, text))
    action = Counted(tmp_path)
    run(tmp_path, action)
    (tmp_path / "out.txt").write_text("one")
    run(tmp_path, action)
    assert action.calls == 0


def test_time_stamps_do_not_matter(tmp_path):
    action = Counted(tmp_path)
    run(tmp_path, action)
    (tmp_path / "out.txt").touch()
    run(tmp_path, action)
    assert action.calls == 1


def test_changed_code_runs_again(tmp_path, monkeypatch):
    action = Counted(tmp_path)
    for version in ("1", "2"):
        (tmp_path / version / "sw").mkdir(parents=True)
        (tmp_path / version / "sw" / "module.py").write_text(version)
        monkeypatch.setattr("sw.fingerprint.ROOT", tmp_path / version)
        run(tmp_path, action)
    assert action.calls == 2


def test_a_failed_step_is_not_recorded(tmp_path):
    def fails(kept):
        (tmp_path / "out.txt").write_text("made")
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        run(tmp_path, fails)
    action = Counted(tmp_path)
    run(tmp_path, action)
    assert action.calls == 1


def test_without_its_record_a_step_runs_again(tmp_path):
    action = Counted(tmp_path)
    run(tmp_path, action)
    clear()
    run(tmp_path, action)
    assert action.calls == 2
