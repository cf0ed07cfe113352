"""Icarus Verilog from the user's PATH: settings and what it needs."""

import os
import shutil
import subprocess
from pathlib import Path

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
    """All that the compiled simulator depends on, besides the Verilog and the arguments."""
    return subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=True).stdout.partition("\n")[0]


def environment() -> dict[str, str]:
    """Environment variables for cocotb's runner."""
    return {"PATH": os.environ.get("PATH", os.defpath)}


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
