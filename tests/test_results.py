"""docs/results.md shows what the records of bench/ hold."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_table_is_that_of_the_record():
    command = [sys.executable, str(ROOT / "bench" / "placements.py"), "--table"]
    table = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert table.count("\n") > 3
    assert table in (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
