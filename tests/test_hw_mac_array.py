import numpy as np
import pytest
from rtl import outputs

from hw.config import ArrayConfig
from hw.loop_nest import tile_layout
from hw.mac_array import MacArray


def random_sums(seed: int, config: ArrayConfig, count: int) -> list[list]:
    """Sums of 1 to 4 steps (activations, weights, tile)."""
    rng = np.random.default_rng(seed)
    widths = {name: field.width for name, field in tile_layout(config) if name not in ("write", "column_write")}
    sums = []
    for index in range(count):
        tile = {name: int(rng.integers(1 << width)) for name, width in widths.items()}
        tile["write"] = {"word": index}
        sums.append(
            [
                (
                    rng.integers(-128, 256, (config.pixels, config.taps)),
                    rng.integers(-127, 128, (config.lanes, config.taps)),
                    tile,
                )
                for _ in range(rng.integers(1, 5))
            ]
        )
    return sums


def simulate(config: ArrayConfig, sums: list[list], gaps) -> list:
    """(cycle of its last step, accumulators, tile) of each sum that leaves, the steps with gaps between them."""
    array = MacArray(config)
    cycles = []
    for steps in sums:
        for index, step in enumerate(steps):
            cycles += [None] * int(gaps()) + [(*step, index == 0, index == len(steps) - 1)]

    def drive(ctx, step):
        ctx.set(array.i.valid, step is not None)
        # A gap shows what a real step could look like; only `valid` tells them apart.
        activations, weights, tile, first, last = step or (*sums[0][0], 1, 1)
        payload = array.i.payload
        ctx.set(payload.activations, activations.tolist())
        ctx.set(payload.weights, weights.tolist())
        ctx.set(payload.tile, tile)
        ctx.set(payload.first, first)
        ctx.set(payload.last, last)

    def read(ctx):
        if not ctx.get(array.o.valid):
            return None
        payload = array.o.payload
        return [list(ctx.get(column)) for column in payload.accumulators], ctx.get(payload.tile.as_value())

    found = outputs(array, cycles, drive, read, MacArray.latency(config))
    ends = [cycle for cycle, step in enumerate(cycles) if step and step[-1]]
    assert [cycle for cycle, sums_out in enumerate(found) if sums_out] == ends
    return [sums_out for sums_out in found if sums_out]


def reference(config: ArrayConfig, sums: list[list]) -> list:
    return [
        (
            sum(activations @ weights.T for activations, weights, _ in steps).tolist(),
            tile_layout(config).const(steps[-1][2]).as_value().value,
        )
        for steps in sums
    ]


@pytest.mark.parametrize("gap", [0, 3])
@pytest.mark.parametrize(("lanes", "taps", "pixels"), [(1, 1, 1), (3, 2, 1), (4, 7, 2), (2, 16, 1), (2, 3, 4)])
def test_random_sums(lanes, taps, pixels, gap):
    config = ArrayConfig(lanes=lanes, taps=taps, pixels=pixels)
    sums = random_sums(lanes + taps, config, 12)
    rng = np.random.default_rng(gap)
    assert simulate(config, sums, lambda: rng.integers(gap + 1)) == reference(config, sums)
