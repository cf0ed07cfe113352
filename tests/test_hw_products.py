"""The products of a cycle, with the lanes in pairs or not."""

from itertools import product

import numpy as np
import pytest
from rtl import outputs

from hw.config import ArrayConfig
from hw.pair_multiplier import PairMultiplier
from hw.products import Products


def simulate(config: ArrayConfig, cases: list) -> list[list[list[int]]]:
    """The products of each (activations, weights), one a cycle."""
    products = Products(config)

    def drive(ctx, case):
        ctx.set(products.activations, case[0])
        ctx.set(products.weights, case[1])

    def sample(ctx):
        return [[ctx.get(each) for each in lane] for lane in products.products]

    return outputs(products, cases, drive, sample, Products.latency(config))


@pytest.mark.parametrize("follows_input", [False, True])
@pytest.mark.parametrize("weight_bits", [2, 5, 6, 8])
@pytest.mark.parametrize(("lanes", "taps"), [(1, 1), (2, 3), (5, 2)])
def test_each_lane_and_tap_has_its_own_product(lanes, taps, weight_bits, follows_input):
    config = ArrayConfig(lanes=lanes, taps=taps, weight_bits=weight_bits, follows_input=follows_input)
    rng = np.random.default_rng(lanes)
    limit = 1 << weight_bits - 1
    cases = [
        (rng.integers(-128, 256, taps).tolist(), rng.integers(-limit, limit, (lanes, taps)).tolist()) for _ in range(20)
    ]
    assert simulate(config, cases) == [
        [[w * a for w, a in zip(row, acts, strict=True)] for row in ws] for acts, ws in cases
    ]


@pytest.mark.parametrize(
    ("values", "pairs"),
    [({"weight_bits": 5}, True), ({"weight_bits": 6}, False), ({"weight_bits": 5, "follows_input": True}, False)],
)
def test_narrow_weights_share_multipliers_unless_registers_are_saved(values, pairs):
    assert ArrayConfig(**values).pairs_products == pairs


def test_a_pair_has_both_products():
    config = ArrayConfig(weight_bits=3)
    pair = PairMultiplier(config)
    assert pair.module == "pair_multiplier_9x3"
    cases = list(product((-255, -128, -1, 0, 1, 77, 255), range(-4, 4), range(-4, 4)))

    def drive(ctx, case):
        for name, value in zip(("activation", "low", "high"), case, strict=True):
            ctx.set(getattr(pair, name), value)

    def read(ctx):
        return ctx.get(pair.low_product), ctx.get(pair.high_product)

    assert PairMultiplier.latency(config) == Products.latency(config)
    found = outputs(pair, cases, drive, read, PairMultiplier.latency(config))
    assert found == [(a * low, a * high) for a, low, high in cases]
