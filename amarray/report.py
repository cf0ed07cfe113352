"""Results as tables for a person; the same numbers leave as JSON with --json."""

import shlex

from rich.box import SIMPLE
from rich.table import Table

from amarray.console import plain_console
from hw.fpga.devices import RESOURCE_NAMES
from hw.schedule import SCHEDULES
from sw.shipped import NAMES


def show_training(result: dict) -> None:
    """After `amarray train`."""
    _facts(
        f"trained {result['model']}",
        {
            "data": result["data"],
            "seed, epochs": f"{result['seed']}, {result['epochs']}",
            "loss of the last epoch": f"{result['loss']:.4f}",
            "accuracy on held-out training images": _percent(result["validation_accuracy"]),
            "accuracy on the test images": _percent(result["float_accuracy"]),
            "run": result["run"],
        },
    )
    _notes(result)
    if result["quantizable"]:
        _next_with_data(result, "amarray", "quantize", _path(result["run"]))


def show_quantization(result: dict) -> None:
    """After `amarray quantize`, with or without --sweep."""
    if "series" in result:
        _show_sweep(result)
        _notes(result)
        return
    _facts(f"quantized {result['name']}", _accuracies(result) | {"network": result["network"]})
    _notes(result)
    _next("amarray", "generate", _path(result["network"]), "--lanes", "16", "--taps", "8", "-o", "build")


def show_evaluation(result: dict) -> None:
    """After `amarray evaluate`."""
    _facts(f"{result['name']} on {result['images']} test images", _accuracies(result) | {"SHA-256": result["sha256"]})
    classes = range(len(result["confusion"]))
    rows = [[str(label), *map(str, row)] for label, row in zip(classes, result["confusion"], strict=True)]
    _table("confusion matrix: label down, answer across", ["", *map(str, classes)], rows)
    _notes(result)


def show_export(result: dict) -> None:
    """After `amarray export`."""
    sizes = {name: f"{size:,} bytes" for name, size in result["files"].items()}
    _facts(f"{result['network']} as {result['format']}: {result['output']}", sizes)
    if result["inexact_layers"]:
        layers = ", ".join(map(str, result["inexact_layers"]))
        _print(f"layers {layers} are not exact in float32: logits can differ from golden's; see docs/exports.md")


FILE_WIDTH = 120
"""Columns of a table that goes to a file or another program."""
SHOWN_ARRAYS = 16
"""Rows of the table of `amarray fit`; --json has all."""


def show_fit(result: dict) -> None:
    """After `amarray fit`."""
    if "device" in result:
        show_fit_device(result)
        return
    columns = ["lanes x taps x pixels", "cycles", "utilization", "multipliers", "memory, kbit", "block RAMs, about"]
    front = result["front"]
    rows = [
        [
            _shape(found),
            f"{found['cycles']:,}",
            _percent(found["utilization"]),
            str(found["multipliers"]),
            f"{found['memory_bits'] / 1024:.1f}",
            str(found["block_rams"]),
        ]
        for found in front[:SHOWN_ARRAYS]
    ]
    _table(
        f"{result['network']}: arrays that no other one beats in all of cycles, multipliers and memory", columns, rows
    )
    if len(front) > SHOWN_ARRAYS:
        _print(f"and {len(front) - SHOWN_ARRAYS} smaller ones; --json lists all")
    _next_array(result, front[0])


