"""Addresses in mixed radix against plain integers."""

import numpy as np
import pytest
from amaranth import Module, Signal
from amaranth.sim import Simulator

from hw.address import AddressLayout

WORDS = 8
CASES = [(taps, unaligned) for taps in range(1, 17) for unaligned in (False, True) if taps > 1 or not unaligned]


def unit(taps: int, unaligned: bool) -> int:
    return 1 if unaligned else taps


@pytest.mark.parametrize(("taps", "unaligned"), CASES)
def test_split_and_join_are_inverse(taps, unaligned):
    layout = AddressLayout(WORDS, taps, unaligned)
    for element in range(0, WORDS * taps, unit(taps, unaligned)):
        assert layout.split(element)["word"] == element // taps
        assert layout.join(layout.split(element)) == element


@pytest.mark.parametrize(("taps", "unaligned"), CASES)
def test_steps_are_taken_modulo_the_depth(taps, unaligned):
    layout = AddressLayout(WORDS, taps, unaligned)
    for step in range(-2 * WORDS * taps, 2 * WORDS * taps, unit(taps, unaligned)):
        assert layout.join(layout.split(step)) == step % (WORDS * taps)


@pytest.mark.parametrize("element", [1, 3, -1, 9])
def test_unaligned_element_is_refused_in_an_aligned_memory(element):
    with pytest.raises(ValueError, match=f"element address {element} must be a multiple of 4"):
        AddressLayout(WORDS, 4, unaligned=False).split(element)


@pytest.mark.parametrize(("taps", "unaligned"), CASES)
def test_add_is_integer_addition(taps, unaligned):
    layout = AddressLayout(WORDS, taps, unaligned)
    m = Module()
    address, step, total = Signal(layout), Signal(layout), Signal(layout)
    m.d.comb += total.eq(layout.add(address, step))
    rng = np.random.default_rng(taps)
    elements = np.arange(0, WORDS * taps, unit(taps, unaligned))
    wrong = []

    async def testbench(ctx):
        for start in elements.tolist():
            ends = {int(elements[0]), int(elements[-1]), *rng.choice(elements, 12).tolist()}
            for end in ends:
                ctx.set(address, layout.split(start))
                ctx.set(step, layout.split(end - start))
                found = layout.join(ctx.get(total))
                if found != end:
                    wrong.append((start, end - start, found))

    simulator = Simulator(m)
    simulator.add_testbench(testbench)
    simulator.run()
    assert wrong == []
