import pytest

from sim import icarus


def test_nothing_on_the_path_means_both_tools_are_missing(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert icarus.missing_tools() == ["iverilog", "vvp"]


@pytest.mark.icarus
def test_version_is_one_line():
    assert icarus.version().startswith("Icarus Verilog version")
    assert "\n" not in icarus.version()
