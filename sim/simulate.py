"""Simulates a build: images in, logits, cycles and counters out; and compares them with golden."""

import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np

from hw import yosys
from hw.build import Build
from hw.compiler import Compiled
from hw.fpga.devices import Device
from hw.fpga.estimate import scale_blocks
from hw.fpga.netlist_verilog import check_models, write_netlist_verilog
from hw.fpga.synth import synthesize
from sim import amaranth_sim, native, verilator
from sim.build import TOOLS, compiled, missing_tools
from sim.job import Job, Simulation
from sim.launch import launch
from sw import fingerprint, user_cache
from sw.errors import InputError, did_you_mean
from sw.file_kinds import FST, VCD
from sw.files import check_file, replacing_file
from sw.golden import infer
from sw.network import Network

SIMULATORS = (*TOOLS, "native", "amaranth")
"""Names of the simulators; native is Verilator without cocotb, for bulk runs."""
WAVES = {".vcd": VCD, ".fst": FST}
"""Kind of a file of waveforms, by its suffix."""
NETLIST = "netlist.v"
AMARANTH_IMAGES = 5
"""As many images as Amaranth's simulator takes a few seconds for."""


def simulate(
    build: Build,
    images: np.ndarray,
    simulator: str = "verilator",
    *,
    idle: str = "none",
    back_pressure: str = "none",
    seed: int = 0,
    reset_after: int | None = None,
    load: Compiled | None = None,
    waves: Path | None = None,
    force: bool = False,
    netlist: Device | None = None,
    progress: Callable[[int], None] = lambda answered: None,
) -> Simulation:
    """Send the images through the accelerator of a build.

    Parameters
    ----------
    build: what `amarray generate` made.
    images: (n, height, width, channels) integer pixels.
    simulator: one of SIMULATORS.
    idle, back_pressure: how the testbench stalls; names in sim.protocol.IDLE and BACK_PRESSURE.
    seed: of the stalls.
    reset_after: run so many cycles first, and then reset.
    load: another network for the same array: it is loaded first, and the images are for it.
    waves: waveform file to write: .vcd, with Icarus .fst. force: replace a file of another kind, too.
    netlist: simulate what synthesis makes of the Verilog for this device, in models of its cells.
    progress: called with the number of images answered.

    Raises InputError for a bad argument or a missing tool, SimulationError if the accelerator breaks a rule.
    """
    _check_simulator(simulator)
    if build.edited and simulator == "amaranth":
        raise InputError("amaranth simulates the design, not an edited Verilog; take another simulator than amaranth")
    waves = _checked_waves(waves, simulator, force)
    if simulator == "native":
        _check_native(idle, back_pressure, reset_after, waves)
    if netlist is not None and simulator != "native":
        raise InputError(f"a netlist is simulated by native, not by {simulator}; take simulator native")
    options = {"idle": idle, "back_pressure": back_pressure, "seed": seed, "reset_after": reset_after}
    network = build.compiled if load is None else load
    if load is not None:
        options["load_image"] = load.load_image()
    ports = build.ports
    fields = ports["o_result__payload"]["fields"]
    counters = [name.removeprefix("counters__") for name in ports if name.startswith("counters__")]
    job = Job.of(network.network, images, build.config.taps, fields, counters, network.watchdog_cycles, **options)
    if simulator == "amaranth":
        with _replacing_waves(waves, force) as temporary:
            return amaranth_sim.run(build.accelerator(), job, waves=temporary, progress=progress)
    start = time.perf_counter()
    if simulator == "native":
        verilog = build.verilog if netlist is None else _netlist_verilog(build, netlist)
        program = native.compiled(verilog, counters, optimization="-O2" if netlist is None else "-O1")
        built = time.perf_counter()
        results = native.run(program, job)
        progress(len(images))
    else:
        folder = compiled(build.verilog, simulator, waves is not None)
        built = time.perf_counter()
        with _replacing_waves(waves, force) as temporary:
            results = launch(simulator, folder, job, waves=temporary, progress=progress)
    seconds = {"build": built - start, "run": time.perf_counter() - built}
    return Simulation(simulator, **results, seconds=seconds)


def _netlist_verilog(build: Build, device: Device) -> Path:
    """The netlist of a build for a device, as Verilog in models of its cells, in the user's cache."""
    check_models(device)
    reserved = scale_blocks(build.config, device)

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(prefix="amarray-") as name:
            netlist = Path(name) / "netlist.json"
            synthesize(build.verilog, device, netlist=netlist, reserved=reserved)
            write_netlist_verilog(netlist, device, folder / NETLIST)

    key = [fingerprint.content(build.verilog), device.name, reserved, fingerprint.code("hw/fpga", "hw/yosys.py")]
    key.append(fingerprint.versions("amaranth", yosys.PACKAGE))
    return user_cache.entry("netlist", key, make) / NETLIST


def compare(network: Network, images: np.ndarray, simulation: Simulation) -> np.ndarray:
    """Indices of the images whose label or any logit differs from golden's."""
    golden = infer(network, images, all_taps=False)
    same = (simulation.logits == golden.logits).all(axis=1) & (simulation.labels == golden.labels)
    return np.flatnonzero(~same)


def choose_simulator(wanted: str, images: int) -> tuple[str, int, str]:
    """The simulator that can run here, for how many images, and a line of explanation if it is not as wanted."""
    _check_simulator(wanted)
    missing = missing_tools(wanted) if wanted in TOOLS else verilator.missing_tools() if wanted == "native" else []
    if not missing:
        return wanted, images, ""
    fewer = min(images, AMARANTH_IMAGES)
    note = f"{wanted} needs {', '.join(missing)}: simulating {fewer} of {images} images in Amaranth's simulator instead"
    return "amaranth", fewer, note


def _check_simulator(name: str) -> None:
    if name not in SIMULATORS:
        like = did_you_mean(name, SIMULATORS)
        raise InputError(f"simulator must be one of {', '.join(SIMULATORS)}, not {name!r}{like}")


def _check_native(idle: str, back_pressure: str, reset_after: int | None, waves: Path | None) -> None:
    asked = {"idle": idle != "none", "back_pressure": back_pressure != "none"}
    asked |= {"reset_after": reset_after is not None, "waves": waves is not None}
    if any(asked.values()):
        names = ", ".join(name for name, wanted in asked.items() if wanted)
        raise InputError(f"simulator native runs without {names}; take simulator verilator")


def _checked_waves(waves: Path | None, simulator: str, force: bool) -> Path | None:
    """The path of the waveform file, absolute, since simulators run in a folder of their own."""
    if waves is None:
        return None
    suffix = Path(TOOLS[simulator].WAVES).suffix if simulator in TOOLS else ".vcd"
    if Path(waves).suffix != suffix:
        raise InputError(f"waves of {simulator} must go to a {suffix} file, not to {waves}")
    if not Path(waves).parent.is_dir():
        raise InputError(f"waves cannot go to {waves}: {Path(waves).parent} is not a folder; make it first")
    check_file(waves, WAVES[suffix], force)
    return Path(waves).absolute()


def _replacing_waves(waves: Path | None, force: bool) -> AbstractContextManager[Path | None]:
    """The temporary file for waveforms, None where there shall be none."""
    return nullcontext() if waves is None else replacing_file(waves, WAVES[waves.suffix], force)
