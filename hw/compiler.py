"""Compiler: Network + ArrayConfig to program, memory images and exact cycle counts."""

from dataclasses import dataclass, replace
from math import prod

import numpy as np
from amaranth.utils import bits_for

from hw.accelerator import Accelerator, Latencies
from hw.config import LIMITS, ArrayConfig
from hw.fetcher import DIVERT_CYCLES
from hw.load_image import load_image
from hw.mapping import Mapping, map_operation
from hw.memories import static_memories
from hw.memory_plan import MemoryPlan, plan_memory
from hw.operations import INPUT, can_interleave, interleaved, lower, plan_regions
from hw.program import Header, Instruction, encode
from hw.requantize import parameter_layout
from hw.schedule import Schedule, first_step, make_schedule
from hw.sequencer import ROOM_CYCLES
from hw.spreader import parts
from hw.watermark import words_ahead
from sw.errors import InputError
from sw.network import Network


@dataclass(frozen=True, eq=False)
class Compiled:
    """A network as the accelerator runs it.

    Parameters
    ----------
    network, config: what was compiled for what.
    kind: the schedule asked for.
    schedule: order and timing.
    header, instructions: the program.
    places: per operation the base addresses of its result in the hidden memory, for an even and an odd image.
    program, weights, parameters: the memories, one unsigned int a word.
    """

    network: Network
    config: ArrayConfig
    kind: str
    schedule: Schedule
    header: Header
    instructions: tuple[Instruction, ...]
    places: dict[int, tuple[int, int]]
    program: tuple[int, ...]
    weights: tuple[int, ...]
    parameters: tuple[int, ...]

    def accelerator(self) -> Accelerator:
        """A new accelerator that holds this network."""
        return Accelerator(self.config, self.header, self.program, self.weights, self.parameters)

    def load_image(self) -> bytes:
        """What a running accelerator takes to run this network. Raises InputError unless the array is reloadable."""
        return load_image(self.config, self.header, self.program, self.weights, self.parameters)

    @property
    def utilization(self) -> float:
        """Useful multiply-accumulates per multiplier and cycle in the steady state, 0..1."""
        return self.network.macs / (self.config.macs * self.schedule.round_cycles)

    @property
    def memory_bits(self) -> dict[str, int]:
        """Size of each memory in bits."""
        return memory_bits(self.config)

    def watchdog_cycles(self, images: int) -> int:
        """Cycles in which so many images are surely done if nobody stalls: load, rounds, drain, twice over."""
        per_image = self.schedule.mappings[0].load_cycles + self.schedule.round_cycles + self.header.classes
        clear = max(self.config.input_words, self.config.hidden_words) if self.config.reloadable else 0
        return 2 * (images + self.schedule.stages + 1) * per_image + 2 * self.schedule.drain_cycles + clear + 1000


def memory_bits(config: ArrayConfig) -> dict[str, int]:
    """Size of each memory of an array in bits."""
    banks = 2 if config.reloadable else 1
    static = {name: banks * depth * width for name, (depth, width) in static_memories(config).items()}
    return static | {
        "input": config.pixels * config.input_words * config.taps * config.input_bits,
        "hidden": config.pixels * config.hidden_words * config.taps * config.activation_bits,
    }


def size_array(
    network: Network,
    lanes: int,
    taps: int,
    pixels: int = 1,
    *,
    kind: str = "throughput",
    also: tuple[Network, ...] = (),
) -> ArrayConfig:
    """The smallest array of `lanes` x `taps` x `pixels` that `compile_network` takes for `network`.

    Widths and depths are the least that the compiler asks for. Of these, parameters are laid down for whole tiles, the
    activation memories have a word to spare where reads are unaligned, and delay_bits may have one or two bits.

    also: networks that it must run as well, each alone; it is then reloadable. Raises InputError where no array can.
    """
    config = _size((network, *also), lanes, taps, pixels, kind)[0]
    return replace(config, reloadable=bool(also))


def size_and_schedule(
    network: Network, lanes: int, taps: int, pixels: int = 1, *, kind: str = "throughput"
) -> tuple[ArrayConfig, Schedule]:
    """The array of `size_array`, and the schedule of the network on it."""
    config, (schedule,) = _size((network,), lanes, taps, pixels, kind)
    return config, schedule


