"""Compiles the Verilog for a simulator, and keeps the result in the user's cache for next time.

Its key covers the Verilog, the arguments, the versions of the tools and the machine.
"""

import hashlib
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cocotb_tools.config
from cocotb_tools.runner import get_runner
from find_libpython import find_libpython

from hw.verilog import TOP
from sim import icarus, verilator
from sim.bench import SimulationError
from sw import fingerprint, user_cache
from sw.errors import InputError

TOOLS = {"verilator": verilator, "icarus": icarus}
"""Compiling simulators: a module each, all with the same constants and functions."""
_ROOT = str(Path(__file__).resolve().parents[1])


def missing_tools(simulator: str) -> list[str]:
    """What must be installed to use this simulator and is not; empty if all is there."""
    missing = TOOLS[simulator].missing_tools()
    return missing if find_libpython() else [*missing, "a Python with a shared library (libpython)"]


def compiled(verilog: Path, simulator: str, waves: bool = False, top: str = TOP) -> Path:
    """The folder of the compiled simulator, in the user's cache; compiled now if it is not there.

    Parameters
    ----------
    verilog: file with the module `top`.
    simulator: a name in TOOLS.
    waves: able to write waveforms, which is slower.

    Raises InputError if a tool is missing, SimulationError if the Verilog does not compile.
    """
    tool = TOOLS[simulator]
    if missing := missing_tools(simulator):
        raise InputError(
            f"simulator {simulator} needs {', '.join(missing)}: install what is missing, or take simulator amaranth"
        )
    source = verilog.read_bytes()  # once: what is compiled is what the key is of
    runner = (importlib.metadata.version("cocotb"), str(cocotb_tools.config.libs_dir))
    key = [
        hashlib.sha256(source).hexdigest(),
        tool.ARGUMENTS,
        tool.version(),
        runner,
        fingerprint.machine(),
        waves,
        top,
    ]
    key.append(fingerprint.code("sim/build.py", f"sim/{simulator}.py"))

    def make(product: Path) -> None:
        _compile(verilog.name, source, product, simulator, waves, top)

    return user_cache.entry(simulator, key, make)


def _compile(name: str, source: bytes, product: Path, simulator: str, waves: bool, top: str) -> None:
    """Compile in a temporary folder, since make cannot in one with spaces; keep what a run needs."""
    tool = TOOLS[simulator]
    with tempfile.TemporaryDirectory(prefix="amarray-") as temporary:
        folder, log = Path(temporary), Path(temporary) / "log"
        (folder / name).write_bytes(source)
        options = tool.build_options(folder / name, folder, waves, top)
        with cocotb_environment(simulator):
            try:
                get_runner(simulator).build(
                    **options, hdl_toplevel=top, timescale=("1ns", "1ps"), build_dir=folder / "build", log_file=log
                )
            except RuntimeError as error:
                reason = first_error(log).replace(f"{folder}{os.sep}", "")
                raise SimulationError(f"{simulator} does not compile {name}: {reason}") from error
        shutil.copy(folder / "build" / tool.product(top), product)


def first_error(log: Path) -> str:
    """The first line of a log that speaks of an error, else of what was taken as one, else the last line."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.search(line) and "Exiting due to" not in line]
    warnings = [line for line in lines if line.startswith("%Warning")]
    return (errors or warnings or lines[-1:] or ["no message"])[0]


_ERROR = re.compile(r"error|fatal|(?<!\*)\*\*\*(?!\*)", re.IGNORECASE)
"""With asterisks make begins what it says of one; a longer row of them is a frame."""


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
