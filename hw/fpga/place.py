"""Place and route by nextpnr: how fast a netlist runs on a device, and what holds it back."""

import json
import re
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from hw.fpga import tools
from hw.fpga.devices import RESOURCE_NAMES, Device
from hw.fpga.livelock import LivelockError, Watch
from hw.fpga.pins import CORE
from hw.verilog import TOP
from hw.yosys import ToolError, stop_all
from sw.errors import InputError
from sw.files import replacing_file

WORKERS = 2
"""Runs of nextpnr at a time."""
OUTPUT_OPTION = {"ecp5": "--textcfg", "ice40": "--asc", "gowin": "--write"}
"""Of nextpnr by family: the option that names the placed design, which hw.fpga.bitstream packs."""
CONSTRAINTS = {"ecp5": ["--lpf"], "ice40": ["--pcf"], "gowin": ["--vopt", "cst="]}
"""Options that name the file of pins."""
UNCONSTRAINED = {"ecp5": ["--lpf-allow-unconstrained"], "ice40": ["--pcf-allow-unconstrained"], "gowin": []}
"""Options that leave the choice of pins without a location to nextpnr; for Gowin it does not choose."""


def check_fit(device: Device, resources: dict[str, int]) -> None:
    """Raises InputError, with all that is too much, where a device has less of a resource than a design takes."""
    too_much = [
        f"{RESOURCE_NAMES[name]} must be at most {available}, not {resources[name]}"
        for name, available in device.available.items()
        if available is not None and resources[name] > available
    ]
    if too_much:
        raise InputError(f"{device.name} is too small: {'; '.join(too_much)}; take a larger device or a smaller array")


def place(
    netlist: Path,
    device: Device,
    seed: int = 1,
    *,
    constraints: Path | None = None,
    frequency: float | None = None,
    output: Path | None = None,
) -> dict:
    """Place and route a netlist.

    netlist: written by hw.fpga.synth for the same device. seed: of the placer. constraints: file of pins in the
    family's own format (LPF, PCF, CST); without it nextpnr chooses pins, and what is placed is the harness.
    frequency: MHz to aim at. output: file for the placed design, for hw.fpga.bitstream.
    Where nextpnr's router 1 does not end, see hw.fpga.livelock, router 2 takes its place.
    Returns `seed`, `nextpnr` (version), `rerouted` (whether by router 2), `clock_mhz` (the slowest of `clocks_mhz`, by
    net), `utilization` (nextpnr's cells that are used, of each type `used` and `available`) and `critical_path`, see
    critical_path.
    Raises InputError for a device that has counts alone or where the tool is not installed, ToolError where nextpnr
    fails.
    """
    if device.nextpnr is None:
        raise InputError(f"{device.name} can be synthesized but not placed: there is no open tool for it")
    family = device.nextpnr.rsplit("-", 1)[-1]
    with tempfile.TemporaryDirectory(prefix="amarray-") as name:
        folder = Path(name)
        shutil.copy(netlist, folder / "netlist.json")
        arguments = [*device.placement_arguments, *_constrain(device, family, constraints, folder)]
        arguments += ["--json", "netlist.json", OUTPUT_OPTION[family], "placed", "--report", "report.json"]
        arguments += ["--freq", str(frequency or device.frequency), "--timing-allow-fail", "--seed", str(seed)]
        rerouted = _run_nextpnr(device, arguments, folder)
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        if output is not None:
            with replacing_file(output) as temporary:
                shutil.copyfile(folder / "placed", temporary)
    clocks = {net: each["achieved"] for net, each in report["fmax"].items()}
    if not clocks:
        raise ToolError(f"{device.nextpnr} found no path from register to register, so there is no clock to measure")
    slowest = min(clocks, key=clocks.get)
    return {
        "seed": seed,
        "nextpnr": tools.version(device.nextpnr),
        "rerouted": rerouted,
        "clock_mhz": clocks[slowest],
        "clocks_mhz": clocks,
        "utilization": {cell: count for cell, count in report["utilization"].items() if count["used"]},
        "critical_path": critical_path(report, slowest),
    }


