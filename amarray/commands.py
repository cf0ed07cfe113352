"""What each command does: reads its inputs, calls the package that knows, returns a JSON object."""

import argparse
import math
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from amarray.charts import draw_schedule
from amarray.data import Reader, choose_data, count, simulation_data
from amarray.networks import load_network
from amarray.progress import bar
from hw import build as builds
from hw.build import Build, layer_table
from hw.compiler import Compiled, compile_network, size_array
from hw.config import ArrayConfig
from hw.fit import fit as search
from hw.fpga.choice import Choice, choose
from hw.fpga.devices import device
from sim import explain as explanation
from sim import simulate as simulation
from sw import network_file
from sw.dataset import Dataset
from sw.errors import InputError
from sw.evaluate import evaluate as evaluate_network
from sw.file_kinds import LOAD_IMAGE, SVG
from sw.files import check_file, replacing_file
from sw.network import Network

IMAGES = 1000
"""Test images that `amarray simulate` takes unless told otherwise."""


def evaluate(options: argparse.Namespace) -> dict:
    """`amarray evaluate`."""
    network = load_network(options.network)
    dataset, notes = choose_data(options.data, Reader.of_network(f"network {options.network}", network))
    return describe(network, dataset) | {"notes": notes}


def describe(network: Network, dataset: Dataset) -> dict:
    """A network and how well it does on all test images."""
    evaluation = evaluate_network(network, dataset.test_images, dataset.test_labels)
    return {
        "name": network.name,
        "data": dataset.name,
        "parameters": network.parameters,
        "float_accuracy": network.notes.get("float_accuracy"),
        "quantized_accuracy": evaluation.accuracy,
        "images": evaluation.count,
        "weight_bits": network.weight_bits,
        "activation_bits": network.activation_bits,
        "confusion": evaluation.confusion.tolist(),
        "sha256": network_file.digest(network),
    }


def fit(options: argparse.Namespace) -> dict:
    """`amarray fit`."""
    if options.device is not None:
        return fit_device(options)
    if options.speed is not None or options.min_images_per_second is not None:
        raise InputError("--speed and --min-images-per-second need --device")
    network = load_network(options.network)
    limits = {"macs": options.macs, "multipliers": options.multipliers, "block_rams": options.block_rams}
    start = time.perf_counter()
    with bar(f"search arrays for {network.name}", None, ""):
        front = search(network, **limits, kind=options.schedule)
    return {
        "network": options.network,
        "limits": limits,
        "schedule": options.schedule,
        "front": [candidate.to_json() for candidate in front],
        "seconds": time.perf_counter() - start,
    }


def fit_device(options: argparse.Namespace) -> dict:
    """`amarray fit --device`."""
    if options.multipliers is not None or options.block_rams is not None:
        raise InputError("--multipliers and --block-rams must not come with --device, which has what it has")
    network, target = load_network(options.network), device(options.device, options.speed)
    start, least = time.perf_counter(), options.min_images_per_second
    if least is not None and not 0 < least < math.inf:
        raise InputError(f"--min-images-per-second must be a number above 0, not {least:g}")
    with bar(f"search arrays for {network.name} on {target.name}", None, ""):
        best, choices = choose(network, target, macs=options.macs, least=least or 0, kind=options.schedule)
    return {
        "network": options.network,
        "device": target.name,
        "speed": target.speed,
        "schedule": options.schedule,
        "available": target.available,
        "best": choice_json(best),
        "choices": [choice_json(choice) for choice in choices],
        "seconds": time.perf_counter() - start,
    }


def choice_json(choice: Choice) -> dict:
    """An array on a device, for `amarray fit --device`; `fits` is whether nothing is `too_much`."""
    return {
        **choice.candidate.to_json(),
        "resources": choice.resources,
        "outside_model": choice.outside_model,
        "fits": not choice.too_much,
        "too_much": choice.too_much,
        "expected_clock_mhz": choice.clock_mhz,
        "images_per_second": choice.images_per_second,
    }


