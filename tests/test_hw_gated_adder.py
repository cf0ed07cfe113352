from itertools import product

import numpy as np
import pytest
from amaranth import Module, Signal
from rtl import answers, outputs

from hw.gated_adder import GatedAdder, gated_sum


def simulate(width: int, cases: list[tuple[int, int, int]]) -> list[int]:
    """The result for each (total, term, first)."""
    adder = GatedAdder(width)

    def drive(ctx, case):
        for signal, value in zip((adder.total, adder.term, adder.first), case, strict=True):
            ctx.set(signal, value)

    assert adder.module == f"gated_adder_{width}"
    return answers(adder, cases, drive, lambda ctx: ctx.get(adder.result))


def reference(width: int, cases: list[tuple[int, int, int]]) -> list[int]:
    return [((0 if first else total) + term) % (1 << width) for total, term, first in cases]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_all_operands(width):
    cases = list(product(range(1 << width), range(1 << width), range(2)))
    assert simulate(width, cases) == reference(width, cases)


@pytest.mark.parametrize("width", [9, 20, 32])
def test_random_operands(width):
    rng = np.random.default_rng(width)
    cases = [(*rng.integers(0, 1 << width, 2).tolist(), int(rng.integers(2))) for _ in range(200)]
    assert simulate(width, cases) == reference(width, cases)


def test_a_running_sum_of_signed_terms():
    m = Module()
    total, term, first = Signal(12), Signal(12), Signal()
    m.d.sync += total.eq(gated_sum(m, "adder", total, term, first))
    terms = np.random.default_rng(0).integers(-99, 99, 100).tolist()

    def drive(ctx, index):
        ctx.set(term, terms[index] % 4096)
        ctx.set(first, index % 7 == 0)

    found = outputs(m, range(100), drive, lambda ctx: ctx.get(total), 1)
    assert found == [sum(terms[index - index % 7 : index + 1]) % 4096 for index in range(100)]
