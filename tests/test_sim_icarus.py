import pytest

from sim import icarus
from sim.bench import SimulationError


def test_nothing_on_the_path_means_both_tools_are_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert icarus.missing_tools() == ["iverilog", "vvp"]


@pytest.mark.icarus
def test_version_is_one_line():
    assert icarus.version().startswith("Icarus Verilog version")
    assert "\n" not in icarus.version()


@pytest.mark.parametrize(("says", "reason"), [("No such file or directory", "No such file"), ("", "exit code 3")])
def test_a_tool_that_fails_is_one_line(monkeypatch, tmp_path, says, reason):
    (tmp_path / "iverilog").write_text(f"#!/bin/sh\necho {says} >&2; exit 3\n")
    (tmp_path / "iverilog").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SimulationError, match=f"icarus does not start: {reason}"):
        icarus.version()
