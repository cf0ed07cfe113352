"""Compiler: Network + ArrayConfig to program, memory images and exact cycle counts."""

from dataclasses import dataclass, replace

import numpy as np
from amaranth.utils import bits_for

from hw.accelerator import Accelerator, Latencies
from hw.address import AddressLayout
from hw.config import LIMITS, ArrayConfig
from hw.mapping import Mapping
from hw.memory_plan import MemoryPlan, plan_memory
from hw.program import Header, Instruction, encode, instruction_layout
from hw.requantize import parameter_layout
from hw.schedule import Schedule, make_schedule
from sw.errors import InputError
from sw.network import Dense, Network

REMEDIES = {
    "conv2d": "replace it by a dense layer",
    "maxpool": "leave it out",
    "avgpool": "leave it out",
    "add": "leave it out and make a chain",
}
"""What to do about a layer that the array does not run, by kind."""


@dataclass(frozen=True, eq=False)
class Compiled:
    """A network as the accelerator runs it.

    Parameters
    ----------
    network, config: what was compiled for what.
    kind: the schedule asked for.
    schedule: order and timing.
    header, instructions: the program.
    program, weights, parameters: the memories, one unsigned int a word.
    """

    network: Network
    config: ArrayConfig
    kind: str
    schedule: Schedule
    header: Header
    instructions: tuple[Instruction, ...]
    program: tuple[int, ...]
    weights: tuple[int, ...]
    parameters: tuple[int, ...]

    def accelerator(self) -> Accelerator:
        """A new accelerator that holds this network."""
        return Accelerator(self.config, self.header, self.program, self.weights, self.parameters)

    @property
    def utilization(self) -> float:
        """Useful multiply-accumulates per multiplier and cycle in the steady state, 0..1."""
        return self.network.macs / (self.config.macs * self.schedule.round_cycles)

    @property
    def memory_bits(self) -> dict[str, int]:
        """Size of each memory in bits."""
        config = self.config
        return {
            "program": config.program_words * instruction_layout(config).size,
            "weights": config.weight_words * config.macs * config.weight_bits,
            "parameters": config.parameter_words * config.taps * parameter_layout(config).size,
            "input": config.input_words * config.taps * config.input_bits,
            "hidden": config.hidden_words * config.taps * config.activation_bits,
        }

    def watchdog_cycles(self, images: int) -> int:
        """Cycles in which so many images are surely done if nobody stalls: load, rounds, drain, twice over."""
        per_image = self.header.image_words + self.schedule.round_cycles + self.header.classes
        return 2 * (images + self.schedule.stages + 1) * per_image + 2 * self.schedule.drain_cycles + 1000


def size_array(network: Network, lanes: int, taps: int, *, kind: str = "throughput", loops: int = 2) -> ArrayConfig:
    """The smallest array of `lanes` x `taps` that runs `network`: widths and depths fit exactly.

    Raises InputError where no array can; layers that no array runs are all named.
    """
    _refuse(_kind_problems(network))
    # A network of one layer has no activations and no shift: its array has pixels' width and the least shift.
    widths = {"activation_bits": network.input.form.bits, "shift_bits": 1} if len(network.layers) == 1 else {}
    for needs in _format_needs(network):
        widths |= {name: max(need, widths.get(name, LIMITS[name][0])) for name, need in needs.items()}
    has_split_tiles = any(layer.outputs > lanes for layer in network.layers[:-1])
    config = ArrayConfig(
        lanes=lanes,
        taps=taps,
        **widths,
        loops=loops,
        unaligned_writes=taps > 1 and lanes % taps != 0 and has_split_tiles,
    )
    mappings = map_layers(network, config)
    schedule = make_schedule(mappings, kind)
    plan = plan_memory(mappings, schedule, config)
    needs = _needs(plan, mappings, schedule, config)
    for name, need in needs.items():
        if need > LIMITS[name][1]:
            raise InputError(f"this network needs {name} of {need}; an array has at most {LIMITS[name][1]}")
    return replace(config, **{name: max(need, LIMITS[name][0]) for name, need in needs.items()})


