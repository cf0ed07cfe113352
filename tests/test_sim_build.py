import os
import sys

import pytest
from sim_designs import VERILOG

from hw.verilog import TOP
from sim import build, icarus, verilator
from sim.bench import SimulationError
from sw.errors import InputError
from sw.user_cache import LISTING, VARIABLE, entries


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "accelerator.v"
    path.write_text(VERILOG.format(body=""))
    return path


@pytest.mark.icarus
def test_what_is_compiled_is_used_again(source, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    first = build.compiled(source, "icarus")
    monkeypatch.setattr(build, "_compile", None)
    assert build.compiled(source, "icarus") == first
    assert {path.name for path in first.iterdir()} == {icarus.product(TOP), LISTING}
    assert [each.folder for each in entries()] == [first]
    assert list(tmp_path.glob("*.v")) == [source]


@pytest.mark.icarus
def test_any_change_compiles_again(source, monkeypatch):
    folders = {build.compiled(source, "icarus")}
    folders.add(build.compiled(source, "icarus", waves=True))
    monkeypatch.setattr(icarus, "ARGUMENTS", ("-g2012",))
    folders.add(build.compiled(source, "icarus"))
    source.write_text(source.read_text() + "\n")
    folders.add(build.compiled(source, "icarus"))
    assert len(folders) == 4


@pytest.mark.icarus
def test_failed_compilation_gives_its_reason_and_leaves_nothing(source, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    source.write_text("module accelerator(input clk; endmodule")
    with pytest.raises(
        SimulationError, match=r"icarus does not compile accelerator\.v: accelerator\.v:.*error"
    ) as error:
        build.compiled(source, "icarus")
    assert "\n" not in str(error.value)
    assert not entries()


def test_failed_verilator_gives_its_reason(source):
    source.write_text("module accelerator(input clk; endmodule")
    with pytest.raises(
        SimulationError, match=r"verilator does not compile accelerator.v: %Error: accelerator.v:.*syntax error"
    ):
        build.compiled(source, "verilator")


def test_another_verilator_on_the_path_is_not_used(source, tmp_path, monkeypatch):
    other = tmp_path / "bin" / "verilator"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho 'Error: the wrong one'; exit 1\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}:{os.environ['PATH']}")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "a folder"))
    folder = build.compiled(source, "verilator")
    assert (folder / verilator.product(TOP)).is_file()


@pytest.mark.parametrize("simulator", build.TOOLS)
def test_missing_tools_are_named(source, tmp_path, monkeypatch, simulator):
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = ", ".join(build.missing_tools(simulator)).replace("+", r"\+")
    with pytest.raises(InputError, match=f"simulator {simulator} needs {missing}: install what is missing"):
        build.compiled(source, simulator)


def test_python_without_a_library_is_named(monkeypatch):
    monkeypatch.setattr(build, "find_libpython", lambda: None)
    assert build.missing_tools("icarus")[-1] == "a Python with a shared library (libpython)"


def test_the_users_settings_are_put_aside_and_back(monkeypatch):
    monkeypatch.setenv("WAVES", "1")
    monkeypatch.setenv("COCOTB_TEST_FILTER", "nothing")
    environment, path = dict(os.environ), list(sys.path)
    with build.cocotb_environment("icarus"):
        assert not {"WAVES", "COCOTB_TEST_FILTER", "PYTEST_CURRENT_TEST"} & set(os.environ)
        assert "" not in sys.path
    assert (dict(os.environ), sys.path) == (environment, path)


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("one\nfile.v:3: Error: two\nthree\n", "file.v:3: Error: two"),
        ("make: one\nx.mk:7: *** two. Stop.\nmake: leaving\n", "x.mk:7: *** two. Stop."),
        ("one\ntwo\n\n", "two"),
        ("0.00ns INFO *****\nFATAL: a.v:7:\nFinish", "FATAL: a.v:7:"),
        ("%Warning-INFINITELOOP: a.v:7\n%Error: Exiting due to 1 warning(s)\n", "%Warning-INFINITELOOP: a.v:7"),
        ("", "no message"),
    ],
)
def test_first_error_of_a_log(tmp_path, log, line):
    (tmp_path / "log").write_text(log)
    assert build.first_error(tmp_path / "log") == line
