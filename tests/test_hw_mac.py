import numpy as np
import pytest
from rtl import run

from hw.config import ArrayConfig
from hw.mac import Lane

IDLE = None


def simulate(config: ArrayConfig, steps: list) -> list[int]:
    """The accumulator after each step (activations, weights, first) or IDLE."""
    lane = Lane(config)
    tree, latency = Lane.tree_latency(config), Lane.latency(config)
    found = []

    async def testbench(ctx):
        for cycle in range(len(steps) + latency):
            if cycle < len(steps):
                activations, weights, _ = steps[cycle] or ([77] * config.taps, [1] * config.taps, 1)
                ctx.set(lane.products, [a * w for a, w in zip(activations, weights, strict=True)])
            summed = steps[cycle - tree] if tree <= cycle < tree + len(steps) else IDLE
            ctx.set(lane.add, summed is not IDLE)
            ctx.set(lane.first, summed[2] if summed else 1)
            if cycle >= latency:
                found.append(ctx.get(lane.accumulator))
            await ctx.tick()

    run(lane, testbench)
    return found


def reference(steps: list) -> list[int]:
    total, totals = 0, []
    for step in steps:
        if step is not IDLE:
            activations, weights, first = step
            products = sum(a * w for a, w in zip(activations, weights, strict=True))
            total = products if first else total + products
        totals.append(total)
    return totals


def random_steps(rng, taps: int, weight_limit: int, count: int) -> list:
    steps = []
    for _ in range(count):
        ends = rng.random() < 0.3
        activations = rng.choice([-128, 0, 255], taps) if ends else rng.integers(-128, 256, taps)
        limits = [-weight_limit, weight_limit]
        weights = rng.choice(limits, taps) if ends else rng.integers(-weight_limit, weight_limit + 1, taps)
        step = (activations.tolist(), weights.tolist(), int(rng.random() < 0.2))
        steps.append(step if rng.random() < 0.8 else IDLE)
    return steps


@pytest.mark.parametrize("taps", range(1, 17))
def test_random_sums(taps):
    steps = random_steps(np.random.default_rng(taps), taps, 127, 80)
    steps[0] = ([1] * taps, [1] * taps, 1)
    assert simulate(ArrayConfig(taps=taps), steps) == reference(steps)


@pytest.mark.parametrize("weight_bits", range(2, 9))
def test_every_width_of_weights(weight_bits):
    limit = 2 ** (weight_bits - 1) - 1
    steps = random_steps(np.random.default_rng(weight_bits), 3, limit, 40)
    steps[0] = ([1] * 3, [1] * 3, 1)
    assert simulate(ArrayConfig(taps=3, weight_bits=weight_bits), steps) == reference(steps)


@pytest.mark.parametrize("weight", [-127, 127])
@pytest.mark.parametrize("activation", [-128, 255])
@pytest.mark.parametrize("taps", [1, 7, 16])
def test_greatest_sums_fill_the_accumulator(taps, activation, weight):
    steps = [([activation] * taps, [weight] * taps, index == 0) for index in range(8)]
    config = ArrayConfig(taps=taps, accumulator_bits=abs(8 * taps * activation * weight).bit_length() + 1)
    assert simulate(config, steps) == reference(steps)


@pytest.mark.parametrize(("taps", "levels"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (16, 4)])
def test_latency_is_tree_and_accumulator(taps, levels):
    for config in (ArrayConfig(taps=taps), ArrayConfig(taps=taps, follows_input=True)):
        assert Lane.latency(config) == levels + 1