def compile_network(network: Network, config: ArrayConfig, kind: str = "throughput") -> Compiled:
    """Compile `network` for the array `config`.

    kind: "throughput" or "latency", see hw/schedule.py. Raises InputError with all reasons, joined by
    semicolons, where the network does not fit.
    """
    _refuse(_kind_problems(network))
    _refuse(_format_problems(network, config))
    mappings = map_layers(network, config)
    schedule = make_schedule(mappings, kind)
    plan = plan_memory(mappings, schedule, config)
    _refuse(_size_problems(plan, mappings, schedule, config))

    slots = schedule.body + schedule.drain
    ends = {len(schedule.body) - 1, len(slots) - 1}
    instructions = tuple(
        _instruction(mappings, plan, slot.layer, slot.age, delay, index in ends)
        for index, (slot, delay) in enumerate(zip(slots, schedule.delays, strict=True))
    )
    header = Header(
        image_words=mappings[0].useful_chunks,
        classes=network.classes,
        drain_start=len(schedule.body),
        stages=schedule.stages,
    )
    weights = np.concatenate([mapping.weight_words() for mapping in mappings])
    return Compiled(
        network=network,
        config=config,
        kind=kind,
        schedule=schedule,
        header=header,
        instructions=instructions,
        program=tuple(encode(instruction, config) for instruction in instructions),
        weights=tuple(_pack(weights.reshape(len(weights), -1), config.weight_bits)),
        parameters=tuple(word for mapping in mappings for word in _parameter_words(mapping)),
    )


def map_layers(network: Network, config: ArrayConfig) -> tuple[Mapping, ...]:
    """Each layer on the array."""
    return tuple(Mapping(layer, config, layer.requantize is None) for layer in network.layers)


def _instruction(mappings, plan: MemoryPlan, layer: int, age: int, delay: int, ends_segment: bool) -> Instruction:
    mapping = mappings[layer]
    scale = mapping.layer.requantize
    source = mappings[layer - 1].layer.requantize if layer else None
    return Instruction(
        levels=mapping.levels,
        delay=delay,
        age=age,
        read_bases=plan.reads[layer],
        write_bases=plan.writes[layer],
        weight_base=plan.weight_bases[layer],
        parameter_base=plan.parameter_bases[layer],
        last_lanes=mapping.last_lanes,
        reads_hidden=layer > 0,
        reads_signed=source is not None and source.form.signed,
        writes_signed=scale is not None and scale.form.signed,
        high=scale.form.high if scale is not None else 0,
        is_result=mapping.is_result,
        releases_input=layer == 0,
        ends_segment=ends_segment,
    )


def _parameter_words(mapping: Mapping) -> list[int]:
    """Words of `taps` packed parameters; channels that do not exist get bias 0 and shift 0."""
    layer, config = mapping.layer, mapping.config
    scale, ones = layer.requantize, np.ones(layer.outputs, dtype=np.int64)
    layout = parameter_layout(config)
    channels = {
        "bias": mapping.by_drain_word(layer.bias, fill=0),
        "shift": mapping.by_drain_word(scale.shift if scale else 0 * ones, fill=0),
        "multiplier": mapping.by_drain_word(scale.multiplier if scale else ones, fill=1),
    }
    words = []
    for row in range(mapping.parameter_words):
        word = 0
        for tap in range(config.taps):
            for name, field in layout:
                value = int(channels[name][row, tap]) & ((1 << field.width) - 1)
                word |= value << (tap * layout.size + field.offset)
        words.append(word)
    return words


