"""Maximum over a pooling window whose positions arrive one after the other.

It stands behind the requantizers: requantization never falls as the sum rises, so the greatest activation
is the activation of the greatest sum, and the comparison is as narrow as an activation. The word to compare with is
looked up a cycle before, so that no choice among many words stands before the comparison.
"""

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import ArrayConfig
from hw.stream import pipeline


def activations_layout(config: ArrayConfig) -> data.StructLayout:
    """One word of activations of one position of a pooling window.

    Members
    -------
    elements: the activations. is_signed: whether they are two's complement.
    starts: the window's first position.
    """
    return data.StructLayout(
        {
            "elements": data.ArrayLayout(config.activation_bits, config.drain_channels),
            "is_signed": 1,
            "starts": 1,
        }
    )


class MaxPool(wiring.Component):
    """Keeps the greatest activation of each channel of a tile.

    Parameters
    ----------
    config: the array.

    Members
    -------
    i: In(pipeline(activations_layout)), any distance.
    next_index: In, which word of its tile `i` gives in the next cycle, all columns' counted.
    elements: Out, the greatest of each channel since the window's first position, one cycle later.
    """

    latency = 1

    def __init__(self, config: ArrayConfig):
        self.config = config
        elements = data.ArrayLayout(config.activation_bits, config.drain_channels)
        super().__init__(
            {
                "i": In(pipeline(activations_layout(config))),
                "next_index": In(range(config.drain_words * config.pixels)),
                "elements": Out(elements),
            }
        )

    def elaborate(self, platform):
        """Build a word of maxima for each word of a tile, and the comparison."""
        m = Module()
        word = self.i.payload
        kept = Array(
            Signal(self.elements.shape(), name=f"word_{i}", reset_less=True)
            for i in range(self.config.drain_words * self.config.pixels)
        )
        known = Signal(self.elements.shape())
        index = Signal.like(self.next_index)
        if len(kept) > 1:
            looked_up, repeats = Signal.like(known), Signal()
            m.d.sync += [
                index.eq(self.next_index),
                looked_up.eq(kept[self.next_index]),
                repeats.eq(self.i.valid & (self.next_index == index)),  # that word is being replaced
            ]
            m.d.comb += known.eq(Mux(repeats, self.elements, looked_up))
        else:
            m.d.comb += known.eq(kept[0])
        greatest = Signal(self.elements.shape())
        for new, old, most in zip(word.elements, known, greatest, strict=True):
            # With the sign bit turned over, two's complement compares like an unsigned number.
            below, above = (Cat(value[:-1], value[-1] ^ word.is_signed) for value in (old, new))
            m.d.comb += most.eq(Mux(word.starts | (above > below), new, old))
        m.d.sync += self.elements.eq(greatest)
        with m.If(self.i.valid):
            m.d.sync += kept[index].eq(greatest)
        return m
