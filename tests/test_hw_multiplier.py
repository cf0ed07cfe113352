from itertools import product

import numpy as np
import pytest
from rtl import outputs

from hw.config import ArrayConfig
from hw.multiplier import Multiplier


def simulate(config: ArrayConfig, cases: list[tuple[int, int]]) -> list[int]:
    """The product of each (activation, weight), one a cycle, `latency` cycles later."""
    multiplier = Multiplier(config)
    short = "short_" if config.follows_input else ""
    assert multiplier.module == f"{short}multiplier_{config.operand_format.bits}x{config.weight_bits}"

    def drive(ctx, case):
        ctx.set(multiplier.activation, case[0])
        ctx.set(multiplier.weight, case[1])

    return outputs(multiplier, cases, drive, lambda ctx: ctx.get(multiplier.product), Multiplier.latency(config))


def test_all_operands_of_few_bits():
    config = ArrayConfig(activation_bits=4, weight_bits=3)
    activation, weight = config.operand_format.bits, config.weight_format.bits
    assert weight == 3
    ranges = [range(-(1 << bits - 1), 1 << bits - 1) for bits in (activation, weight)]
    cases = list(product(*ranges))
    assert simulate(config, cases) == [a * w for a, w in cases]


@pytest.mark.parametrize("follows_input", [False, True])
@pytest.mark.parametrize("weight_bits", [2, 5, 8])
def test_random_and_greatest_operands(weight_bits, follows_input):
    config = ArrayConfig(weight_bits=weight_bits, follows_input=follows_input)
    limits = [(-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (config.operand_format.bits, weight_bits)]
    rng = np.random.default_rng(weight_bits)
    cases = [*product(*limits), *zip(*(rng.integers(low, high + 1, 200).tolist() for low, high in limits), strict=True)]
    assert simulate(config, cases) == [a * w for a, w in cases]


def test_latency_is_that_of_a_multiplier_block_with_all_registers_and_one_outside():
    assert Multiplier.latency(ArrayConfig()) == 4
    assert Multiplier.latency(ArrayConfig(follows_input=True)) == 2
