"""The search for an array against trying every one."""

from functools import cache
from itertools import product

import pytest
from networks import random_image_network, random_network
from tiers import slow

from hw.block_rams import block_rams
from hw.compiler import compile_network, least_cost, size_array
from hw.fit import fit
from hw.schedule import SCHEDULES
from sw.errors import InputError

NETWORKS = {
    "dense": random_network(0, [30, 12, 5], multiplier=True),
    "image": random_image_network(4, ("padded", "maxpool"), shape=(8, 8, 1)),
    "residual": random_image_network(5, ("residual",), shape=(6, 5, 2)),
}


@cache
def every(name: str, macs: int, kind: str) -> dict[tuple, tuple]:
    """(cycles, multipliers, memory bits, block RAMs) of every array of at most so many MACs."""
    network, found = NETWORKS[name], {}
    for lanes, taps, pixels in product(range(1, macs + 1), range(1, 17), (1, 2, 4)):
        if lanes * taps * pixels <= macs:
            compiled = compile_network(network, size_array(network, lanes, taps, pixels, kind=kind), kind)
            config = compiled.config
            used = config.macs + (config.requantizers if config.multiplier_bits else 0)
            bits = sum(compiled.memory_bits.values())
            found[lanes, taps, pixels] = (compiled.schedule.round_cycles, used, bits, block_rams(config))
    return found


def best_of(arrays) -> set[tuple]:
    """(cycles, multipliers, memory bits) of those that no other one beats."""
    points = {array[:3] for array in arrays}
    return {
        one
        for one in points
        if not any(other != one and all(a <= b for a, b in zip(other, one, strict=True)) for other in points)
    }


def points_of(front) -> set[tuple]:
    return {(each.cycles, each.multipliers, each.memory_bits) for each in front}


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("name", NETWORKS)
def test_front_is_that_of_all_arrays(name, kind):
    arrays = every(name, 18, kind)
    front = fit(NETWORKS[name], macs=18, kind=kind)
    assert points_of(front) == best_of(arrays.values())
    for each in front:
        array = (each.cycles, each.multipliers, each.memory_bits, each.block_rams)
        assert arrays[each.lanes, each.taps, each.pixels] == array
    assert [each.cycles for each in front] == sorted(each.cycles for each in front)


@pytest.mark.parametrize("name", NETWORKS)
def test_bounds_are_bounds(name):
    for (lanes, taps, pixels), (cycles, _, bits, _) in every(name, 18, "throughput").items():
        least_cycles, least_bits = least_cost(NETWORKS[name], lanes, taps, pixels)
        assert least_cycles <= cycles
        assert least_bits <= bits


@pytest.mark.parametrize("case", [("dense", 6, "throughput"), *slow(product(NETWORKS, [18], SCHEDULES))])
def test_front_within_limits_is_that_of_all_arrays_within_them(case):
    name, macs, kind = case
    arrays = every(name, macs, kind).values()
    for multipliers in range(min(array[1] for array in arrays), macs + 1):
        within = [array for array in arrays if array[1] <= multipliers]
        assert points_of(fit(NETWORKS[name], multipliers=multipliers, kind=kind)) == best_of(within)
    rams = [array[3] for array in arrays]
    for most in range(max(1, min(rams)), max(rams) + 1):
        within = [array for array in arrays if array[3] <= most]
        assert points_of(fit(NETWORKS[name], macs=macs, block_rams=most, kind=kind)) == best_of(within)


def test_a_limit_below_the_least_is_refused():
    network = random_network(3, [300, 40, 5], multiplier=True)
    least = min(each.block_rams for each in fit(network, macs=2))
    assert least > 1
    assert {each.block_rams for each in fit(network, macs=2, block_rams=least)} == {least}
    with pytest.raises(InputError, match=rf"^no array of at most 2 macs and {least - 1} block RAMs holds"):
        fit(network, macs=2, block_rams=least - 1)
    assert [each.multipliers for each in fit(network, multipliers=2)] == [2]


def test_limits_are_kept():
    network = NETWORKS["dense"]
    for each in fit(network, multipliers=20):
        assert each.lanes * each.taps * each.pixels < each.multipliers <= 20  # its scales are multiplied
    few = fit(network, macs=40, block_rams=4)
    assert max(each.block_rams for each in few) <= 4
    assert min(each.cycles for each in few) >= min(each.cycles for each in fit(network, macs=40))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({}, "macs or multipliers must be given"),
        ({"macs": 0}, "macs must be 1 or more, not 0"),
        ({"macs": 4, "block_rams": -1}, "block RAMs must be 1 or more, not -1"),
        ({"multipliers": 1}, "no array of at most 1 multipliers holds random 0; allow more"),
    ],
)
def test_bad_or_hopeless_limits_are_refused(limits, message):
    with pytest.raises(InputError, match=message):
        fit(NETWORKS["dense"], **limits)