def _size(
    networks: tuple[Network, ...], lanes: int, taps: int, pixels: int, kind: str
) -> tuple[ArrayConfig, list[Schedule]]:
    """The smallest array for each of the networks, and their schedules."""
    shapes = [_with_interleave(network, lanes, taps, pixels) for network in networks]
    shaped = replace(
        shapes[0],
        input_gaps=any(shape.input_gaps for shape in shapes),
        interleave=max(shape.interleave for shape in shapes),
    )
    config, schedules = _size_shaped(networks, shaped, kind)
    if kind == "latency":
        return config, schedules
    for drain_parts in range(taps, 1, -1):
        if taps % drain_parts == 0 and all(_can_drain(schedule, drain_parts) for schedule in schedules):
            fewer, slower = _size_shaped(networks, replace(shaped, drain_parts=drain_parts), kind)
            if all(_is_as_good(found, schedule) for found, schedule in zip(slower, schedules, strict=True)):
                return fewer, slower
    return config, schedules


def _size_shaped(networks: tuple[Network, ...], shaped: ArrayConfig, kind: str) -> tuple[ArrayConfig, list[Schedule]]:
    """The smallest array of this shape for each of the networks, and their schedules."""
    mappings = [mapping for network in networks for mapping in map_network(network, shaped)]
    # A network of one layer has no activations and no shift: its array has pixels' width and the least shift.
    alone = len(mappings) == len(networks)
    widths = {"activation_bits": networks[0].input.form.bits, "shift_bits": 1} if alone else {}
    for needs in _format_needs(mappings):
        widths |= {name: max(need, widths.get(name, LIMITS[name][0])) for name, need in needs.items()}
    follows = {"follows_input": kind == "latency"}
    config = replace(shaped, **widths, **_loop_needs(mappings), **_alignment_needs(mappings), **follows)
    needs, schedules = {}, []
    for network in networks:
        mappings = map_network(network, config)
        schedules.append(make_schedule(mappings, kind))
        own = _needs(plan_memory(mappings, schedules[-1], config), mappings, schedules[-1])
        needs = {name: max(need, needs.get(name, 0)) for name, need in own.items()}
    _refuse(
        [
            f"this network needs {name} of {need}; an array has at most {LIMITS[name][1]}{_remedy(name)}"
            for name, need in needs.items()
            if need > LIMITS[name][1]
        ]
    )
    return replace(config, **{name: max(need, LIMITS[name][0]) for name, need in needs.items()}), schedules


def _can_drain(schedule: Schedule, drain_parts: int) -> bool:
    """Whether words in so many parts can be written where the results lie, and take nearly no more steps."""
    config = replace(schedule.mappings[0].config, drain_parts=drain_parts, unaligned_writes=False)
    mappings = tuple(replace(mapping, config=config) for mapping in schedule.mappings)
    aligned = not any(mapping.unaligned_writes() for mapping in mappings)
    return aligned and _is_near(_least_round(mappings), schedule.round_cycles)


def _is_as_good(schedule: Schedule, other: Schedule) -> bool:
    """Whether a schedule, of an array with fewer requantizers, may take the place of another one."""
    return schedule.stages <= other.stages and _is_near(schedule.round_cycles, other.round_cycles)


def _is_near(cycles: int, fewest: int) -> bool:
    """Whether a smaller array may take so many cycles instead of the fewest: 1 % more."""
    return 0.99 * cycles <= fewest


def _reads_border(network: Network) -> bool:
    """Whether the loader should put a border around the input."""
    return lower(network, input_gaps=True)[0].padding > 0


def _remedy(name: str) -> str:
    remedies = {
        "weight_words": ": take more lanes or taps, or a smaller network",
        "hidden_words": ": take more taps, or smaller images",
        "input_words": ": take more taps, or smaller images",
    }
    return remedies.get(name, "")


