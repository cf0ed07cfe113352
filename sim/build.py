"""Compiles the Verilog for a simulator, and keeps the result for next time.

The result lies in `<build>/sim/<simulator>-<hash>/`; the hash covers the Verilog, the arguments and the
versions of the tools, so what is found there never needs a check.
"""

import hashlib
import importlib.metadata
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cocotb_tools.config
from cocotb_tools.runner import get_runner
from find_libpython import find_libpython

from hw.verilog import TOP
from sim import icarus, verilator
from sim.bench import SimulationError
from sw.errors import InputError

TOOLS = {"verilator": verilator, "icarus": icarus}
"""Compiling simulators: a module each, all with the same constants and functions."""
_ROOT = str(Path(__file__).resolve().parents[1])


def missing_tools(simulator: str) -> list[str]:
    """What must be installed to use this simulator and is not; empty if all is there."""
    missing = TOOLS[simulator].missing_tools()
    return missing if find_libpython() else [*missing, "a Python with a shared library (libpython)"]


def compiled(verilog: Path, folder: Path, simulator: str, waves: bool = False, top: str = TOP) -> Path:
    """The folder of the compiled simulator, compiled now if it does not exist.

    Parameters
    ----------
    verilog: file with the module `top`.
    folder: where the folders of compiled simulators lie.
    simulator: a name in TOOLS.
    waves: able to write waveforms, which is slower.

    Raises InputError if a tool is missing, SimulationError if the Verilog does not compile.
    """
    tool = TOOLS[simulator]
    if missing := missing_tools(simulator):
        raise InputError(
            f"simulator {simulator} needs {', '.join(missing)}: install what is missing, or take simulator amaranth"
        )
    key = hashlib.sha256(verilog.read_bytes())
    runner = (importlib.metadata.version("cocotb"), str(cocotb_tools.config.libs_dir))
    key.update(repr((tool.ARGUMENTS, tool.version(), runner, waves, top)).encode())
    place = folder / f"{simulator}-{key.hexdigest()[:16]}"
    if not place.is_dir():
        _compile(verilog, place, simulator, waves, top)
    return place


def _compile(verilog: Path, place: Path, simulator: str, waves: bool, top: str) -> None:
    """Compile in a temporary folder, since make cannot in one with spaces; what a run needs appears in one step."""
    tool = TOOLS[simulator]
    with tempfile.TemporaryDirectory(prefix="amarray-") as name:
        folder, log = Path(name), Path(name) / "log"
        options = tool.build_options(verilog, folder, waves, top)
        with cocotb_environment(simulator):
            try:
                get_runner(simulator).build(
                    **options, hdl_toplevel=top, timescale=("1ns", "1ps"), build_dir=folder / "build", log_file=log
                )
            except RuntimeError as error:
                raise SimulationError(f"{simulator} does not compile {verilog}: {first_error(log)}") from error
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=place.parent) as beside:
            product = Path(beside) / place.name
            product.mkdir()
            shutil.move(folder / "build" / tool.product(top), product)
            with suppress(OSError):  # where another process was faster, its result is as good as ours
                product.rename(place)


def first_error(log: Path) -> str:
    """The first line of a log that speaks of an error, else the last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "***" in line]
    return (errors or lines[-1:] or ["no message"])[0]


@contextmanager
def cocotb_environment(simulator: str) -> Iterator[None]:
    """What cocotb's runner reads from the process, for the block: tools on the PATH, sim/ on Python's path.

    Settings of cocotb in the user's shell (COCOTB_*, GPI_*, WAVES, ...) and the sign of a running pytest are
    taken away: no simulation depends on them.
    """
    environment, path = dict(os.environ), list(sys.path)
    for name in environment:
        if name.startswith(("COCOTB_", "GPI_", "SIM_CMD_", "VERILATOR_")) or name in _RUNNER_SETTINGS:
            del os.environ[name]
    os.environ.update(TOOLS[simulator].environment())
    sys.path[:] = [entry for entry in path if entry] + [_ROOT]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = path


_RUNNER_SETTINGS = {"WAVES", "GUI", "PYTEST_CURRENT_TEST", "MAKEFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "PYTHONPATH"}
