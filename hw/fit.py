"""The search for an array: the fewest cycles for so many multipliers and block RAMs.

All shapes are bounded from below first, which takes no schedule; only those that no known array beats in cycles,
multipliers and memory at once are compiled. So the cycles that are reported are exact.
"""

from dataclasses import asdict, dataclass

from hw.block_rams import block_rams
from hw.compiler import least_cost, memory_bits, size_and_schedule
from hw.config import LIMITS, ArrayConfig
from hw.schedule import Schedule
from sw.errors import InputError
from sw.network import Network

PIXELS = (1, 2, 4)


@dataclass(frozen=True)
class Candidate:
    """One array for a network.

    Parameters
    ----------
    lanes, taps, pixels: its shape. cycles: per image, exact. utilization: 0..1.
    multipliers: of the array, and of the requantizers where scales are multiplied.
    memory_bits: all memories. block_rams: estimated, see `block_rams`. config: the array's whole configuration.
    """

    lanes: int
    taps: int
    pixels: int
    cycles: int
    utilization: float
    multipliers: int
    memory_bits: int
    block_rams: int
    config: ArrayConfig

    @property
    def shape(self) -> str:
        """For messages: 16 x 8 x 1."""
        return f"{self.lanes} x {self.taps} x {self.pixels}"

    def to_json(self) -> dict:
        """All but the configuration."""
        return {name: value for name, value in asdict(self).items() if name != "config"}

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
        config=config,
    )


def _multipliers(config: ArrayConfig) -> int:
    return config.macs + (config.requantizers if config.multiplier_bits else 0)


def _bounds(network: Network, multipliers: int):
    """(least cycles, multipliers, least bits, (lanes, taps, pixels)) of all shapes of at most so many MACs."""
    for pixels in PIXELS:
        for taps in range(1, LIMITS["taps"][1] + 1):
            for lanes in range(1, min(LIMITS["lanes"][1], multipliers // (taps * pixels)) + 1):
                shape = (lanes, taps, pixels)
                cycles, bits = least_cost(network, *shape)
                yield cycles, lanes * taps * pixels, bits, shape