def compile_network(network: Network, config: ArrayConfig, kind: str = "throughput") -> Compiled:
    """Compile `network` for the array `config`.

    kind: "throughput" or "latency", see hw/schedule.py. Raises InputError with all reasons, joined by
    semicolons, where the network does not fit.
    """
    mappings = map_network(network, config)
    schedule = make_schedule(mappings, kind)
    plan = plan_memory(mappings, schedule, config)
    problems = _format_problems(mappings, config) + _nest_problems(mappings, config)
    problems += _size_problems(plan, mappings, schedule, config)
    if problems:
        shape = f"--lanes {config.lanes} --taps {config.taps} --pixels {config.pixels}"
        problems.append(f"make the array with room for it (--also), or one for it alone ({shape} without --array)")
    _refuse(problems)

    slots = schedule.body + schedule.drain
    ends = {len(schedule.body) - 1, len(slots) - 1}
    delays = list(schedule.delays)
    if schedule.drain:  # counted from when its first instruction is there
        delays[len(schedule.body)] -= delays[0] + DIVERT_CYCLES
    instructions = tuple(
        _instruction(mappings, plan, slot.operation, slot.age, delay, index in ends)
        for index, (slot, delay) in enumerate(zip(slots, delays, strict=True))
    )
    header = _header(network, mappings, schedule, plan)
    weights = np.concatenate([mapping.weight_words() for mapping in mappings])
    return Compiled(
        network=network,
        config=config,
        kind=kind,
        schedule=schedule,
        header=header,
        instructions=instructions,
        places=plan.places,
        program=tuple(encode(instruction, config) for instruction in instructions),
        weights=tuple(_pack(weights.reshape(len(weights), -1), config.weight_bits)),
        parameters=tuple(word for mapping in mappings for word in _parameter_words(mapping)),
    )


