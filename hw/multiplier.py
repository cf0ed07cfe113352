"""Multiplier with its registers, as FPGAs have it.

It is a block, so that synthesis can put a multiplier with all its pipeline registers in its place, or chains of
adders in lookup tables.
"""

from amaranth import Module, Signal, signed
from amaranth.lib.wiring import In, Out

from hw.block import Block
from hw.config import ArrayConfig


class Multiplier(Block):
    """product = activation · weight

    Parameters
    ----------
    config: the array.

    Members
    -------
    activation, weight: In(signed). product: Out(signed), `latency` cycles later.

    A product a cycle, no back pressure, no reset.
    """

    latency = 3
    """Cycles: operands, one between, product."""

    def __init__(self, config: ArrayConfig):
        activation, weight = config.operand_format.bits, config.weight_format.bits
        self.module = f"multiplier_{activation}x{weight}"
        super().__init__(
            {
                "activation": In(signed(activation)),
                "weight": In(signed(weight)),
                "product": Out(signed(activation + weight)),
            }
        )

    def build(self) -> Module:
        """Build the registers."""
        m = Module()
        activation = Signal.like(self.activation, name="activation_register", reset_less=True)
        weight = Signal.like(self.weight, name="weight_register", reset_less=True)
        between = Signal.like(self.product, name="between", reset_less=True)
        product = Signal.like(self.product, name="product_register", reset_less=True)
        m.d.sync += [activation.eq(self.activation), weight.eq(self.weight)]
        m.d.sync += [between.eq(activation * weight), product.eq(between)]
        m.d.comb += self.product.eq(product)
        return m
