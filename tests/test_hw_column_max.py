import numpy as np
import pytest
from rtl import outputs

from hw.column_max import ColumnMax
from hw.config import ArrayConfig


@pytest.mark.parametrize("pixels", [2, 4])
@pytest.mark.parametrize("lanes", [1, 3])
def test_greatest_sum_of_each_lane_or_all_of_them(lanes, pixels):
    config = ArrayConfig(lanes=lanes, pixels=pixels, accumulator_bits=9)
    rng = np.random.default_rng(lanes)
    unit = ColumnMax(config)
    tiles = [
        (rng.integers(-256, 256, (pixels, lanes)), int(rng.integers(2)), int(rng.integers(1, lanes + 1)))
        for _ in range(60)
    ]
    cycles = [tile if rng.random() < 0.7 else None for tile in tiles]

    def drive(ctx, tile):
        ctx.set(unit.i.valid, tile is not None)
        sums, pools, count = tile or tiles[0]
        ctx.set(unit.i.payload.accumulators, sums.tolist())
        ctx.set(unit.i.payload.tile.pools_columns, pools)
        ctx.set(unit.i.payload.tile.lanes, count)

    def read(ctx):
        if not ctx.get(unit.o.valid):
            return None
        sums = [list(ctx.get(column)) for column in unit.o.payload.accumulators]
        pools = ctx.get(unit.o.payload.tile.pools_columns)
        return sums[:1] if pools else sums, ctx.get(unit.o.payload.tile.lanes)

    found = outputs(unit, cycles, drive, read, ColumnMax.latency(config))
    expected = [tile and ([tile[0].max(axis=0).tolist()] if tile[1] else tile[0].tolist(), tile[2]) for tile in cycles]
    assert found == expected
