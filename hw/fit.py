"""The search for an array: the fewest cycles for so many multipliers and block RAMs.

All shapes are bounded from below first, which takes no schedule; only those that no known array beats in cycles,
multipliers and memory at once are compiled. So the cycles that are reported are exact.
"""

from dataclasses import dataclass

from amaranth.utils import ceil_log2

from hw.compiler import least_cost, memory_bits, size_and_schedule
from hw.config import LIMITS, ArrayConfig
from hw.schedule import Schedule
from sw.errors import InputError
from sw.network import Network

PIXELS = (1, 2, 4)
BLOCK_BITS = 18 * 1024
BLOCK_WIDTH = 36
"""A block RAM as most open FPGAs have it: 18 kbit, at most 36 bits wide."""
DISTRIBUTED_WORDS = 32
"""Memories of at most so many words go into LUTs."""


@dataclass(frozen=True)
class Candidate:
    """One array for a network.

    Parameters
    ----------
    lanes, taps, pixels: its shape. cycles: per image, exact. utilization: 0..1.
    multipliers: of the array, and of the requantizers where scales are multiplied.
    memory_bits: all memories. block_rams: estimated, see `block_rams`.
    """

    lanes: int
    taps: int
    pixels: int
    cycles: int
    utilization: float
    multipliers: int
    memory_bits: int
    block_rams: int

    def dominates(self, cycles: int, multipliers: int, memory_bits: int) -> bool:
        """Whether another array is no better in anything."""
        return self.cycles <= cycles and self.multipliers <= multipliers and self.memory_bits <= memory_bits


def fit(
    network: Network,
    *,
    macs: int | None = None,
    multipliers: int | None = None,
    block_rams: int | None = None,
    kind: str = "throughput",
) -> list[Candidate]:
    """The Pareto front of (cycles, multipliers, memory bits), the fewest cycles first.

    macs: multipliers of the array at most. multipliers: the same with those of the requantizers. One of the two must be
    given. block_rams: at most. kind: of the schedule. Raises InputError if no array fits.
    """
    limits = {"macs": macs, "multipliers": multipliers, "block RAMs": block_rams}
    for name, limit in limits.items():
        if limit is not None and limit < 1:
            raise InputError(f"{name} must be 1 or more, not {limit}")
    if macs is None and multipliers is None:
        raise InputError("macs or multipliers must be given; without a limit the greatest array is the fastest")
    most = min(limit for limit in (macs, multipliers) if limit is not None)
    front: list[Candidate] = []
    reasons = []
    for cycles, used, bits, shape in sorted(_bounds(network, most)):
        if any(known.dominates(cycles, used, bits) for known in front):
            continue
        try:
            config, schedule = size_and_schedule(network, *shape, kind=kind)
        except InputError as error:
            reasons.append(error)
            continue
        found = _candidate(network, config, schedule)
        if multipliers is not None and found.multipliers > multipliers:
            continue
        if block_rams is not None and found.block_rams > block_rams:
            continue
        if not any(known.dominates(found.cycles, found.multipliers, found.memory_bits) for known in front):
            front = [
                known for known in front if not found.dominates(known.cycles, known.multipliers, known.memory_bits)
            ]
            front.append(found)
    if not front:
        if reasons:
            raise reasons[0]
        given = " and ".join(f"{limit} {name}" for name, limit in limits.items() if limit is not None)
        raise InputError(f"no array of at most {given} holds {network.name}; allow more, or quantize to fewer bits")
    return sorted(front, key=lambda found: (found.cycles, found.multipliers, found.memory_bits))


def block_rams(config: ArrayConfig) -> int:
    """Block RAMs of 18 kbit, estimated: each memory cut into columns of at most 36 bits; short ones go into LUTs.

    Synthesis decides in the end; `amarray synth` counts.
    """
    bits = memory_bits(config)
    depths = {"program": config.program_words, "weights": config.weight_words, "parameters": config.parameter_words}
    memories = [(bits[name] // depth, depth, 1) for name, depth in depths.items()]
    banks = config.taps if config.unaligned_reads or config.unaligned_writes else 1
    for words, width in ((config.input_words, config.input_bits), (config.hidden_words, config.activation_bits)):
        memories.append((config.taps // banks * width, words, banks * config.pixels))
    return sum(count * _blocks(width, depth) for width, depth, count in memories)


def _blocks(width: int, depth: int) -> int:
    """Block RAMs of one memory: the fewest over their aspect ratios, 36 bits x 512 words to 1 bit x 16 K."""
    if depth <= DISTRIBUTED_WORDS:
        return 0
    ratios = [(BLOCK_WIDTH >> step, 512 << step) for step in range(ceil_log2(BLOCK_WIDTH))]
    return min(-(-width // wide) * -(-depth // deep) for wide, deep in ratios)


def _candidate(network: Network, config: ArrayConfig, schedule: Schedule) -> Candidate:
    return Candidate(
        lanes=config.lanes,
        taps=config.taps,
        pixels=config.pixels,
        cycles=schedule.round_cycles,
        utilization=network.macs / (config.macs * schedule.round_cycles),
        multipliers=_multipliers(config),
        memory_bits=sum(memory_bits(config).values()),
        block_rams=block_rams(config),
    )


def _multipliers(config: ArrayConfig) -> int:
    return config.macs + (config.taps if config.multiplier_bits else 0)


def _bounds(network: Network, multipliers: int):
    """(least cycles, multipliers, least bits, (lanes, taps, pixels)) of all shapes of at most so many MACs."""
    for pixels in PIXELS:
        for taps in range(1, LIMITS["taps"][1] + 1):
            for lanes in range(1, min(LIMITS["lanes"][1], multipliers // (taps * pixels)) + 1):
                shape = (lanes, taps, pixels)
                cycles, bits = least_cost(network, *shape)
                yield cycles, lanes * taps * pixels, bits, shape
