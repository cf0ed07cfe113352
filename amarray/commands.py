"""What each command does: reads its inputs, calls the package that knows, returns a JSON object."""

import argparse
from pathlib import Path

import numpy as np

from amarray.progress import bar
from hw import build as builds
from hw import synth as synthesis
from hw.build import Build, layer_table
from hw.compiler import compile_network, size_array
from hw.config import ArrayConfig
from sim import simulate as simulation
from sw import mnist, network_file
from sw import train as training
from sw.errors import InputError
from sw.evaluate import evaluate as evaluate_network
from sw.mnist import Dataset
from sw.network import Network
from sw.quantize import Settings
from sw.quantize import quantize as quantize_run
from sw.recipe import Recipe
from sw.run_folder import load_run, save_run

CALIBRATION_IMAGES = 2000
"""Training images that set the activations' scales."""


def train(options: argparse.Namespace) -> dict:
    """`amarray train`."""
    names = ("model", "seed", "epochs", "batch_size", "learning_rate", "shift")
    recipe = Recipe(**{name: getattr(options, name) for name in names})
    return train_run(recipe, mnist.load(), Path(options.output or f"runs/{options.model}"))


def train_run(recipe: Recipe, dataset: Dataset, folder: Path) -> dict:
    """Train and write the run."""
    with bar(f"train {recipe.model}, seed {recipe.seed}", recipe.epochs, "epochs") as update:
        trained = training.train(
            recipe, dataset, lambda progress: update(progress.epoch - 1 + progress.step / progress.steps)
        )
    save_run(trained, folder)
    return {
        "model": recipe.model,
        "seed": recipe.seed,
        "epochs": recipe.epochs,
        "loss": trained.history[-1]["loss"],
        "validation_accuracy": trained.history[-1]["validation_accuracy"],
        "float_accuracy": trained.test_accuracy,
        "run": str(folder),
    }


def quantize(options: argparse.Namespace) -> dict:
    """`amarray quantize`."""
    settings = Settings(
        weight_bits=options.weight_bits,
        activation_bits=options.activation_bits,
        scales=options.scales,
        per_channel=not options.per_layer,
        calibration=options.calibration,
    )
    folder = Path(options.trained)
    return quantize_to(
        folder, settings, options.calibration_images, mnist.load(), Path(options.output or folder / "network.npz")
    )


def quantize_to(run: Path, settings: Settings, images: int, dataset: Dataset, path: Path) -> dict:
    """Quantize a run with the first so many training images and write the Network file."""
    if not 1 <= images <= len(dataset.train_images):
        raise InputError(f"calibration images must be 1..{len(dataset.train_images)}, not {images}")
    network = quantize_run(load_run(run), dataset.train_images[:images], settings)
    network_file.save(network, path)
    return describe(network, dataset) | {"network": str(path)}


def evaluate(options: argparse.Namespace) -> dict:
    """`amarray evaluate`."""
    return describe(network_file.load(Path(options.network)), mnist.load())


def describe(network: Network, dataset: Dataset) -> dict:
    """A network and how well it does on all test images."""
    evaluation = evaluate_network(network, dataset.test_images, dataset.test_labels)
    hidden = [layer.requantize.form.bits for layer in network.layers if layer.requantize is not None]
    return {
        "name": network.name,
        "parameters": network.parameters,
        "float_accuracy": network.notes.get("float_accuracy"),
        "quantized_accuracy": evaluation.accuracy,
        "images": evaluation.count,
        "weight_bits": max(layer.weight_bits for layer in network.layers),
        "activation_bits": max(hidden, default=network.input.form.bits),
        "confusion": evaluation.confusion.tolist(),
        "sha256": network_file.digest(network),
    }


def generate(options: argparse.Namespace) -> dict:
    """`amarray generate`."""
    network = network_file.load(Path(options.network))
    if options.array is not None:
        config = builds.load_array(Path(options.array))
    else:
        config = size_array(network, options.lanes, options.taps, kind=options.schedule)
    return generate_build(network, config, options.schedule, Path(options.output))


def generate_build(network: Network, config: ArrayConfig, schedule: str, folder: Path) -> dict:
    """Compile for an array and write the build."""
    compiled = compile_network(network, config, schedule)
    with bar(f"write Verilog, {config.lanes} lanes x {config.taps} taps", None, ""):
        builds.write(compiled, folder)
    return {
        "build": str(folder),
        "network": network.name,
        "lanes": config.lanes,
        "taps": config.taps,
        "schedule": schedule,
        "predicted_cycles_per_image": compiled.schedule.round_cycles,
        "utilization": compiled.utilization,
        "images_in_flight": compiled.schedule.stages,
        "accumulator_bits": config.accumulator_bits,
        "memory_bits": compiled.memory_bits,
        "layers": layer_table(compiled),
        "files": {path.name: str(path) for path in sorted(folder.iterdir()) if path.is_file()},
    }


def simulate(options: argparse.Namespace) -> dict:
    """`amarray simulate`."""
    build = builds.load(Path(options.build))
    stalls = {"idle": options.idle, "back_pressure": options.back_pressure, "seed": options.seed}
    waves = Path(options.waves) if options.waves else None
    simulator, images, note = simulation.choose_simulator(options.simulator, options.images)
    return simulate_build(build, mnist.load(), images, simulator, note=note, waves=waves, **stalls)


def simulate_build(build: Build, dataset: Dataset, images: int, simulator: str, *, note: str = "", **options) -> dict:
    """Simulate the first so many test images, compare with golden, and count. note: why this simulator."""
    if not 1 <= images <= len(dataset.test_images):
        raise InputError(f"images must be 1..{len(dataset.test_images)}, not {images}")
    pixels, labels = dataset.test_images[:images], dataset.test_labels[:images]
    with bar(f"simulate with {simulator}", images, "images", note) as update:
        done = simulation.simulate(build, pixels, simulator, progress=update, **options)
    different = simulation.compare(build, pixels, done)
    schedule, network = build.compiled.schedule, build.network
    cycles = schedule.cycles_per_image(done.result_cycles, done.counters["busy"])
    predicted = schedule.cycles_per_image(schedule.result_cycles(images), schedule.busy_cycles(images))
    return {
        "build": str(build.folder),
        "simulator": simulator,
        "note": note,
        "images": images,
        "mismatches": len(different),
        "first_mismatches": different[:10].tolist(),
        "accuracy": float(np.mean(done.labels == labels)),
        "cycles_per_image": cycles,
        "predicted_cycles_per_image": predicted,
        "macs": build.config.macs,
        "useful_macs_per_image": network.macs,
        "utilization": network.macs / (build.config.macs * cycles),
        "stalled_input": done.counters["stalled_input"],
        "stalled_output": done.counters["stalled_output"],
        "counters": done.counters,
        "compile_seconds": done.seconds["build"],
        "seconds": done.seconds["run"],
    }


def synth(options: argparse.Namespace) -> dict:
    """`amarray synth`."""
    build = builds.load(Path(options.build))
    return synthesize_build(build, options.device, build.folder / f"synth-{options.device}.json")


def synthesize_build(build: Build, family: str, output: Path) -> dict:
    """Synthesize, count, and write the counts beside the Verilog."""
    with bar(f"synthesize for {family}", None, ""):
        result = synthesis.synthesize(build.verilog, family, output)
    return result | {"build": str(build.folder), "file": str(output)}
