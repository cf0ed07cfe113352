from itertools import product

import pytest
from amaranth import Module, Signal, signed
from rtl import answers

from hw.compare import exceeds, is_less


@pytest.mark.parametrize(("one_bits", "other_bits"), [(1, 1), (3, 3), (2, 4), (5, 3)])
def test_all_pairs_of_signed_values(one_bits, other_bits):
    m = Module()
    one, other, less, greater = Signal(signed(one_bits)), Signal(signed(other_bits)), Signal(), Signal()
    m.d.comb += [less.eq(is_less(one, other)), greater.eq(exceeds(one, ~other))]
    pairs = list(product(*(range(-(1 << bits - 1), 1 << bits - 1) for bits in (one_bits, other_bits))))

    def drive(ctx, pair):
        ctx.set(one, pair[0])
        ctx.set(other, pair[1])

    found = answers(m, pairs, drive, lambda ctx: (ctx.get(less), ctx.get(greater)))
    assert found == [(int(a < b), int(a > b)) for a, b in pairs]
