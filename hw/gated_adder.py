"""Adder of a running sum: the sum so far, or nothing, plus a term.

It is a block, so that synthesis can give it the cells of an FPGA: the gate before the adder then shares its lookup
tables, and no multiplexer stands before or behind the carry chain.
"""

from amaranth import Module, Mux, unsigned
from amaranth.lib.wiring import In, Out

from hw.block import Block


class GatedAdder(Block):
    """result = ((0 if first else total) + term) modulo 2^width

    Parameters
    ----------
    width: of all, in bits.

    Members
    -------
    total, term: In. first: In(1). result: Out.

    Combinational.
    """

    is_clocked = False

    def __init__(self, width: int):
        shape = unsigned(width)
        self.module = f"gated_adder_{width}"
        super().__init__({"total": In(shape), "term": In(shape), "first": In(1), "result": Out(shape)})

    def build(self) -> Module:
        """Build the sum, and the way past it."""
        m = Module()
        m.d.comb += self.result.eq(Mux(self.first, self.term, self.total + self.term))
        return m


def gated_sum(m: Module, name: str, total, term, first):
    """The result of a GatedAdder, which becomes the submodule `name`."""
    m.submodules[name] = adder = GatedAdder(len(total))
    m.d.comb += [adder.total.eq(total), adder.term.eq(term), adder.first.eq(first)]
    return adder.result
