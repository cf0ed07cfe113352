"""sw/nn/schedules.py: ends, peak and direction."""

import math
from itertools import pairwise

import pytest

from sw.nn.schedules import constant, cosine, one_cycle, step_decay


def test_constant():
    assert {constant(step, 7) for step in range(7)} == {1.0}


def test_step_decay_is_a_staircase():
    rates = [step_decay(step, 9) for step in range(9)]
    assert rates == [1, 1, 1, 0.1, 0.1, 0.1, 0.1**2, 0.1**2, 0.1**2]
    assert [step_decay(step, 5, stages=2, factor=0.5) for step in range(5)] == [1, 1, 1, 0.5, 0.5]


@pytest.mark.parametrize(("step", "value"), [(0, 1.0), (50, 0.5), (100, 0.0)])
def test_cosine(step, value):
    assert math.isclose(cosine(step, 100), value, abs_tol=1e-12)


def test_one_cycle_rises_to_the_peak_then_falls():
    rates = [one_cycle(step, 1000) for step in range(1000)]
    peak = rates.index(max(rates))
    assert max(rates) == 1
    assert peak == 200
    assert all(a < b for a, b in pairwise(rates[:201]))
    assert all(a > b for a, b in pairwise(rates[200:]))
    assert 0 < rates[0] < 0.01
    assert 0 < rates[-1] < 1e-5


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_one_cycle_of_few_steps_stays_within_0_and_1(steps):
    assert all(0 < one_cycle(step, steps) <= 1 for step in range(steps))