def generate(options: argparse.Namespace) -> dict:
    """`amarray generate`."""
    folder, chart = Path(options.output), Path(options.chart) if options.chart else None
    builds.check_target(folder)
    if chart is not None:
        if chart.suffix != ".svg":
            raise InputError(f"chart must be a .svg file, not {chart}")
        check_file(chart, SVG, options.force)
    network = load_network(options.network)
    if options.array is not None and (options.also or options.reloadable):
        raise InputError("--also and --reloadable must not come with --array: that array is what it is")
    if options.array is not None:
        config = builds.load_array(Path(options.array))
    else:
        also = tuple(load_network(name) for name in options.also)
        config = size_array(network, options.lanes, options.taps, options.pixels, kind=options.schedule, also=also)
        config = replace(config, reloadable=True) if options.reloadable else config
    result = generate_build(network, config, options.schedule, folder)
    result["data_option"], result["notes"] = simulation_data(network)
    if chart is not None:
        draw_schedule(compile_network(network, config, options.schedule), chart, options.force)
        result["files"][chart.name] = str(chart)
    return result


def generate_build(network: Network, config: ArrayConfig, schedule: str, folder: Path) -> dict:
    """Compile for an array and write the build."""
    compiled = compile_network(network, config, schedule)
    with bar(f"write Verilog, {config.shape}", None, ""):
        builds.write(compiled, folder)
    return {
        "build": str(folder),
        "network": network.name,
        "lanes": config.lanes,
        "taps": config.taps,
        "pixels": config.pixels,
        "array": config.shape,
        "schedule": schedule,
        "predicted_cycles_per_image": compiled.schedule.round_cycles,
        "predicted_first_result_cycles": compiled.schedule.first_result(),
        "utilization": compiled.utilization,
        "images_in_flight": compiled.schedule.stages,
        "accumulator_bits": config.accumulator_bits,
        "logit_bits": config.logit_bits,
        "requantizers": config.requantizers,
        "memory_bits": compiled.memory_bits,
        "first_layer": builds.first_layer(compiled),
        "layers": layer_table(compiled),
        "files": {path.name: str(path) for path in sorted(folder.iterdir()) if path.is_file()},
    }


def load(options: argparse.Namespace) -> dict:
    """`amarray load`."""
    output = Path(options.output)
    check_file(output, LOAD_IMAGE, options.force)
    build = builds.load(Path(options.build))
    compiled = compile_for(build, options.network, options.schedule)
    image = compiled.load_image()
    with replacing_file(output, LOAD_IMAGE, options.force) as temporary:
        temporary.write_bytes(image)
    words, notes = simulation_data(compiled.network)
    return {
        "build": str(build.folder),
        "network": compiled.network.name,
        "network_path": options.network,
        "schedule": options.schedule,
        "predicted_cycles_per_image": compiled.schedule.round_cycles,
        "utilization": compiled.utilization,
        "bytes": len(image),
        "file": options.output,
        "data_option": words,
        "notes": notes,
    }


def compile_for(build: Build, network: str, schedule: str) -> Compiled:
    """Another network for the array of a build. Raises InputError with all reasons where it does not fit."""
    return compile_network(load_network(network), build.config, schedule)


def simulate(options: argparse.Namespace) -> dict:
    """`amarray simulate`."""
    build = builds.load(Path(options.build), options.edited)
    stalls = {"idle": options.idle, "back_pressure": options.back_pressure, "seed": options.seed}
    waves = Path(options.waves) if options.waves else None
    loaded = compile_for(build, options.load, build.compiled.kind) if options.load else None
    reader = Reader.of_network(f"build {build.folder}", build.network)
    if loaded is not None:
        reader = Reader.of_network(f"network {options.load}", loaded.network)
    dataset, notes = choose_data(options.data, reader)
    images, few = count(options.images, "--images", IMAGES, len(dataset.test_images), "test images")
    simulator, images, note = simulation.choose_simulator(options.simulator, images)
    netlist = device(options.netlist) if options.netlist else None
    result = simulate_build(
        build,
        dataset,
        images,
        simulator,
        note=note,
        waves=waves,
        force=options.force,
        load=loaded,
        netlist=netlist,
        **stalls,
    )
    return result | {"notes": notes + few}


