import tempfile

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


def test_an_iverilog_that_does_not_run_is_one_line(monkeypatch, tmp_path):
    tool = tmp_path / "iverilog"
    tool.write_text("#!/bin/sh\necho no licence >&2\necho more >&2\nexit 3\n")
    tool.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SimulationError, match=r"^iverilog -V failed: no licence$"):
        icarus.version()


def test_temporary_files_go_where_there_is_a_folder(monkeypatch):
    monkeypatch.setenv("TMPDIR", "/nowhere")
    assert icarus.environment()["TMPDIR"] == tempfile.gettempdir()
