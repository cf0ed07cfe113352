"""Runs a compiled simulator with the cocotb test of sim/cosim_images.py, and brings its results back."""

import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from cocotb_tools.runner import get_runner

from hw.verilog import TOP
from sim.bench import SimulationError
from sim.build import TOOLS, cocotb_environment, first_error
from sim.job import Job


def launch(
    simulator: str,
    compiled: Path,
    job: Job,
    *,
    waves: Path | None = None,
    progress: Callable[[int], None] = lambda answered: None,
) -> dict:
    """Simulate the job; return logits, labels, result_cycles, loaded_cycle and counters as Simulation has them.

    Parameters
    ----------
    simulator: a name in sim.build.TOOLS.
    compiled: folder of the compiled simulator; with `waves` compiled so that it can write them.
    waves: file to write.
    progress: called with the number of images answered, in a thread of its own.

    Raises SimulationError with the reason, if the cocotb test fails or the simulator ends without a result.
    """
    with tempfile.TemporaryDirectory(prefix="amarray-") as name:
        folder = Path(name)
        job.save(folder / "job.npz")
        with _progress_pipe(folder / "progress", progress):
            run_test(
                simulator,
                compiled,
                folder,
                module="sim.cosim_images",
                top=TOP,
                waves=waves is not None,
                plusargs=[
                    f"+job={folder / 'job.npz'}",
                    f"+results={folder / 'results.npz'}",
                    f"+progress={folder / 'progress'}",
                ],
            )
        if waves:
            shutil.copyfile(folder / TOOLS[simulator].WAVES, waves)
        if not (folder / "results.npz").is_file():
            raise SimulationError(f"{simulator} ended before the test did: {first_error(folder / 'log')}")
        with np.load(folder / "results.npz") as file:
            results = dict(file)
    counters = {name: int(results.pop(f"counter_{name}")) for name in job.counters}
    return results | {"loaded_cycle": int(results["loaded_cycle"]), "counters": counters}


def run_test(
    simulator: str, compiled: Path, folder: Path, *, module: str, top: str, plusargs: list[str], waves: bool = False
) -> None:
    """Run the cocotb test `module` on the Verilog module `top`, in `folder`, which then holds the log.

    Raises SimulationError with the reason, if the test fails or the simulator ends without a result.
    """
    with cocotb_environment(simulator):
        try:
            get_runner(simulator).test(
                test_module=module,
                hdl_toplevel=top,
                hdl_toplevel_lang="verilog",
                build_dir=compiled,
                test_dir=folder,
                results_xml=str(folder / "results.xml"),
                log_file=folder / "log",
                waves=waves,
                plusargs=plusargs,
            )
        except RuntimeError as error:
            raise SimulationError(f"{simulator} failed: {first_error(folder / 'log')}") from error
    if not (folder / "results.xml").is_file():
        raise SimulationError(f"{simulator} ended without a result: {first_error(folder / 'log')}")
    for case in ElementTree.parse(folder / "results.xml").iter("testcase"):
        for failure in (*case.iter("failure"), *case.iter("error")):
            kind, reason = failure.get("type"), " ".join(failure.get("message", "").split())
            raise SimulationError(reason if kind == SimulationError.__name__ else f"{kind}: {reason}")


@contextmanager
def _progress_pipe(path: Path, progress: Callable[[int], None]) -> Iterator[None]:
    """A pipe at `path`; for the block, each number written to it is passed to `progress`."""
    os.mkfifo(path)
    with open(path, "r+b", buffering=0) as own_end:  # also a writer: opening never waits, and the reader never ends

        def follow():
            with open(path, encoding="utf-8") as pipe:
                for line in iter(pipe.readline, "\n"):
                    progress(int(line))

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            yield
        finally:
            own_end.write(b"\n")
            thread.join()
