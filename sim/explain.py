"""Where the Verilog first differs from golden: layer, channel, position, tile and cycle.

The compiler knows in which cycle each activation is written and where, and golden knows its value; so what is
written to the hidden memory is compared write by write, in the order of the cycles. The first difference is the
cause, for whatever differs later may only follow from it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hw.accelerator import Latencies
from hw.build import Build
from hw.operations import INPUT, lower
from hw.program import hidden_address
from sim import native
from sim.job import Job
from sw.errors import InputError
from sw.file_kinds import VCD
from sw.files import check_file, replacing_file
from sw.golden import infer

BEFORE, AFTER = 60, 10
"""Cycles of the waveform before and after the difference."""


@dataclass(frozen=True)
class Expected:
    """An element that must be written, or a logit that must leave.

    Parameters
    ----------
    image, operation: whose it is. y, x, channel: its place in the result. tile: tile of output channels.
    address: element address in the hidden memory, None for a logit. value: golden's integer.
    """

    image: int
    operation: int
    y: int
    x: int
    channel: int
    tile: int
    address: int | None
    value: int


@dataclass(frozen=True)
class Difference:
    """The first difference.

    Parameters
    ----------
    cycle: counted from the end of reset; of the write, or of the logit's beat.
    expected: what should be there, None where nothing should. found: the integer that is there, None where none is.
    """

    cycle: int
    expected: Expected | None
    found: int | None


@dataclass(frozen=True, eq=False)
class Explanation:
    """What `explain` found.

    Parameters
    ----------
    build, images: what was compared. image: the one that was asked for.
    difference: None where all is equal. compared: elements and logits that were.
    waves: the waveform around the difference, None without one.
    """

    build: Build
    images: np.ndarray
    image: int
    difference: Difference | None
    compared: int
    waves: Path | None


def explain(build: Build, images: np.ndarray, image: int, waves: Path, *, force: bool = False) -> Explanation:
    """Run an image behind some others, so that as many are in flight as ever; compare; record around a difference.

    images: all there are. image: index of the one in question. waves: .vcd file to write; force: replace one
    that is none, too. Raises InputError for an image that is not there or a file that must not be replaced,
    SimulationError where the accelerator stops answering.
    """
    if not 0 <= image < len(images):
        raise InputError(f"image must be 0..{len(images) - 1}, not {image}")
    if waves.suffix != ".vcd":
        raise InputError(f"waves must go to a .vcd file, not to {waves}")
    check_file(waves, VCD, force)
    stages = build.compiled.schedule.stages
    first = max(0, (image - stages - 1) // 2 * 2)  # even, so that it lies where it lies in the whole test set
    chosen = images[first : image + stages + 1]
    counters = [name.removeprefix("counters__") for name in build.ports if name.startswith("counters__")]
    fields = build.ports["o_result__payload"]["fields"]
    job = Job.of(build.network, chosen, build.config.taps, fields, counters, build.watchdog_cycles)
    program = native.compiled(build.verilog, counters, traced=True, optimization="-O0")
    done = native.run(program, job, native.Recording(waves, 1, 0))
    expected = expectations(build, chosen)
    difference = first_difference(build, expected, written(build, done["writes"]), done["logits"])
    compared = sum(map(len, expected.values()))
    if difference is None:
        return Explanation(build, chosen, image - first, None, compared, None)
    start = max(0, difference.cycle - BEFORE)
    with replacing_file(waves, VCD, force) as temporary:  # never through a link that lies in a build
        native.run(program, job, native.Recording(temporary, start, difference.cycle + AFTER))
    return Explanation(build, chosen, image - first, difference, compared, waves)


def expectations(build: Build, images: np.ndarray) -> dict[int, list[Expected]]:
    """By cycle, what golden and the schedule expect of these images in an unbroken stream."""
    compiled = build.compiled
    schedule, latencies = compiled.schedule, Latencies.of(compiled.config)
    mappings = schedule.mappings
    taps = infer(build.network, images).taps
    events: dict[int, list[Expected]] = {}
    for start in schedule.play(len(images)):
        image = start.image
        if image is None:
            continue
        mapping = mappings[start.slot.operation]
        operation, region = mapping.operation, mapping.result
        values = taps[operation.layers[-1]][image] if operation.layers else images[image]
        values = np.asarray(values).reshape(operation.shape)
        if operation.is_result:
            times = mapping.logits() + latencies.logit
        else:
            times = mapping.drains() + latencies.write
            base = compiled.places[start.slot.operation][image % 2] + region.origin
        begins = schedule.step_cycles(start)[mapping.captures] - mapping.captures
        times = times.reshape(operation.shape) + begins.reshape(operation.shape)
        for (y, x, channel), value in np.ndenumerate(values):
            address = None
            if not operation.is_result:
                address = base + y * region.pitch + x * operation.shape[2] + channel
            tile = channel // mapping.tile_lanes
            event = Expected(image, start.slot.operation, y, x, channel, tile, address, int(value))
            events.setdefault(int(times[y, x, channel]), []).append(event)
    return events


def written(build: Build, writes: np.ndarray) -> dict[int, dict[int, int]]:
    """By cycle, what was written: the bits of an element by address."""
    config, fields = build.config, build.ports["written"]["fields"]
    layout, bits = hidden_address(config), config.activation_bits
    found = {}
    for cycle, payload in zip(writes["cycle"].tolist(), writes["payload"], strict=True):
        word = int.from_bytes(payload.tobytes(), "little")
        part = {name: word >> field["offset"] & (1 << field["width"]) - 1 for name, field in fields.items()}
        address = layout.join(layout.from_bits(part["address"]))
        found[cycle] = {
            address + tap: part["elements"] >> tap * bits & (1 << bits) - 1
            for tap in range(config.taps)
            if part["mask"] >> tap & 1
        }
    return found


def first_difference(
    build: Build, expected: dict[int, list[Expected]], found: dict[int, dict[int, int]], logits: np.ndarray
) -> Difference | None:
    """The earliest difference between what was expected and what was written, or what left; None if there is none."""
    for cycle in sorted(expected.keys() | found.keys()):
        here = dict(found.get(cycle, {}))
        for event in expected.get(cycle, []):
            if event.address is None:
                value = int(logits[event.image, event.channel])
            else:
                value = _signed(here.pop(event.address, None), build, event)
            if value != event.value:
                return Difference(cycle, event, value)
        if here:
            return Difference(cycle, None, next(iter(here.values())))
    return None


def _signed(bits: int | None, build: Build, event: Expected) -> int | None:
    """The integer that the bits of an element are in the format of its operation."""
    form = build.compiled.schedule.mappings[event.operation].operation.requantize.form
    width = build.config.activation_bits
    if bits is None or not form.signed or not bits >> (width - 1):
        return bits
    return bits - (1 << width)


@dataclass(frozen=True)
class Operand:
    """One product of a sum. operand: 0 or 1 of a sum of two tensors. y, x, channel: where the activation comes from."""

    operand: int
    y: int
    x: int
    channel: int
    activation: int
    weight: int


@dataclass(frozen=True)
class Sum:
    """How golden comes to an integer. total: bias and products; multiplier and shift are None for a logit."""

    operands: tuple[Operand, ...]
    bias: int
    total: int
    multiplier: int | None
    shift: int | None


def golden_sum(build: Build, images: np.ndarray, of: Expected) -> Sum:
    """The sum behind an expected integer; of a pooling window, the greatest one."""
    operation = lower(build.network, input_gaps=build.config.input_gaps)[of.operation]
    operations = [mapping.operation for mapping in build.compiled.schedule.mappings]
    taps = infer(build.network, images).taps
    sources = [
        images[of.image]
        if source == INPUT or not operations[source].layers
        else taps[operations[source].layers[-1]][of.image]
        for source in operation.sources
    ]
    sources = [np.asarray(source).reshape(operation.source_shape) for source in sources]
    positions = [
        (of.y * operation.pool_stride + row, of.x * operation.pool_stride + column)
        for row in range(operation.pool[0])
        for column in range(operation.pool[1])
    ]
    bias = int(operation.bias[of.channel])
    sums = [tuple(_products(operation, sources, of.channel, *position)) for position in positions]
    totals = [bias + sum(each.activation * each.weight for each in products) for products in sums]
    best = int(np.argmax(totals))
    scale = operation.requantize
    factors = (None, None) if scale is None else (int(scale.multiplier[of.channel]), int(scale.shift[of.channel]))
    return Sum(sums[best], bias, totals[best], *factors)


def _products(operation, sources: list[np.ndarray], output: int, y: int, x: int):
    """The operands of the sum at one position; those outside of the image are zeros and left out."""
    outputs, _, _, _, inputs = operation.weight.shape
    group = output // (outputs // operation.groups)
    height, width, _ = operation.source_shape
    for (operand, kernel_y, kernel_x, channel), weight in np.ndenumerate(operation.weight[output]):
        row = y * operation.stride - operation.padding + kernel_y
        column = x * operation.stride - operation.padding + kernel_x
        if 0 <= row < height and 0 <= column < width:
            place = group * inputs + channel
            yield Operand(operand, row, column, place, int(sources[operand][row, column, place]), int(weight))
