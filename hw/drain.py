"""Drain: takes the finished sums of all lanes at once and hands them on, a word of `taps` channels at a time.

The lanes go on with the next sum while the last ones leave. Logits leave at the pace of one channel a
cycle, because the classifier behind takes one at a time.
"""

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.config import ArrayConfig
from hw.loop_nest import tile_layout
from hw.mac_array import sums_layout
from hw.program import write_address
from hw.stream import pipeline


def drain_cycles(lanes: int, config: ArrayConfig, is_result: bool) -> int:
    """Cycles that the drain is busy with a tile of `lanes` channels; the next tile may come that much later."""
    return lanes if is_result else -(-lanes // config.taps)


def drained_layout(config: ArrayConfig) -> data.StructLayout:
    """One word of sums on its way to the requantizers.

    Members
    -------
    accumulators: one sum per channel. tile: where the word goes; `tile.lanes` counts its channels and those
    of the words after it. mask: which channels exist. ends_tile: the tile's last word.
    """
    return data.StructLayout(
        {
            "accumulators": data.ArrayLayout(signed(config.accumulator_bits), config.taps),
            "tile": tile_layout(config),
            "mask": config.taps,
            "ends_tile": 1,
        }
    )


class Drain(wiring.Component):
    """Turns a tile of `lanes` sums into words of `taps` sums.

    Parameters
    ----------
    config: the array.

    Members
    -------
    i: In(pipeline(sums_layout)); a tile may come `drain_cycles` after the one before it.
    o: Out(pipeline(drained_layout)), first word one cycle after the tile.

    One word a cycle, of logits one in `taps` cycles. No back pressure: the compiler keeps the distance.
    """

    latency = 1

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__({"i": In(pipeline(sums_layout(config))), "o": Out(pipeline(drained_layout(config)))})

    def elaborate(self, platform):
        """Build the shift register of words and the count of channels left."""
        m = Module()
        config, taps, word = self.config, self.config.taps, self.o.payload
        accumulator = signed(config.accumulator_bits)
        sums = [Signal(accumulator, name=f"sum_{i}", reset_less=True) for i in range(config.drain_words * taps)]
        left = Signal(bits_for(config.lanes))
        pause = Signal(range(taps))
        tile = Signal(tile_layout(config))

        m.d.comb += [
            self.o.valid.eq((left != 0) & (pause == 0)),
            word.tile.eq(tile),
            word.tile.lanes.eq(left),
            word.ends_tile.eq(left <= taps),
            *(word.accumulators[i].eq(sums[i]) for i in range(taps)),
            *(word.mask[i].eq(left > i) for i in range(taps)),
        ]
        with m.If(self.o.valid):
            m.d.sync += [
                left.eq(Mux(word.ends_tile, 0, left - taps)),
                pause.eq(Mux(tile.is_result & ~word.ends_tile, taps - 1, 0)),
                tile.parameter.eq(tile.parameter + 1),
                tile.write.eq(_next_word(write_address(config), tile.write)),
                *(sums[i].eq(sums[i + taps]) for i in range(len(sums) - taps)),
            ]
        with m.Elif(pause != 0):
            m.d.sync += pause.eq(pause - 1)
        with m.If(self.i.valid):
            m.d.sync += [
                left.eq(self.i.payload.tile.lanes),
                tile.eq(self.i.payload.tile),
                *(sums[i].eq(self.i.payload.accumulators[i]) for i in range(config.lanes)),
            ]
        return m


def _next_word(layout, address):
    """The element address one word further."""
    step = layout.const(layout.split(layout.taps))
    return layout.add(address, step)
