"""The products of a cycle: one vector of activations with the weights of all lanes."""

from amaranth import Module, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import ArrayConfig
from hw.multiplier import Multiplier
from hw.pair_multiplier import PairMultiplier


class Products(wiring.Component):
    """products[lane][tap] = weights[lane][tap] · activations[tap]

    Narrow weights of two lanes share a multiplier, see hw/pair_multiplier.py.

    Parameters
    ----------
    config: the array.

    Members
    -------
    activations: In(ArrayLayout(signed, taps)). weights: In(ArrayLayout(signed, taps) of each lane).
    products: Out, of the weights' shape.

    Latency `latency`, a vector a cycle, no back pressure.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        operand, weight = config.operand_format.bits, config.weight_format.bits

        def matrix(bits):
            return data.ArrayLayout(data.ArrayLayout(signed(bits), config.taps), config.lanes)

        super().__init__(
            {
                "activations": In(data.ArrayLayout(signed(operand), config.taps)),
                "weights": In(matrix(weight)),
                "products": Out(matrix(operand + weight)),
            }
        )

    @staticmethod
    def latency(config: ArrayConfig) -> int:
        """Cycles from the operands to their products."""
        return Multiplier.latency(config)

    def elaborate(self, platform):
        """Build the multipliers, for two lanes each where that can be."""
        m = Module()
        paired = self.config.lanes // 2 * 2 if self.config.pairs_products else 0
        for tap, activation in enumerate(self.activations):
            for low in range(0, paired, 2):
                m.submodules[f"pair_{low}_{tap}"] = pair = PairMultiplier(self.config)
                m.d.comb += pair.activation.eq(activation)
                for lane, member in ((low, "low"), (low + 1, "high")):
                    m.d.comb += getattr(pair, member).eq(self.weights[lane][tap])
                    m.d.comb += self.products[lane][tap].eq(getattr(pair, f"{member}_product"))
            for lane in range(paired, self.config.lanes):
                m.submodules[f"multiplier_{lane}_{tap}"] = multiplier = Multiplier(self.config)
                m.d.comb += [multiplier.activation.eq(activation), multiplier.weight.eq(self.weights[lane][tap])]
                m.d.comb += self.products[lane][tap].eq(multiplier.product)
        return m
