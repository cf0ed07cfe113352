"""Maximum over columns: where the columns are positions of one pooling window, the greatest sum stands for all.

The sums of one channel are compared before bias and requantization, which are the same for all of them and
never fall as the sum rises.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.compare import is_less
from hw.config import ArrayConfig
from hw.mac_array import sums_layout
from hw.stream import delayed, pipeline


class ColumnMax(wiring.Component):
    """Puts the greatest sum of each lane in column 0 where the tile says `pools_columns`; else passes all on.

    Parameters
    ----------
    config: the array, of several columns.

    Members
    -------
    i, o: pipeline(sums_layout).

    Latency `latency`, a tile a cycle, no back pressure.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__({"i": In(pipeline(sums_layout(config))), "o": Out(pipeline(sums_layout(config)))})

    @staticmethod
    def latency(config: ArrayConfig) -> int:
        """Cycles from `i` to `o`: a register behind each level of the tree of comparisons."""
        return ceil_log2(config.pixels)

    def elaborate(self, platform):
        """Build a tree of comparisons per lane, and the way past it."""
        m = Module()
        latency = self.latency(self.config)
        sums, tile = self.i.payload.accumulators, self.i.payload.tile
        out = self.o.payload
        pools = delayed(m, tile.pools_columns, latency)
        m.d.comb += [
            self.o.valid.eq(delayed(m, self.i.valid, latency, reset=True)),
            out.tile.eq(delayed(m, tile, latency)),
        ]
        for lane in range(self.config.lanes):
            values = [sums[column][lane] for column in range(self.config.pixels)]
            passed = [delayed(m, value, latency) for value in values]
            while len(values) > 1:
                values = [_registered_max(m, *pair) for pair in zip(values[::2], values[1::2], strict=True)]
            m.d.comb += out.accumulators[0][lane].eq(Mux(pools, values[0], passed[0]))
            for column in range(1, self.config.pixels):
                m.d.comb += out.accumulators[column][lane].eq(passed[column])
        return m


def _registered_max(m: Module, one, other) -> Signal:
    register = Signal(one.shape(), name="greatest", reset_less=True)
    m.d.sync += register.eq(Mux(is_less(one, other), other, one))
    return register