def place_seeds(
    seeds: Iterable[int], run: Callable[[int], dict], progress: Callable[[int], None] = lambda done: None
) -> dict:
    """Place with several seeds, WORKERS at a time.

    run: places with a seed, as place does. progress: called with the number of seeds that are done.
    Where one of them raises, or the user stops, the others are ended.
    Returns `clock_mhz` (`median`, `best` and `all` in the order of the seeds), `rerouted` (the seeds that router 2
    routed), and of the median's run `nextpnr`, `utilization` and `critical_path`. Of an even number of seeds the median
    is the slower of the middle two, so that it is a clock that was found.
    """
    seeds = list(seeds)
    with ThreadPoolExecutor(WORKERS) as pool:
        futures = [pool.submit(run, seed) for seed in seeds]
        try:
            for done, future in enumerate(as_completed(futures), 1):
                future.result()
                progress(done)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_all()
            raise
    placed = [future.result() for future in futures]
    clocks = [each["clock_mhz"] for each in placed]
    median = statistics.median_low(clocks)
    middle = placed[clocks.index(median)]
    return {
        "clock_mhz": {"median": median, "best": max(clocks), "all": clocks},
        "rerouted": [seed for seed, each in zip(seeds, placed, strict=True) if each["rerouted"]],
        **{name: middle[name] for name in ("nextpnr", "utilization", "critical_path")},
    }


def critical_path(report: dict, clock: str) -> dict:
    """The longest path of a clock in nextpnr's report, in the names of the design.

    Returns `from` and `to` (component.signal), `components` (what it passes, in order), `ns`, of these `logic_ns` and
    `routing_ns`, `levels` (cells between the registers) and `nets` (component.signal and `ns` up to its end, for each
    net on the way). Nets of a carry chain and what nextpnr added, whose names begin with $, are left out.
    """
    edge = re.compile(f"(pos|neg)edge {re.escape(clock)}")
    path = next(
        each["path"] for each in report["critical_paths"] if edge.fullmatch(each["from"]) and edge.fullmatch(each["to"])
    )
    total, nets, components = 0.0, [], []
    for segment in path:
        total += segment["delay"]
        if segment["type"] == "routing" and segment["delay"] > 0 and not segment["net"].startswith("$"):
            nets.append({"net": signal(segment["net"]), "ns": round(total, 3)})
        cell = segment["to"]["cell"]
        component = signal(cell).rpartition(".")[0] or TOP
        if not cell.startswith("$") and components[-1:] != [component]:
            components.append(component)
    delay = {kind: sum(each["delay"] for each in path if each["type"] == kind) for kind in ("routing", "logic")}
    return {
        "from": next((net["net"] for net in nets), signal(path[0]["from"]["cell"])),
        "to": signal(path[-1]["to"]["cell"]),
        "components": components,
        "ns": round(total, 3),
        "logic_ns": round(total - delay["routing"], 3),
        "routing_ns": round(delay["routing"], 3),
        "levels": sum(each["type"] == "logic" for each in path),
        "nets": nets,
    }


def signal(name: str) -> str:
    """component.signal of a net's or cell's name in the mapped netlist.

    yosys calls a cell by the net it drives, its type and its port, and nextpnr adds a part behind a dollar sign:
    core.classifier.total_0_TRELLIS_FF_Q_13 is a register of classifier.total_0.
    """
    short = re.sub(r"_[A-Z].*$", "", name.removeprefix(f"{CORE}."))
    return re.sub(r"(?<=[^.])\$.*$", "", short)


def _run_nextpnr(device: Device, arguments: list[str], folder: Path) -> bool:
    """Writes the report; returns whether that took router 2."""
    try:
        tools.run(device.nextpnr, arguments, folder, "report.json", Watch())
    except LivelockError:
        tools.run(device.nextpnr, [*arguments, "--router", "router2"], folder, "report.json")
        return True
    return False


def _constrain(device: Device, family: str, constraints: Path | None, folder: Path) -> list[str]:
    """Arguments that tell nextpnr the pins; puts their file into the folder."""
    if constraints is not None:
        shutil.copy(constraints, folder / "pins")
    elif device.pins:
        lines = [f'IO_LOC "{port}" {pin};\n' for port, pin in device.pins.items()]
        (folder / "pins").write_text("".join(lines), encoding="utf-8")
    else:
        return UNCONSTRAINED[family]
    *option, last = CONSTRAINTS[family]
    return [*option, f"{last}pins"] if option else [last, "pins"]