def check_images(images: int, dataset: Dataset) -> None:
    """Raises InputError where there are not so many test images."""
    if not 1 <= images <= len(dataset.test_images):
        raise InputError(f"images must be 1..{len(dataset.test_images)}, not {images}")


def simulate_build(
    build: Build,
    dataset: Dataset,
    images: int,
    simulator: str,
    *,
    note: str = "",
    load: Compiled | None = None,
    **options,
) -> dict:
    """Simulate the first so many test images, compare with golden, and count.

    note: why this simulator. load: another network, which is loaded first.
    """
    compiled = build.compiled if load is None else load
    check_images(images, dataset)
    pixels, labels = dataset.test_images[:images], dataset.test_labels[:images]
    with bar(f"simulate with {simulator}", images, "images", note) as update:
        done = simulation.simulate(build, pixels, simulator, progress=update, load=load, **options)
    schedule, network = compiled.schedule, compiled.network
    different = simulation.compare(network, pixels, done)
    cycles = schedule.cycles_per_image(done.result_cycles, done.counters["busy"])
    predicted = schedule.cycles_per_image(schedule.result_cycles(images), schedule.busy_cycles(images))
    return {
        "build": str(build.folder),
        "edited": build.edited,
        "network": network.name,
        "data": dataset.name,
        "simulator": simulator,
        "note": note,
        "images": images,
        "mismatches": len(different),
        "first_mismatches": different[:10].tolist(),
        "accuracy": float(np.mean(done.labels == labels)),
        "cycles_per_image": cycles,
        "predicted_cycles_per_image": predicted,
        "first_result_cycles": done.first_result,
        "predicted_first_result_cycles": schedule.first_result(images),
        "macs": build.config.macs,
        "useful_macs_per_image": network.macs,
        "utilization": network.macs / (build.config.macs * cycles),
        "stalled_input": done.counters["stalled_input"],
        "stalled_output": done.counters["stalled_output"],
        "counters": done.counters,
        "compile_seconds": done.seconds["build"],
        "seconds": done.seconds["run"],
    }


def explain(options: argparse.Namespace) -> dict:
    """`amarray explain`."""
    build = builds.load(Path(options.build), options.edited)
    dataset, notes = choose_data(options.data, Reader.of_network(f"build {build.folder}", build.network))
    waves = Path(options.waves) if options.waves else build.folder / f"explain-{options.image}.vcd"
    with bar(f"compare image {options.image} write by write", None, ""):
        found = explanation.explain(build, dataset.test_images, options.image, waves, force=options.force)
    result = {"build": str(build.folder), "edited": build.edited, "data": dataset.name, "image": options.image}
    result |= {"notes": notes}
    result |= {"compared": found.compared, "mismatches": 0}
    difference = found.difference
    if difference is None:
        return result | {"difference": None}
    result |= {"mismatches": 1, "waves": str(found.waves)}
    described = {"cycle": difference.cycle, "found": difference.found, "expected": None}
    if difference.expected is not None:
        event = difference.expected
        operation = build.compiled.schedule.mappings[event.operation].operation
        golden = explanation.golden_sum(build, found.images, event)
        described |= {
            "expected": event.value,
            "image": options.image + event.image - found.image,
            "layers": list(operation.layers),
            "kind": operation.name,
            "position": [event.y, event.x],
            "channel": event.channel,
            "tile": event.tile,
            "bias": golden.bias,
            "total": golden.total,
            "multiplier": golden.multiplier,
            "shift": golden.shift,
            "operands": [asdict(operand) for operand in golden.operands],
        }
    return result | {"difference": described}
