"""One lane: `taps` products a cycle, summed in a pipelined tree, accumulated."""

from amaranth import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.config import ArrayConfig
from hw.gated_adder import gated_sum


class Lane(wiring.Component):
    """accumulator = (0 if first else accumulator) + Σ products[t]

    Parameters
    ----------
    config: the array.

    Members
    -------
    products: In(ArrayLayout(signed, taps)), of activations and weights.
    add: In(1), the sum of the inputs is to be accumulated; comes `tree_latency` cycles after them.
    first: In(1), it starts a new sum; comes with `add`.
    accumulator: Out(signed).

    Latency `latency` from inputs to the accumulator that contains them, one vector a cycle, no back pressure.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        product = signed(config.operand_format.bits + config.weight_format.bits)
        super().__init__(
            {
                "products": In(data.ArrayLayout(product, config.taps)),
                "add": In(1),
                "first": In(1),
                "accumulator": Out(signed(config.accumulator_bits)),
            }
        )

    @staticmethod
    def tree_latency(config: ArrayConfig) -> int:
        """Cycles from the inputs to their sum: one for each level of the adder tree."""
        return ceil_log2(config.taps)

    @staticmethod
    def latency(config: ArrayConfig) -> int:
        """Cycles from the inputs to the accumulator that contains them."""
        return Lane.tree_latency(config) + 1

    def elaborate(self, platform):
        """Build the balanced tree, the accumulator."""
        m = Module()
        terms = list(self.products)
        while len(terms) > 1:
            terms = [_registered_sum(m, terms[i : i + 2]) for i in range(0, len(terms), 2)]
        term = Signal.like(self.accumulator, name="term")
        m.d.comb += term.eq(terms[0])
        accumulator = Signal.like(self.accumulator, name="accumulator_register", reset_less=True)  # `first` begins anew
        total = gated_sum(m, "adder", accumulator, term, self.first)
        with m.If(self.add):
            m.d.sync += accumulator.eq(total)
        m.d.comb += self.accumulator.eq(accumulator)
        return m


def _registered_sum(m: Module, terms: list) -> Signal:
    """Register of the sum of one or two terms, wide enough for it."""
    total = sum(terms[1:], terms[0])
    register = Signal(total.shape(), name="sum", reset_less=True)
    m.d.sync += register.eq(total)
    return register