def _header(network: Network, mappings: tuple[Mapping, ...], schedule: Schedule, plan: MemoryPlan) -> Header:
    source, copies, taps = mappings[0].source, mappings[0].operation.row_dilation, mappings[0].config.taps
    beats = -(-network.input.size // taps)
    last_part = (parts(mappings[0].config) - 1) * (taps // parts(mappings[0].config)) * copies
    return Header(
        image_words=beats,
        classes=network.classes,
        drain_start=len(schedule.body),
        drain_end=len(schedule.body) + len(schedule.drain),
        stages=schedule.stages,
        bases=tuple(base + source.origin for base in plan.places[INPUT]),
        row_elements=source.row // copies,
        gap=source.pitch - source.row,
        last_elements=network.input.size - (beats - 1) * taps,
        copies=copies,
        copy_step=1 - source.pitch - last_part,
        beat_step=taps * copies,
        follows=schedule.follows,
        ahead=words_ahead(mappings[0]),
    )


def map_network(network: Network, config: ArrayConfig) -> tuple[Mapping, ...]:
    """Each operation of the network on the array; the rows of pixels interleaved where that takes fewer cycles."""
    operations = lower(network, input_gaps=config.input_gaps)
    plain = _map_operations(operations, network, config)
    if config.interleave == 1 or not can_interleave(operations[0]):
        return plain
    first = interleaved(operations[0], config.interleave)
    return min(plain, _map_operations((first, *operations[1:]), network, config), key=_least_round)


def _map_operations(operations, network: Network, config: ArrayConfig) -> tuple[Mapping, ...]:
    regions = plan_regions(operations, network.input.shape)
    return tuple(
        map_operation(operation, config, regions[operation.sources[0]], regions[index])
        for index, operation in enumerate(operations)
    )


def _least_round(mappings: tuple[Mapping, ...]) -> int:
    """Cycles of a round that never waits: the array's, or the loader's if it takes longer."""
    return max(mappings[0].load_cycles, sum(mapping.steps for mapping in mappings))


def least_cost(network: Network, lanes: int, taps: int, pixels: int = 1) -> tuple[int, int]:
    """Cycles of an image on such an array if it never waited, and bits of its weights and of what must be kept at once.

    That is two images, and the greatest result or pair of operands. No schedule takes fewer, and no array less.
    """
    mappings = map_network(network, _with_interleave(network, lanes, taps, pixels))
    weight_bits = max(mapping.operation.weight_bits for mapping in mappings)
    weights = sum(mapping.weight_depth for mapping in mappings) * lanes * taps * weight_bits
    activation_bits = max((form.bits for form in network.formats if form is not None), default=1)
    results = [mapping.result.size for mapping in mappings[:-1]]
    operands = [len(set(mapping.operation.sources)) * prod(mapping.operation.source_shape) for mapping in mappings[1:]]
    hidden = max(results + operands, default=0) * activation_bits
    return _least_round(mappings), weights + pixels * (2 * mappings[0].source.size * network.input.form.bits + hidden)


def _with_interleave(network: Network, lanes: int, taps: int, pixels: int) -> ArrayConfig:
    """An array of this shape with the loader that the network wants; all else is not yet sized."""
    config = ArrayConfig(lanes=lanes, taps=taps, pixels=pixels, input_gaps=_reads_border(network))
    return replace(config, interleave=_choose_interleave(network, config))


def _choose_interleave(network: Network, config: ArrayConfig) -> int:
    """The fewest rows to interleave that bring the cycles within 1 % of the fewest."""
    first = lower(network, input_gaps=config.input_gaps)[0]
    most = first.weight.shape[2] if can_interleave(first) else 1
    choices = range(1, min(most, LIMITS["interleave"][1]) + 1)
    rounds = {rows: _least_round(map_network(network, replace(config, interleave=rows))) for rows in choices}
    return min(rows for rows in choices if _is_near(rounds[rows], min(rounds.values())))


def _instruction(mappings, plan: MemoryPlan, index: int, age: int, delay: int, ends_segment: bool) -> Instruction:
    mapping, operation = mappings[index], mappings[index].operation
    scale, reads_hidden = operation.requantize, operation.sources[0] != INPUT
    signed = [form.signed for form in operation.source_formats]
    first, last = (plan.places[source][0] for source in (operation.sources[0], operation.sources[-1]))
    return Instruction(
        levels=mapping.nest(last - first).levels(mapping.config),
        delay=delay,
        age=age,
        read_bases=tuple(base + mapping.read_start for base in plan.places[operation.sources[0]]),
        write_bases=(0, 0) if scale is None else tuple(base + mapping.result.origin for base in plan.places[index]),
        weight_base=plan.weight_bases[index],
        parameter_base=plan.parameter_bases[index],
        column_offsets=mapping.column_offsets,
        pools_columns=mapping.columns.pools,
        column_write=mapping.column_write,
        last_columns=mapping.columns.last(operation),
        tile_lanes=mapping.tile_lanes,
        last_lanes=mapping.last_lanes,
        reads_hidden=reads_hidden,
        reads_signed=(signed[0], signed[-1]),
        writes_signed=scale is not None and scale.form.signed,
        high=scale.form.high if scale is not None else 0,
        is_result=mapping.is_result,
        releases_input=not reads_hidden,
        ends_segment=ends_segment,
    )


def _parameter_words(mapping: Mapping) -> list[int]:
    """Words of `drain_channels` packed parameters; channels that do not exist get bias 0 and shift 0."""
    operation, config = mapping.operation, mapping.config
    scale, ones = operation.requantize, np.ones(operation.outputs, dtype=np.int64)
    layout = parameter_layout(config)
    channels = {
        "bias": mapping.by_drain_word(operation.bias, fill=0),
        "shift": mapping.by_drain_word(scale.shift if scale else 0 * ones, fill=0),
        "multiplier": mapping.by_drain_word(scale.multiplier if scale else ones, fill=1),
    }
    words = []
    for row in range(mapping.parameter_depth):
        word = 0
        for channel in range(config.drain_channels):
            for name, field in layout:
                value = int(channels[name][row, channel]) & ((1 << field.width) - 1)
                word |= value << (channel * layout.size + field.offset)
        words.append(word)
    return words


def _pack(values: np.ndarray, bits: int) -> list[int]:
    """Each row of signed ints as one unsigned word, the first value in the lowest bits."""
    planes = (values[:, :, None] >> np.arange(bits)) & 1
    rows = np.packbits(planes.reshape(len(values), -1).astype(np.uint8), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def _format_needs(mappings: tuple[Mapping, ...]) -> list[dict[str, int]]:
    """Per operation the least width of each number format that it uses; the accumulator includes the bias."""
    needs = []
    for mapping in mappings:
        operation, scale = mapping.operation, mapping.operation.requantize
        widths = {"weight_bits": operation.weight_bits, "accumulator_bits": operation.accumulator_bits}
        if scale is None:
            widths["logit_bits"] = operation.accumulator_bits
        else:
            multiplier = int(scale.multiplier.max())
            widths["activation_bits"] = scale.form.bits
            widths["shift_bits"] = int(scale.shift.max()).bit_length()
            widths["multiplier_bits"] = 0 if multiplier == 1 else multiplier.bit_length()
        needs.append(widths)
    return needs


def _loop_needs(mappings: tuple[Mapping, ...]) -> dict[str, int]:
    """The least number of levels in each part of the nest."""
    nests = [mapping.nest() for mapping in mappings]
    reduction = max(nest.reduction_loops for nest in nests)
    pool = max(len(nest.pool) for nest in nests)
    outer = max(len(nest.outer) for nest in nests)
    return {"loops": reduction + pool + 1 + outer, "reduction_loops": reduction, "pool_loops": pool}


def _alignment_needs(mappings: tuple[Mapping, ...]) -> dict[str, bool]:
    """Whether vectors start inside of words."""
    return {
        "unaligned_reads": any(mapping.unaligned_reads() for mapping in mappings),
        "unaligned_writes": any(mapping.unaligned_writes() for mapping in mappings),
    }


def _logits_in_flight(mappings, schedule: Schedule) -> int:
    """Logits that are reserved at once when the receiver always takes: with such a queue the array never waits.

    Room for an image is asked for when its last operation starts; a logit that leaves gives its room back
    ROOM_CYCLES later. The greatest need is in a long stream or where it drains.
    """
    mapping = mappings[-1]
    leaves = mapping.logits() + Latencies.of(mapping.config).logit  # after the first step
    images = schedule.stages + 2 + int(leaves.max()) // schedule.round_cycles
    last, before = len(mappings) - 1, first_step(mapping.config) + ROOM_CYCLES - 1
    starts = np.array(
        [start for start, slot, image in schedule.walk(images) if slot.operation == last and image is not None]
    )
    still_there = [int((starts[:index, None] + leaves >= start - before).sum()) for index, start in enumerate(starts)]
    return len(leaves) + max(still_there)


def _format_problems(mappings: tuple[Mapping, ...], config: ArrayConfig) -> list[str]:
    return [
        f"{mapping.operation.label} needs {name} of at least {need}, the array has {getattr(config, name)}"
        for mapping, needs in zip(mappings, _format_needs(mappings), strict=True)
        for name, need in needs.items()
        if need > getattr(config, name)
    ]


def _needs(plan: MemoryPlan, mappings, schedule: Schedule) -> dict[str, int]:
    """The least value of each parameter of the array that depends on plan and schedule."""
    return {
        "input_words": plan.input_words,
        "hidden_words": plan.hidden_words,
        "weight_words": plan.weight_words,
        "parameter_words": plan.parameter_words,
        "program_words": len(schedule.body) + len(schedule.drain),
        "result_words": _logits_in_flight(mappings, schedule),
        "stages": schedule.stages,
        "delay_bits": bits_for(max(schedule.delays)),
    }


def _size_problems(plan: MemoryPlan, mappings, schedule: Schedule, config: ArrayConfig) -> list[str]:
    return [
        f"the network needs {name} of at least {need}, the array has {getattr(config, name)}"
        for name, need in _needs(plan, mappings, schedule).items()
        if need > getattr(config, name)
    ]


def _nest_problems(mappings: tuple[Mapping, ...], config: ArrayConfig) -> list[str]:
    """What the loop nest and the memories' ports of the array cannot do."""
    problems = []
    needs = _loop_needs(mappings)
    outer = needs["loops"] - needs["reduction_loops"] - needs["pool_loops"]
    least = {name: needs[name] for name in ("reduction_loops", "pool_loops")}
    least["loops"] = config.reduction_loops + config.pool_loops + outer
    for name, need in least.items():
        if need > getattr(config, name):
            problems.append(f"the network needs {name} of at least {need}, the array has {getattr(config, name)}")
    for mapping in mappings:
        for name, unaligned in _alignment_needs((mapping,)).items():
            if unaligned and not getattr(config, name):
                wanted = f"{name} with {config.taps} taps"
                if name == "unaligned_writes" and config.drain_parts > 1:
                    wanted = f"drain_parts of {config.taps}, or of 1 with unaligned_writes"
                problems.append(f"{mapping.operation.label} needs {wanted}")
    return problems


def _refuse(problems: list[str]) -> None:
    if problems:
        raise InputError("; ".join(problems))
