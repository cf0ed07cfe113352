"""The array for a device: what fits, what is fastest, and what stops the rest."""

import re
from dataclasses import replace
from functools import cache

import pytest
from networks import random_network

import hw.fpga.choice
from hw.fit import fit
from hw.fpga.choice import FILL, choose
from hw.fpga.devices import DEVICES, device
from hw.fpga.estimate import estimate, expected_clock
from sw.errors import InputError

SMALL = random_network(0, [30, 12, 5])
NETWORK = random_network(0, [784, 16, 10])
ECP5 = device("ecp5-25k")


def test_the_fastest_of_those_that_fit_is_taken():
    best, choices = choose(NETWORK, ECP5)
    fitting = [each for each in choices if not each.too_much]
    assert best.images_per_second == max(each.images_per_second for each in fitting)
    assert best.candidate.cycles * best.images_per_second == pytest.approx(best.clock_mhz * 1e6)
    assert best.resources == estimate(best.candidate.config, ECP5)


def test_the_smallest_that_is_fast_enough_is_taken():
    fastest, choices = choose(NETWORK, ECP5)
    least = fastest.images_per_second / 3
    found, _ = choose(NETWORK, ECP5, least=least)
    assert found.images_per_second >= least
    for each in choices:
        if each.candidate.multipliers < found.candidate.multipliers and not each.too_much:
            assert each.images_per_second < least


@cache
def small_front(network, macs, kind="throughput"):
    return fit(network, macs=macs, kind=kind)


@pytest.mark.parametrize("share", [1, 0.5, 0.3])
def test_the_choice_is_the_best_of_the_front(share, monkeypatch):
    monkeypatch.setattr(hw.fpga.choice, "fit", small_front)
    target = replace(device("ice40-hx8k"), luts=int(share * device("ice40-hx8k").luts))
    front = {candidate.shape: candidate for candidate in small_front(SMALL, macs=20)}
    fitting = {}
    for shape, candidate in front.items():
        needs = estimate(candidate.config, target)
        if all(needs[name] <= FILL.get(name, 1) * count for name, count in target.available.items()):
            fitting[shape] = expected_clock(candidate.config, target) * 1e6 / candidate.cycles
    best, choices = choose(SMALL, target, macs=20)
    assert {choice.candidate.shape for choice in choices} == set(front)
    assert {choice.candidate.shape for choice in choices if not choice.too_much} == set(fitting)
    assert best.images_per_second == pytest.approx(max(fitting.values()))
    for least in fitting.values():  # each of them is just fast enough for itself
        enough = [front[shape].multipliers for shape, speed in fitting.items() if speed >= least]
        assert choose(SMALL, target, macs=20, least=least)[0].candidate.multipliers == min(enough)
    with pytest.raises(InputError, match=r"^images a second must be at most"):
        choose(SMALL, target, macs=20, least=1.001 * max(fitting.values()))


def test_multipliers_are_bounded_on_demand():
    assert choose(NETWORK, ECP5, macs=6)[0].candidate.multipliers <= 6
    with pytest.raises(InputError, match=r"^macs must be 1 or more, not 0$"):
        choose(NETWORK, ECP5, macs=0)


@pytest.mark.parametrize("resource", ["luts", "ffs", "brams"])
def test_nothing_beyond_a_limit_of_the_device_is_taken(resource):
    best, _ = choose(NETWORK, ECP5)
    limit = best.resources[resource] - 1
    shrunk = replace(ECP5, **{resource: limit})
    found, choices = choose(NETWORK, shrunk)
    assert found.resources[resource] <= limit
    stopped = next(each for each in choices if each.candidate == best.candidate)
    assert stopped.too_much[resource] <= limit


def test_what_stops_an_array_that_does_not_fit_is_said():
    message = r"no array for random 0 fits ecp5-25k: \d+ x \d+ x \d+ needs .* of at most 7 LUTs; take ice40-hx8k, or"
    with pytest.raises(InputError, match=message):
        choose(NETWORK, replace(ECP5, luts=10), macs=4)


def test_too_many_images_a_second_are_refused_with_what_would_do():
    message = r"images a second must be at most [\d,]+ on ecp5-25k, not 2,000,000: .*; take ecp5-45k, or quantize"
    with pytest.raises(InputError, match=message):
        choose(NETWORK, ECP5, least=2e6)
    best, _ = choose(NETWORK, device("ecp5-45k"), least=2e6)
    assert best.images_per_second >= 2e6
    with pytest.raises(InputError, match=r"; no array of at most \d+ multipliers does on any device$"):
        choose(NETWORK, ECP5, least=9e9)


def test_a_device_without_a_model_is_refused():
    with pytest.raises(InputError, match=re.escape("which have a resource model, not 'gw1n-9c'")):
        choose(NETWORK, DEVICES["gw1n-9c"])
