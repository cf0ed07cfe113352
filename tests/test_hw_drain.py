import numpy as np
import pytest
from rtl import run

from hw.config import ArrayConfig
from hw.drain import Drain, drain_cycles
from hw.program import write_address


def simulate(config: ArrayConfig, tiles: list[dict]) -> list[dict]:
    """The words that leave when each tile comes in its cycle, with the cycle of each."""
    drain = Drain(config)
    by_cycle = {tile["cycle"]: tile for tile in tiles}
    assert len(by_cycle) == len(tiles)
    words = []

    async def testbench(ctx):
        for cycle in range(max(by_cycle) + 2 * config.lanes + 3):
            tile = by_cycle.get(cycle)
            ctx.set(drain.i.valid, tile is not None)
            if tile:
                ctx.set(drain.i.payload.accumulators, tile["sums"])
                names = ("parameter", "lanes", "final", "is_result", "high")
                if config.pixels > 1:
                    names = (*names, "pools_columns", "columns")
                fields = {name: tile[name] for name in names}
                fields["write"] = write_address(config).split(tile["write"])
                if config.pixels > 1:
                    fields["column_write"] = write_address(config).split(tile["column_write"])
                ctx.set(drain.i.payload.tile, fields)
            if ctx.get(drain.o.valid):
                word = ctx.get(drain.o.payload)
                words.append(
                    {
                        "cycle": cycle,
                        "sums": [sum_ for i, sum_ in enumerate(word.accumulators) if word.mask >> i & 1],
                        "mask": word.mask,
                        "parameter": word.tile.parameter,
                        "write": write_address(config).join(word.tile.write),
                        "final": word.final,
                        "is_result": word.tile.is_result,
                        "high": word.tile.high,
                        **({"index": word.index} if config.pool_loops else {}),
                    }
                )
            await ctx.tick()

    run(drain, testbench)
    return words


def reference(config: ArrayConfig, tiles: list[dict]) -> list[dict]:
    """Each tile's channels in words, a word a cycle, of logits one in as many cycles as it has; columns in turn."""
    words, channels = [], config.drain_channels
    for tile in tiles:
        columns = 1 if tile["pools_columns"] else config.pixels
        for index, start in enumerate(range(0, tile["lanes"], channels)):
            for column in range(columns if tile["pools_columns"] else tile["columns"]):
                part = tile["sums"][column][start : min(start + channels, tile["lanes"])]
                turn = index * columns + column
                words.append(
                    {
                        "cycle": tile["cycle"] + Drain.latency + turn * (channels if tile["is_result"] else 1),
                        "sums": part,
                        "mask": (1 << len(part)) - 1,
                        "parameter": tile["parameter"] + index,
                        "write": tile["write"] + start + column * tile["column_write"],
                        "final": tile["final"] and start + channels >= tile["lanes"],
                        "is_result": tile["is_result"],
                        "high": tile["high"],
                        **({"index": turn} if config.pool_loops else {}),
                    }
                )
    return words


def random_tiles(seed: int, config: ArrayConfig, count: int) -> list[dict]:
    """Tiles as close as the drain allows, and some further apart."""
    rng = np.random.default_rng(seed)
    unit = 1 if config.unaligned_writes else config.drain_channels
    tiles, cycle = [], 2
    for _ in range(count):
        pools = config.pixels == 1 or bool(rng.integers(2))
        tile = {
            "cycle": cycle,
            "sums": rng.integers(-(1 << 23), 1 << 23, (config.pixels, config.lanes)).tolist(),
            "parameter": int(rng.integers(0, 8)),
            "write": int(rng.integers(0, 100 // unit)) * unit,
            "lanes": int(rng.choice([1, config.lanes, rng.integers(1, config.lanes + 1)])),
            "final": int(rng.integers(2)),
            "is_result": int(pools and rng.integers(2)),
            "high": int(rng.integers(256)),
            "pools_columns": int(pools),
            "columns": int(rng.integers(1, config.pixels + 1)),
            "column_write": int(rng.integers(0, 30 // unit + 1)) * unit,
        }
        tiles.append(tile)
        gap = drain_cycles(tile["lanes"], config, bool(tile["is_result"]), 1 if pools else config.pixels)
        cycle += gap + int(rng.choice([0, 0, 1, 4]))
    return tiles


@pytest.mark.parametrize("pool_loops", [0, 1])
@pytest.mark.parametrize("pixels", [1, 2, 4])
@pytest.mark.parametrize("unaligned", [False, True])
@pytest.mark.parametrize(("lanes", "taps"), [(1, 1), (5, 1), (1, 4), (4, 4), (7, 3), (16, 5), (3, 16)])
def test_random_tiles(lanes, taps, unaligned, pixels, pool_loops):
    config = ArrayConfig(
        lanes=lanes,
        taps=taps,
        pixels=pixels,
        hidden_words=500,
        parameter_words=64,
        loops=4,
        pool_loops=pool_loops,
        unaligned_writes=unaligned and taps > 1,
    )
    tiles = random_tiles(lanes + taps, config, 20)
    assert simulate(config, tiles) == reference(config, tiles)


@pytest.mark.parametrize("pixels", [1, 4])
@pytest.mark.parametrize(("lanes", "taps", "parts"), [(5, 4, 4), (5, 4, 2), (16, 6, 3), (3, 16, 8), (4, 7, 7)])
def test_random_tiles_in_parts_of_words(lanes, taps, parts, pixels):
    shape = {"lanes": lanes, "taps": taps, "drain_parts": parts, "pixels": pixels}
    config = ArrayConfig(**shape, hidden_words=500, parameter_words=64, loops=4, pool_loops=1)
    tiles = random_tiles(lanes + taps, config, 20)
    assert simulate(config, tiles) == reference(config, tiles)


@pytest.mark.parametrize(
    ("lanes", "taps", "is_result", "cycles"),
    [(1, 8, False, 1), (8, 8, False, 1), (9, 8, False, 2), (16, 1, False, 16), (9, 8, True, 9), (1, 8, True, 1)],
)
def test_drain_cycles(lanes, taps, is_result, cycles):
    config = ArrayConfig(lanes=16, taps=taps)
    assert drain_cycles(lanes, config, is_result) == cycles
    assert drain_cycles(lanes, ArrayConfig(lanes=16, taps=taps, drain_parts=taps), is_result) == lanes
    if not is_result:
        assert drain_cycles(lanes, config, is_result, columns=4) == 4 * cycles
