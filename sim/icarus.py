"""Icarus Verilog from the user's PATH: settings and what it needs."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from sim.bench import SimulationError

ARGUMENTS = ("-g2005",)
"""For iverilog. yosys writes Verilog of 2005; under the runner's own -g2012 Icarus 11 never evaluates an `always @*`
whose inputs do not change, and its output stays X."""
WAVES = "waves.fst"
"""File that a run writes its waveforms to."""
_WAVES_MODULE = """
module waves;
  initial begin
    $dumpfile("{file}");
    $dumpvars(0, {top});
  end
endmodule
"""


def missing_tools() -> list[str]:
    """What must be installed to simulate with Icarus Verilog and is not."""
    return [tool for tool in ("iverilog", "vvp") if not shutil.which(tool)]


def version() -> str:
    """All that the compiled simulator depends on, besides the Verilog and the arguments.

    Raises SimulationError where iverilog does not even say it.
    """
    done = subprocess.run(["iverilog", "-V"], env=os.environ | environment(), capture_output=True, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines() or [f"exit code {done.returncode}"]
        raise SimulationError(f"iverilog -V failed: {lines[0]}")
    return done.stdout.decode(errors="replace").partition("\n")[0]


def environment() -> dict[str, str]:
    """Environment variables for cocotb's runner.

    Icarus fails where TMPDIR is no folder or a relative path; Python looks for a folder that is there.
    """
    return {"PATH": os.environ.get("PATH", os.defpath), "TMPDIR": tempfile.gettempdir()}


def product(top: str) -> str:
    """File that the build makes and a run needs."""
    return "sim.vvp"


def build_options(verilog: Path, folder: Path, waves: bool, top: str) -> dict:
    """Arguments of the runner's `build`. The runner's own module for waveforms does not compile with -g2005."""
    if not waves:
        return {"sources": [verilog], "build_args": ARGUMENTS}
    module = folder / "waves.v"
    module.write_text(_WAVES_MODULE.format(file=WAVES, top=top), encoding="utf-8")
    return {"sources": [verilog, module], "build_args": (*ARGUMENTS, "-s", "waves")}