def show_fit_device(result: dict) -> None:
    """After `amarray fit --device`."""
    columns = [
        "lanes x taps x pixels",
        "cycles",
        "LUTs",
        "flip-flops",
        "multipliers",
        "block RAMs",
        "images/s",
        "fits, or too many",
    ]
    best, choices = result["best"], result["choices"]
    at = choices.index(best)
    first = max(0, min(at - SHOWN_ARRAYS // 2, len(choices) - SHOWN_ARRAYS))
    rows = [
        [
            _shape(each) + (" *" if each["outside_model"] else ""),
            f"{each['cycles']:,}",
            *(f"{each['resources'][name]:,}" for name in ("luts", "ffs", "dsps", "brams")),
            f"{each['images_per_second']:,.0f}",
            "yes, taken" if each == best else ", ".join(RESOURCE_NAMES[name] for name in each["too_much"]) or "yes",
        ]
        for each in choices[first : first + SHOWN_ARRAYS]
    ]
    speed = f" speed {result['speed']}" if result["speed"] else ""
    _table(f"{result['network']} on {result['device']}{speed}, estimated", columns, rows)
    if any(each["outside_model"] for each in choices[first : first + SHOWN_ARRAYS]):
        _print("*: outside of the model, which was fitted to other arrays; --json names the parameters of each")
    if best["outside_model"]:
        _print(f"{_shape(best)} is outside of the model: {_outside(best['outside_model'])}")
    _print(
        f"{_shape(best)}: {best['cycles']:,} cycles an image, exact; about {best['images_per_second']:,.0f} images "
        f"a second at {best['expected_clock_mhz']:.0f} MHz, which `amarray place` measures"
    )
    _next_array(result, best)


def show_build(result: dict) -> None:
    """After `amarray generate`."""
    kilobits = ", ".join(f"{name} {bits / 1024:.1f}" for name, bits in result["memory_bits"].items())
    _facts(
        f"{result['network']} on {result['array']}",
        {
            "cycles per image, exact": str(result["predicted_cycles_per_image"]),
            "last pixel to first result": f"{result['predicted_first_result_cycles']} cycles",
            "MAC utilization": _percent(result["utilization"]),
            "schedule, images in flight": f"{result['schedule']}, {result['images_in_flight']}",
            "accumulator": f"{result['accumulator_bits']} bits, cannot overflow; {result['logit_bits']} of a logit",
            "requantizers": str(result["requantizers"]),
            "memories, kbit": kilobits,
            **_first_layer(result["first_layer"]),
        },
    )
    columns = ["layer", "MACs", "cycles", "wait", "busy", "memory", "sum, bits"]
    rows = [
        [
            f"{'+'.join(map(str, layer['layers']))} {layer['kind']}".strip(),
            *(str(layer[key]) for key in ("macs", "cycles", "wait_cycles")),
            f"{100 * layer['utilization']:.1f} %",
            *(str(layer[key]) for key in ("elements", "accumulator_bits")),
        ]
        for layer in result["layers"]
    ]
    _table("layers", columns, rows)
    _facts("files", result["files"])
    _notes(result)
    _next_with_data(result, "amarray", "simulate", _path(result["build"]))


def show_load(result: dict) -> None:
    """What `amarray load` wrote."""
    facts = {
        "cycles per image": f"{result['predicted_cycles_per_image']:,}",
        "utilization": _percent(result["utilization"]),
        "load image": f"{result['file']}, {result['bytes']:,} bytes",
    }
    _facts(f"{result['network']} for {result['build']}", facts)
    _notes(result)
    _next_with_data(result, "amarray", "simulate", _path(result["build"]), "--load", _given(result["network_path"]))


def show_simulation(result: dict) -> None:
    """After `amarray simulate`."""
    _facts(f"{result['build']} in {result['simulator']}", _equality(result) | _cycles(result) | _stalls(result))
    _edited(result)
    _notes(result)
    if result["mismatches"]:
        _print(f"NOT EQUAL: first differing images {result['first_mismatches']}")
    else:
        edited = ["--edited"] if result["edited"] else []
        _next("amarray", "synth", _path(result["build"]), "--device", "ecp5-25k", *edited)


SHOWN_OPERANDS = 24
"""Rows of the table of `amarray explain`; --json has all."""


def show_explanation(result: dict) -> None:
    """After `amarray explain`."""
    _show_difference(result)
    _edited(result)
    _notes(result)


def _show_difference(result: dict) -> None:
    title, difference = f"{result['build']}, image {result['image']}", result["difference"]
    if difference is None:
        _facts(title, {"activations and logits compared": f"{result['compared']:,}", "difference": "none"})
        return
    found = "nothing is written" if difference["found"] is None else str(difference["found"])
    if difference["expected"] is None:
        facts = {"first difference in cycle": str(difference["cycle"]), "written where nothing should be": found}
        _facts(title, facts | {"waveform": result["waves"]})
        return
    layers = "+".join(map(str, difference["layers"]))
    y, x = difference["position"]
    scale = (
        "" if difference["shift"] is None else f", times {difference['multiplier']}, shifted by {difference['shift']}"
    )
    _facts(
        title,
        {
            "first difference in cycle": str(difference["cycle"]),
            "of image": str(difference["image"]),
            "layer": f"{layers} ({difference['kind']})" if layers else difference["kind"],
            "channel, row, column": f"{difference['channel']}, {y}, {x}",
            "tile of output channels": str(difference["tile"]),
            "golden": str(difference["expected"]),
            "hardware": found,
            "golden's sum": f"{difference['total']}, bias {difference['bias']}{scale}",
            "waveform": result["waves"],
        },
    )
    operands = difference["operands"]
    ranked = sorted(operands, key=lambda each: -abs(each["activation"] * each["weight"]))[:SHOWN_OPERANDS]
    rows = [
        [
            f"{each['y']}, {each['x']}, {each['channel']}",
            *(str(each[key]) for key in ("activation", "weight")),
            str(each["activation"] * each["weight"]),
        ]
        for each in ranked
    ]
    columns = ["row, column, channel", "activation", "weight", "product"]
    _table(f"the {len(rows)} greatest of {len(operands)} products", columns, rows)


def show_synthesis(result: dict) -> None:
    """After `amarray synth`."""
    outside = result["outside_model"]
    resources = _resources(
        result["resources"], result["available"], predicted=result["predicted"], is_outside=bool(outside)
    )
    _facts(f"{result['build']} on {result['device']}, yosys {result['yosys']}", resources)
    if outside:
        _print(f"outside of the model, which was fitted to other arrays: {_outside(outside)}")
    _table("cells", ["cell", "count"], [[cell, str(count)] for cell, count in result["cells"].items()])
    _facts("file", {"JSON": result["file"]})
    _edited(result)


def show_placement(result: dict) -> None:
    """After `amarray place`."""
    clock, path = result["clock_mhz"], result["critical_path"]
    speed = f" speed {result['speed']}" if result["speed"] else ""
    _facts(
        f"{result['build']} on {result['device']}{speed}, nextpnr {result['nextpnr']}",
        {
            "clock, median": f"{clock['median']:.1f} MHz",
            "clock, best": f"{clock['best']:.1f} MHz",
            "clock of each seed": ", ".join(f"{each:.1f}" for each in clock["all"]),
            **_resources({name: result[name] for name in RESOURCE_NAMES}, result["available"]),
            "cycles per image": f"{result['cycles_per_image']:,}",
            "images per second": f"{result['images_per_second']:,.0f}",
            "last pixel to first result": f"{result['latency_us']:.2f} us, {result['latency_cycles']} cycles",
        },
    )
    _facts(
        "critical path of the median",
        {
            "from": path["from"],
            "to": path["to"],
            "passes": ", ".join(path["components"]),
            "delay": f"{path['ns']:.2f} ns: logic {path['logic_ns']:.2f}, routing {path['routing_ns']:.2f}",
            "cells between the registers": str(path["levels"]),
        },
    )
    _table("nets on it", ["net", "ns up to its end"], [[net["net"], f"{net['ns']:.2f}"] for net in path["nets"]])
    _notes(result)
    _edited(result)


def show_bitstream(result: dict) -> None:
    """After `amarray bitstream`."""
    _facts(
        f"{result['build']} on {result['board']} ({result['device']})",
        {
            "clock": f"{result['clock_mhz']:g} MHz",
            "clock that nextpnr finds": f"{result['reached_mhz']:.1f} MHz",
            "limited by the path": f"{result['critical_path']['from']} to {result['critical_path']['to']}",
            **_resources({name: result[name] for name in RESOURCE_NAMES}, result["available"]),
            "images per second of the array": f"{result['images_per_second']:,.0f}",
            "UART": f"{result['baud']} baud",
            "bitstream": result["file"],
        },
    )
    _notes(result)
    _next(*shlex.split(result["loader"]))


def show_run(result: dict) -> None:
    """After `amarray run`."""
    cycles, clock = result["busy_cycles"], result["board"]["clock_hz"]
    facts = {"label": str(result["label"]), "logits": ", ".join(map(str, result["logits"]))}
    if "golden" in result:
        facts["golden model"] = f"NOT EQUAL: {result['golden']}" if result["mismatches"] else "equal"
    facts["cycles of this image"] = f"{cycles:,}, {cycles / clock * 1e6:.1f} us at {clock / 1e6:g} MHz"
    _facts(f"image {result['image']} on {result['port']}", facts)
    _facts("counters since reset", {name: f"{value:,}" for name, value in result["counters"].items()})
    _notes(result)


def show_demo(result: dict) -> None:
    """After `amarray demo`: what was proven and measured."""
    reused = set(result["reused"])
    times = {name: "reused" if name in reused else f"{seconds:.1f} s" for name, seconds in result["seconds"].items()}
    _facts(
        f"{result['network']} on {result['array']}",
        {
            "data": result["data"],
            "float accuracy": _percent(result["float_accuracy"]),
            "quantized accuracy": _percent(result["quantized_accuracy"]),
            **_equality(result),
            **_cycles(result),
            **_resources(result["resources"], result["available"], f" ({result['device']})"),
        },
    )
    _facts("time of each step", times)
    _facts("files", result["files"])
    if result["mismatches"]:
        _print("NOT EQUAL: the Verilog differs from the golden model")


def show_cache(result: dict) -> None:
    """After `amarray cache`."""
    size, limit = _megabytes(result["bytes"]), _megabytes(result["limit_bytes"])
    facts = {"entries": f"{result['entries']:,}", "size": f"{size}; above {limit} the oldest go"}
    if result["cleared_bytes"]:
        facts["cleared"] = _megabytes(result["cleared_bytes"])
    _facts(f"cache {result['folder']}", facts)
    rows = [[name, f"{kind['entries']:,}", _megabytes(kind["bytes"])] for name, kind in result["kinds"].items()]
    if rows:
        _table("kinds", ["kind", "entries", "size"], rows)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _show_sweep(result: dict) -> None:
    for field, rows in result["series"].items():
        methods = list(dict.fromkeys(row["method"] for row in rows))
        accuracies = {(row[field], row["method"]): _percent(row["accuracy"]) for row in rows}
        table = [[str(bits), *(accuracies[bits, m] for m in methods)] for bits in dict.fromkeys(r[field] for r in rows)]
        _table(f"{result['name']}: accuracy against {field.replace('_', ' ')}", ["bits", *methods], table)
    rows = [
        [
            str(row["weight_bits"]),
            f"{layer['layer']} {layer['kind']}",
            f"{100 * layer['saturated']:.3f} %",
            _range(layer["measured"]),
            _range(layer["proven"]),
            "" if layer["proven"] is None else f"{layer['measured_bits']} of {layer['proven_bits']}",
        ]
        for row in result["series"]["weight_bits"]
        if row["method"] == "post-training"
        for layer in row["layers"]
    ]
    columns = ["weight bits", "layer", "saturated", "accumulator, measured", "accumulator, proven", "bits"]
    _table("post-training, layer by layer", columns, rows)
    _facts("files", result["files"])


def _range(ends: list[int] | None) -> str:
    return "" if ends is None else f"{ends[0]:,} .. {ends[1]:,}"


def _accuracies(result: dict) -> dict[str, str]:
    known = result["float_accuracy"] is not None
    return {
        "data": result["data"],
        "parameters": f"{result['parameters']:,}",
        "weights, activations": f"{result['weight_bits']} bits, {result['activation_bits']} bits",
        "float accuracy": _percent(result["float_accuracy"]) if known else "not in the file",
        "quantized accuracy": _percent(result["quantized_accuracy"]),
    }


def _first_layer(first: dict) -> dict[str, str]:
    if first["rows"] == 1:
        return {}
    reason = f"{first['cycles']:,} cycles instead of {first['cycles_row_by_row']:,}"
    return {"first layer": f"{first['rows']} rows of pixels in one vector: {reason}"}


def _equality(result: dict) -> dict[str, str]:
    return {
        "images compared / mismatches": f"{result['images']:,} / {result['mismatches']}",
        "accuracy of the hardware on them": _percent(result["accuracy"]),
    }


def _cycles(result: dict) -> dict[str, str]:
    return {
        "cycles per image predicted": f"{result['predicted_cycles_per_image']:g}",
        "cycles per image measured": f"{result['cycles_per_image']:g}",
        "last pixel to result, predicted": f"{result['predicted_first_result_cycles']:,} cycles",
        "last pixel to result, measured": f"{result['first_result_cycles']:,} cycles",
        "MAC utilization": _percent(result["utilization"]),
    }


def _stalls(result: dict) -> dict[str, str]:
    return {
        "cycles stalled on input, on output": f"{result['stalled_input']:,}, {result['stalled_output']:,}",
        "compiled, simulated in": f"{result['compile_seconds']:.1f} s, {result['seconds']:.1f} s",
    }


def _resources(
    used: dict, available: dict, suffix: str = "", predicted: dict | None = None, is_outside: bool = False
) -> dict[str, str]:
    """Used of available, and what was predicted; those that neither the design uses nor the device has are left out.

    is_outside: whether the array lies outside of the model that predicted.
    """

    def row(name: str, count: int) -> str:
        text = f"{count:,}" + ("" if available[name] is None else f" of {available[name]:,}")
        if predicted is None:
            return text
        error = f" ({predicted[name] / count - 1:+.1%})" if count else ""
        return f"{text}, predicted {predicted[name]:,}{error}{', outside of the model' if is_outside else ''}"

    return {
        RESOURCE_NAMES[name] + suffix: row(name, count) for name, count in used.items() if count or available[name] != 0
    }


def _outside(parameters: dict) -> str:
    """Parameters with their values and the ranges that the model was fitted to."""
    texts = []
    for name, each in parameters.items():
        low, high = each["fitted"]
        fitted = str(low) if low == high else f"{low}..{high}"
        texts.append(f"{name} {each['value']} (fitted {fitted})")
    return ", ".join(texts)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _notes(result: dict) -> None:
    """What must be read beside the numbers."""
    for note in result["notes"]:
        _print(f"note: {note}")


def _edited(result: dict) -> None:
    """What must be read beside a result of an edited build."""
    if result["edited"]:
        _print("note: accelerator.v and ports.json are taken as they are: --edited")


def _facts(title: str, facts: dict[str, str]) -> None:
    """A table of two columns without a head."""
    _table(title, None, [[name, value] for name, value in facts.items()])


def _table(title: str, columns: list[str] | None, rows: list[list[str]]) -> None:
    plain_console().print(title, style="bold", soft_wrap=True)
    table = Table(box=SIMPLE, show_header=columns is not None)
    for index in range(len(rows[0]) if rows else 0):
        name = columns[index] if columns else ""
        table.add_column(name, justify="left" if index == 0 or columns is None else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = plain_console()
    width = console.width if console.is_terminal else max(console.width, FILE_WIDTH)
    plain_console(width=width).print(table)


def _shape(array: dict) -> str:
    return f"{array['lanes']} x {array['taps']} x {array['pixels']}"


def _next_array(result: dict, array: dict) -> None:
    options = [word for name in ("lanes", "taps", "pixels") for word in (f"--{name}", str(array[name]))]
    options += ["--schedule", result["schedule"]] if result["schedule"] != SCHEDULES[0] else []
    _next("amarray", "generate", _given(result["network"]), *options, "-o", "build")


def _next_with_data(result: dict, *words: str) -> None:
    """The next command with the words that name its data; none where a note says what is missing for it."""
    if result["data_option"] is not None:
        _next(*words, *result["data_option"])


def _next(*words: str) -> None:
    """Print the command of these words as a shell reads it; none where a word cannot be printed as it is."""
    if all(word.isprintable() for word in words):
        _print(f"next: {shlex.join(words)}")


def _given(text: str) -> str:
    """What the user called a network, so that no command takes it for an option."""
    return f"./{text}" if text.startswith("-") else text


def _path(text: str) -> str:
    """A path, so that no command takes it for an option or a shipped network."""
    return f"./{text}" if text in NAMES else _given(text)


def _print(line: str) -> None:
    plain_console().print(line, soft_wrap=True)
