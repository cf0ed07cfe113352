"""The array for a device: of those that fit by the resource model, the fastest, or the smallest that is fast enough.

Looked at are the arrays that no other one beats in all of cycles, multipliers and memory bits (hw/fit.py), whether they
fit or not: where one that beats another does not fit, the other one could be a little faster than the answer.
"""

from dataclasses import dataclass

from hw.fit import Candidate, fit
from hw.fpga.devices import DEVICES, RESOURCE_NAMES, Device
from hw.fpga.estimate import MODELLED, estimate, expected_clock, outside_model
from sw.errors import InputError
from sw.network import Network

FILL = {"luts": 0.75, "ffs": 0.75}
"""How much of a device may be used: nextpnr takes up to a quarter more lookup tables than yosys counts."""
LEAST_LUTS = 60
"""Lookup tables that a multiplier in them takes at the very least, to bound the search."""


@dataclass(frozen=True)
class Choice:
    """An array on a device.

    Parameters
    ----------
    candidate: the array. resources: estimated, by the names of RESOURCES. outside_model: see hw/fpga/estimate.py.
    too_much: of which of the resources there is less, and how much there is. clock_mhz: expected.
    images_per_second: at that clock.
    """

    candidate: Candidate
    resources: dict[str, int]
    outside_model: dict[str, dict]
    too_much: dict[str, int]
    clock_mhz: float
    images_per_second: float


def choose(
    network: Network, device: Device, *, macs: int | None = None, least: float = 0, kind: str = "throughput"
) -> tuple[Choice, list[Choice]]:
    """The array to take of those that no other one beats, and all of these, the fewest cycles first.

    macs: multipliers of the array at most. least: images a second that are demanded; the array of the fewest
    multipliers is taken that reaches it, without it the fastest. kind: of the schedule.
    Raises InputError, with the resource that stops it and what would do, where nothing fits or nothing is fast enough.
    """
    if device.name not in MODELLED:
        raise InputError(
            f"device must be one of {', '.join(MODELLED)}, which have a resource model, not {device.name!r}"
        )
    bound = device.dsps * 2 + device.luts // LEAST_LUTS
    most = bound if macs is None else min(bound, macs)
    choices = [_assess(device, candidate) for candidate in fit(network, macs=most, kind=kind)]
    fitting = [choice for choice in choices if not choice.too_much]
    if not fitting:
        nearest = min(choices, key=_excess)
        raise InputError(
            f"no array for {network.name} fits {device.name}: {_named(nearest)}; {_advice(choices, device, least)}"
        )
    fast = [choice for choice in fitting if choice.images_per_second >= least]
    if not fast:
        best = max(fitting, key=lambda choice: choice.images_per_second)
        enough = [choice for choice in choices if choice.images_per_second >= least]
        reason = f"; {_named(enough[-1])}" if enough else ""
        raise InputError(
            f"images a second must be at most {best.images_per_second:,.0f} on {device.name}, not {least:,.0f}: that is"
            f" what {best.candidate.shape} reaches{reason}; {_advice(choices, device, least)}"
        )
    if least:
        return min(fast, key=lambda choice: (choice.candidate.multipliers, choice.candidate.cycles)), choices
    return max(fast, key=lambda choice: choice.images_per_second), choices


def _assess(device: Device, candidate: Candidate) -> Choice:
    resources = estimate(candidate.config, device)
    room = {name: int(FILL.get(name, 1) * count) for name, count in device.available.items()}
    too_much = {name: room[name] for name, count in resources.items() if count > room[name]}
    clock = expected_clock(candidate.config, device)
    outside = outside_model(candidate.config, device)
    return Choice(candidate, resources, outside, too_much, clock, clock * 1e6 / candidate.cycles)


def _excess(choice: Choice) -> float:
    """The greatest ratio of what is needed to what there is."""
    return max(choice.resources[name] / max(room, 0.1) for name, room in choice.too_much.items())


def _named(choice: Choice) -> str:
    """What stops an array."""
    clauses = [
        f"{choice.resources[name]:,} of at most {room:,} {RESOURCE_NAMES[name]}"
        for name, room in choice.too_much.items()
    ]
    return f"{choice.candidate.shape} needs {' and '.join(clauses)}"


def _advice(choices: list[Choice], device: Device, least: float) -> str:
    """What would do: the smallest other device on which one of the arrays fits and is fast enough, if there is one."""
    for name in MODELLED:
        others = [_assess(DEVICES[name], choice.candidate) for choice in choices] if name != device.name else []
        if any(not other.too_much and other.images_per_second >= least for other in others):
            return f"take {name}, or quantize to fewer bits"
    most = max(choice.candidate.multipliers for choice in choices)
    return f"no array of at most {most} multipliers does on any device"
