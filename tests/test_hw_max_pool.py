from itertools import pairwise

import numpy as np
import pytest
from rtl import run

from hw.config import ArrayConfig
from hw.max_pool import MaxPool


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize(("lanes", "taps", "pixels"), [(1, 1, 1), (5, 2, 1), (4, 4, 1), (6, 3, 2), (3, 4, 4)])
def test_each_word_keeps_the_greatest_since_its_start(lanes, taps, pixels, is_signed):
    config = ArrayConfig(lanes=lanes, taps=taps, pixels=pixels, loops=3, pool_loops=1, activation_bits=5)
    rng = np.random.default_rng(lanes + taps)
    low, high = (-16, 16) if is_signed else (0, 32)
    words = config.drain_words * pixels
    pool = MaxPool(config)
    greatest, expected, found = {}, [], []

    async def testbench(ctx):
        indices = [0, *rng.integers(words, size=200).tolist()]
        for index, following in pairwise(indices):
            valid = bool(rng.random() < 0.8)
            starts = index not in greatest or bool(rng.random() < 0.3)
            elements = rng.integers(low, high, taps)
            ctx.set(pool.i.valid, valid)
            ctx.set(pool.i.payload.elements, (elements & 31).tolist())
            ctx.set(pool.i.payload.is_signed, is_signed)
            ctx.set(pool.next_index, following)
            ctx.set(pool.i.payload.starts, starts)
            best = elements if starts else np.maximum(greatest[index], elements)
            if valid:
                greatest[index] = best
            await ctx.tick()
            if valid:
                expected.append((best & 31).tolist())
                found.append([ctx.get(element) for element in pool.elements])

    run(pool, testbench)
    assert found == expected
