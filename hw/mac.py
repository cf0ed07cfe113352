"""One multiply-accumulate lane: `taps` products a cycle, summed in a pipelined tree, accumulated."""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.config import ArrayConfig


class Lane(wiring.Component):
    """accumulator = (0 if first else accumulator) + Σ weights[t] · activations[t]

    Parameters
    ----------
    config: the array.

    Members
    -------
    activations: In(ArrayLayout(signed, taps)). weights: In(ArrayLayout(signed, taps)).
    add: In(1), the sum of the inputs is to be accumulated; comes `tree_latency` cycles after them.
    first: In(1), it starts a new sum; comes with `add`.
    accumulator: Out(signed).

    Latency `latency` from inputs to the accumulator that contains them, one vector a cycle, no back pressure.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        operand, weight = config.operand_format, config.weight_format
        super().__init__(
            {
                "activations": In(data.ArrayLayout(signed(operand.bits), config.taps)),
                "weights": In(data.ArrayLayout(signed(weight.bits), config.taps)),
                "add": In(1),
                "first": In(1),
                "accumulator": Out(signed(config.accumulator_bits)),
            }
        )

    @staticmethod
    def tree_latency(config: ArrayConfig) -> int:
        """Cycles from the inputs to their sum: operands, products, a level of the adder tree each."""
        return 2 + ceil_log2(config.taps)

    @staticmethod
    def latency(config: ArrayConfig) -> int:
        """Cycles from the inputs to the accumulator that contains them."""
        return Lane.tree_latency(config) + 1

    def elaborate(self, platform):
        """Build operand and product registers, the balanced tree, the accumulator."""
        m = Module()
        terms = []
        for index, (activation, weight) in enumerate(zip(self.activations, self.weights, strict=True)):
            a = Signal(activation.shape(), name=f"activation_{index}", reset_less=True)
            w = Signal(weight.shape(), name=f"weight_{index}", reset_less=True)
            product = Signal(signed(len(a) + len(w)), name=f"product_{index}", reset_less=True)
            m.d.sync += [a.eq(activation), w.eq(weight), product.eq(a * w)]
            terms.append(product)
        while len(terms) > 1:
            terms = [_registered_sum(m, terms[i : i + 2]) for i in range(0, len(terms), 2)]
        with m.If(self.add):
            m.d.sync += self.accumulator.eq(Mux(self.first, 0, self.accumulator) + terms[0])
        return m


def _registered_sum(m: Module, terms: list) -> Signal:
    """Register of the sum of one or two terms, wide enough for it."""
    total = sum(terms[1:], terms[0])
    register = Signal(total.shape(), name="sum", reset_less=True)
    m.d.sync += register.eq(total)
    return register
