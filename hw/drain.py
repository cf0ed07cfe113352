"""Drain: takes the finished sums of all lanes at once and hands them on, a word of `drain_channels` at a time.

Where columns have results of their own, the first word of each column leaves, then the second one of each, and
so on, for they share parameters. The lanes go on with the next sum while the last ones leave. Logits leave at
the pace of one channel a cycle, because the classifier behind takes one at a time.
"""

from itertools import product

from amaranth import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.compare import thermometer
from hw.config import ArrayConfig
from hw.loop_nest import tile_layout
from hw.mac_array import sums_layout
from hw.program import write_address
from hw.stream import pipeline


def drain_cycles(lanes: int, config: ArrayConfig, is_result: bool, columns: int = 1) -> int:
    """Cycles that the drain is busy with a tile of `lanes` channels; the next tile may come that much later.

    columns: that have results of their own, all or one.
    """
    return lanes if is_result else -(-lanes // config.drain_channels) * columns


def drained_layout(config: ArrayConfig) -> data.StructLayout:
    """One word of sums on its way to the requantizers.

    Members
    -------
    accumulators: one sum per channel. tile: where the word goes. index: which word of its tile it is, all columns'
    counted; only where the array pools. mask: which channels exist. final: the last word of the operation.
    """
    return data.StructLayout(
        {
            "accumulators": data.ArrayLayout(signed(config.accumulator_bits), config.drain_channels),
            "tile": tile_layout(config),
            **({"index": range(config.drain_words * config.pixels)} if config.pool_loops else {}),
            "mask": config.drain_channels,
            "final": 1,
        }
    )


class Drain(wiring.Component):
    """Turns a tile of `lanes` sums into words of `drain_channels` sums.

    Parameters
    ----------
    config: the array.

    Members
    -------
    i: In(pipeline(sums_layout)); a tile may come `drain_cycles` after the one before it.
    o: Out(pipeline(drained_layout)), first word one cycle after the tile.

    One word a cycle, of logits one in `drain_channels` cycles. No back pressure: the compiler keeps the distance.
    """

    latency = 1

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__({"i": In(pipeline(sums_layout(config))), "o": Out(pipeline(drained_layout(config)))})

    def elaborate(self, platform):
        """Build the shift register of words, the mask of channels left and the turn of the columns."""
        m = Module()
        config, pixels, word = self.config, self.config.pixels, self.o.payload
        channels = config.drain_channels
        accumulator, write = signed(config.accumulator_bits), write_address(config)
        # Slot w·pixels + c holds word w of column c.
        slots = [
            [Signal(accumulator, name=f"sum_{slot}_{channel}", reset_less=True) for channel in range(channels)]
            for slot in range(config.drain_words * pixels)
        ]
        # One bit for each channel that is left, the next one's lowest: no count that would have to be compared.
        left, pause, is_busy = Signal(config.lanes, reset_less=True), Signal(range(channels)), Signal()
        tile, place = Signal(tile_layout(config), reset_less=True), Signal(write, reset_less=True)
        column, index = Signal(range(pixels), reset_less=True), Signal(range(len(slots)), reset_less=True)
        ends_word, ends_tile = Signal(), Signal()
        pools = tile.pools_columns if pixels > 1 else 1

        m.d.comb += [
            ends_word.eq(pools | (column == pixels - 1)),
            ends_tile.eq(~left[channels : channels + 1].any()),
            self.o.valid.eq(is_busy & (pools | (column < tile.columns)) if pixels > 1 else is_busy),
            word.tile.eq(tile),
            word.tile.write.eq(place),
            *(word.accumulators[i].eq(slots[0][i]) for i in range(channels)),
            word.mask.eq(left),
            word.final.eq(tile.final & ends_tile),
        ]
        after = Signal(write)  # address of the next word of column 0
        m.d.comb += after.eq(write.add(tile.write, write.const(write.split(channels))))
        with m.If(is_busy):
            m.d.sync += index.eq(index + 1)
            for slot, values in enumerate(slots):
                next_slot = [slots[slot + by] if slot + by < len(slots) else values for by in (1, pixels)]
                for value, one, row in zip(values, *next_slot, strict=True):
                    m.d.sync += value.eq(Mux(pools, row, one))
            with m.If(ends_word):
                m.d.sync += [
                    left.eq(left >> channels),
                    pause.eq(Mux(tile.is_result & ~ends_tile, channels - 1, 0)),
                    is_busy.eq(~ends_tile & (~tile.is_result | (channels == 1))),
                    tile.parameter.eq(tile.parameter + 1),
                    tile.write.eq(after),
                    place.eq(after),
                    column.eq(0),
                ]
            if pixels > 1:
                with m.Else():
                    m.d.sync += [place.eq(write.add(place, tile.column_write)), column.eq(column + 1)]
        with m.Elif(pause != 0):
            m.d.sync += [pause.eq(pause - 1), is_busy.eq(pause == 1)]
        with m.If(self.i.valid):
            arriving = self.i.payload
            m.d.sync += left.eq(thermometer(arriving.tile.lanes, config.lanes))
            m.d.sync += [is_busy.eq(1), tile.eq(arriving.tile), place.eq(arriving.tile.write)]
            m.d.sync += [column.eq(0), index.eq(0)]
            for lane, of in product(range(config.lanes), range(pixels)):
                m.d.sync += slots[lane // channels * pixels + of][lane % channels].eq(arriving.accumulators[of][lane])
        if config.pool_loops:
            m.d.comb += word.index.eq(index)
        return m
