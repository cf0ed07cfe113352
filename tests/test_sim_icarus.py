import pytest

from sim import icarus

needs_icarus = pytest.mark.skipif(bool(icarus.missing_tools()), reason="Icarus Verilog is not installed")


def test_nothing_on_the_path_means_both_tools_are_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert icarus.missing_tools() == ["iverilog", "vvp"]


@needs_icarus
def test_version_is_one_line():
    assert icarus.version().startswith("Icarus Verilog version")
    assert "\n" not in icarus.version()
