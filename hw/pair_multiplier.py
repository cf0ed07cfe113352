"""Two products with the same activation, narrow enough for one multiplier block of an FPGA.

The block multiplies the activation with both weights at once, the one high above the other; where the lower product is
negative, it has borrowed 1 from the higher one, which gets it back. (Fu et al., Deep Learning with INT8 Optimization on
Xilinx Devices, white paper WP486, 2017.)
"""

from amaranth import Module, signed
from amaranth.lib.wiring import In, Out

from hw.block import Block
from hw.config import ArrayConfig
from hw.multiplier import Multiplier
from hw.stream import delayed


class PairMultiplier(Block):
    """low_product = activation · low;  high_product = activation · high

    Parameters
    ----------
    config: the array.

    Members
    -------
    activation, low, high: In(signed). low_product, high_product: Out(signed), `latency` cycles later.

    The least value of neither operand, -2^(bits-1), occurs: a weight is symmetric, and the format of an activation is
    one bit wider than it, for its sign.
    Two products a cycle, no back pressure, no reset.
    """

    def __init__(self, config: ArrayConfig):
        activation, weight = config.operand_format.bits, config.weight_format.bits
        self.config = config
        self.module = f"pair_multiplier_{activation}x{weight}"
        product = Out(signed(activation + weight))
        super().__init__(
            {
                "activation": In(signed(activation)),
                "low": In(signed(weight)),
                "high": In(signed(weight)),
                "low_product": product,
                "high_product": product,
            }
        )

    @staticmethod
    def latency(config: ArrayConfig) -> int:
        """Cycles from the operands to the products."""
        return Multiplier.latency(config)

    def build(self) -> Module:
        """Build two multipliers' registers; the operand of both is one."""
        m = Module()
        activation = delayed(m, self.activation, 1)
        for weight, product in ((self.low, self.low_product), (self.high, self.high_product)):
            made = delayed(m, activation * delayed(m, weight, 1), self.latency(self.config) - 1)
            m.d.comb += product.eq(made)
        return m
