"""The array: pixels x lanes x taps multipliers.

One vector of activations goes to all lanes of a column, and one word of weights to all columns.
"""

from amaranth import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.config import ArrayConfig
from hw.loop_nest import tile_layout
from hw.mac import Lane
from hw.products import Products
from hw.stream import delayed, pipeline


def sums_layout(config: ArrayConfig) -> data.StructLayout:
    """Finished sums: `accumulators` [pixels][lanes] and their `tile`."""
    return data.StructLayout(
        {
            "accumulators": data.ArrayLayout(
                data.ArrayLayout(signed(config.accumulator_bits), config.lanes), config.pixels
            ),
            "tile": tile_layout(config),
        }
    )


class MacArray(wiring.Component):
    """Each lane sums its weights times the activations, from the step marked `first` to that marked `last`.

    Parameters
    ----------
    config: the array.

    Members
    -------
    i: In(pipeline): `activations` [pixels][taps], `weights` [lanes][taps], `first`, `last` and the `tile` of the sum.
    o: Out(pipeline(sums_layout)), valid for the cycle in which a sum is complete.

    Latency `latency`, one step a cycle, no back pressure.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        activation, weight = signed(config.operand_format.bits), signed(config.weight_bits)
        step = {
            "activations": data.ArrayLayout(data.ArrayLayout(activation, config.taps), config.pixels),
            "weights": data.ArrayLayout(data.ArrayLayout(weight, config.taps), config.lanes),
            "first": 1,
            "last": 1,
            "tile": tile_layout(config),
        }
        super().__init__(
            {
                "i": In(pipeline(data.StructLayout(step))),
                "o": Out(pipeline(sums_layout(config))),
            }
        )

    @staticmethod
    def latency(config: ArrayConfig) -> int:
        """Cycles from the last step of a sum to the sum."""
        return Products.latency(config) + Lane.latency(config)

    def elaborate(self, platform):
        """Build the lanes and the control that runs beside them."""
        m = Module()
        step, sums = self.i.payload, self.o.payload
        summed, latency = Products.latency(self.config) + Lane.tree_latency(self.config), self.latency(self.config)
        add = delayed(m, self.i.valid, summed, reset=True)
        first = delayed(m, step.first, summed)
        for column in range(self.config.pixels):
            m.submodules[f"products_{column}"] = products = Products(self.config)
            m.d.comb += [products.activations.eq(step.activations[column]), products.weights.eq(step.weights)]
            for index in range(self.config.lanes):
                m.submodules[f"lane_{column}_{index}"] = lane = Lane(self.config)
                m.d.comb += [
                    lane.products.eq(products.products[index]),
                    lane.add.eq(add),
                    lane.first.eq(first),
                    sums.accumulators[column][index].eq(lane.accumulator),
                ]
        complete = Signal()
        m.d.comb += complete.eq(self.i.valid & step.last)
        m.d.comb += self.o.valid.eq(delayed(m, complete, latency, reset=True))
        m.d.comb += sums.tile.eq(delayed(m, step.tile, latency))
        return m
