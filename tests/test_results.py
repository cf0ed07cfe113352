"""docs/results.md shows what the records of bench/ hold."""

import subprocess
import sys
from importlib import import_module

import pytest
from test_architecture import ROOT


@pytest.mark.parametrize("command", ["placements.py --table", "bare_array.py"])
def test_table_is_that_of_the_record(command):
    script, *options = command.split()
    run = [sys.executable, str(ROOT / "bench" / script), *options]
    table = subprocess.run(run, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert table.count("\n") > 3
    assert table in (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


ROW = {
    **{"luts": 1000, "ffs": 2000, "dsps": 100, "brams": 40, "sprams": 0},
    **{"clock_mhz": {"median": 100.0}, "yosys": "1", "nextpnr": "1"},
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"luts": 1030, "ffs": 1940, "clock_mhz": {"median": 92.0}, "yosys": "2"}, []),
        ({"luts": 1031}, ["luts: 1000 before, 1031 now, more than 3% apart"]),
        ({"dsps": 96}, ["dsps: 100 before, 96 now, more than 3% apart"]),
        ({"sprams": 1}, ["sprams: 0 before, 1 now, more than 3% apart"]),
        ({"clock_mhz": {"median": 91.9}}, ["clock: 100 before, 91.9 now, more than 8% apart"]),
        (
            {"clock_mhz": {"median": 109.0}, "nextpnr": "2"},
            ["clock: 100 before, 109 now, more than 8% apart", "nextpnr 1 before, 2 now"],
        ),
    ],
)
def test_a_change_beyond_its_tolerance_is_named_in_either_direction(monkeypatch, change, says):
    monkeypatch.syspath_prepend(ROOT / "bench")
    assert import_module("placements").compare(ROW, ROW | change) == says