def _pack(values: np.ndarray, bits: int) -> list[int]:
    """Each row of signed ints as one unsigned word, the first value in the lowest bits."""
    planes = (values[:, :, None] >> np.arange(bits)) & 1
    rows = np.packbits(planes.reshape(len(values), -1).astype(np.uint8), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def _kind_problems(network: Network) -> list[str]:
    return [
        f"layer {index} is {layer.kind}, but the array runs dense layers only: {REMEDIES[layer.kind]}"
        for index, layer in enumerate(network.layers)
        if layer.kind != Dense.kind
    ]


def _format_needs(network: Network) -> list[dict[str, int]]:
    """Per layer the least width of each number format that it uses; the accumulator includes the bias."""
    needs = []
    for layer, source in zip(network.layers, network.source_formats, strict=True):
        widths = {"weight_bits": layer.weight_bits, "accumulator_bits": layer.accumulator_bits(source)}
        if layer.requantize is not None:
            multiplier = int(layer.requantize.multiplier.max())
            widths["activation_bits"] = layer.requantize.form.bits
            widths["shift_bits"] = int(layer.requantize.shift.max()).bit_length()
            widths["multiplier_bits"] = 0 if multiplier == 1 else multiplier.bit_length()
        needs.append(widths)
    return needs


def _logits_in_flight(mappings, schedule: Schedule, config: ArrayConfig) -> int:
    """Logits that are reserved at once when the receiver always takes: with such a queue the array never waits.

    Room for an image is asked for one cycle before the first step of its last layer; a logit that leaves in a
    cycle gives its room back for the next. The greatest need is in a long stream or where it drains.
    """
    mapping = mappings[-1]
    tile, lane = np.divmod(np.arange(mapping.layer.outputs), config.lanes)
    leaves = (tile + 1) * mapping.chunks - 1 + lane + Latencies.of(config).logit  # after the first step
    images = schedule.stages + 2 + int(leaves.max()) // schedule.round_cycles
    starts = np.array(
        [start for start, slot, image in schedule.walk(images) if slot.layer == len(mappings) - 1 and image is not None]
    )
    still_there = [int((starts[:index, None] + leaves >= start - 1).sum()) for index, start in enumerate(starts)]
    return mapping.layer.outputs + max(still_there)


def _format_problems(network: Network, config: ArrayConfig) -> list[str]:
    return [
        f"layer {index} needs {name} of at least {need}, the array has {getattr(config, name)}"
        for index, needs in enumerate(_format_needs(network))
        for name, need in needs.items()
        if need > getattr(config, name)
    ]


def _needs(plan: MemoryPlan, mappings, schedule: Schedule, config: ArrayConfig) -> dict[str, int]:
    """The least value of each parameter of the array that depends on plan and schedule."""
    return {
        "input_words": plan.input_words,
        "hidden_words": plan.hidden_words,
        "weight_words": plan.weight_words,
        "parameter_words": plan.parameter_words,
        "program_words": len(schedule.body) + len(schedule.drain),
        "result_words": _logits_in_flight(mappings, schedule, config),
        "stages": schedule.stages,
        "delay_bits": bits_for(max(schedule.delays) + 1),  # the sequencer also counts the first cycle of a wait
    }


def _size_problems(plan: MemoryPlan, mappings, schedule: Schedule, config: ArrayConfig) -> list[str]:
    problems = [
        f"the network needs {name} of at least {need}, the array has {getattr(config, name)}"
        for name, need in _needs(plan, mappings, schedule, config).items()
        if need > getattr(config, name)
    ]
    writes = AddressLayout(config.hidden_words, config.taps, config.unaligned_writes)
    splits = any(mapping.tiles > 1 and not mapping.is_result for mapping in mappings)
    if splits and config.lanes % config.taps and not writes.unaligned:
        problems.append(
            f"a layer of several tiles of {config.lanes} lanes needs unaligned_writes with {config.taps} taps"
        )
    return problems


def _refuse(problems: list[str]) -> None:
    if problems:
        raise InputError("; ".join(problems))
