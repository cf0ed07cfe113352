"""Multiplier with its registers, as FPGAs have it.

It is a block, so that synthesis can put a multiplier with all its pipeline registers in its place, or chains of
adders in lookup tables.
"""

from amaranth import Module, Signal, signed
from amaranth.lib.wiring import In, Out

from hw.block import Block
from hw.config import ArrayConfig
from hw.stream import delayed


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

    def __init__(self, config: ArrayConfig):
        activation, weight = config.operand_format.bits, config.weight_format.bits
        self.config = config
        short = "short_" if config.follows_input else ""  # which has fewer registers, see ArrayConfig
        self.module = f"{short}multiplier_{activation}x{weight}"
        super().__init__(
            {
                "activation": In(signed(activation)),
                "weight": In(signed(weight)),
                "product": Out(signed(activation + weight)),
            }
        )

    @staticmethod
    def latency(config: ArrayConfig) -> int:
        """Cycles from the operands to the product: a register for the operands, those between, one for the product."""
        return config.multiplier_stages

    def build(self) -> Module:
        """Build the registers."""
        m = Module()
        activation = Signal.like(self.activation, name="activation_register", reset_less=True)
        weight = Signal.like(self.weight, name="weight_register", reset_less=True)
        product = delayed(m, (activation * weight), self.latency(self.config) - 1)
        m.d.sync += [activation.eq(self.activation), weight.eq(self.weight)]
        m.d.comb += self.product.eq(product)
        return m
