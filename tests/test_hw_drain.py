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
                fields = {name: tile[name] for name in ("parameter", "lanes", "final", "is_result", "high")}
                fields["write"] = write_address(config).split(tile["write"])
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
                        "lanes": word.tile.lanes,
                        "final": word.tile.final,
                        "is_result": word.tile.is_result,
                        "high": word.tile.high,
                        "ends_tile": word.ends_tile,
                    }
                )
            await ctx.tick()

    run(drain, testbench)
    return words


def reference(config: ArrayConfig, tiles: list[dict]) -> list[dict]:
    """Each tile's channels in words of `taps`, a word a cycle, of logits one in `taps` cycles."""
    words = []
    for tile in tiles:
        sums = tile["sums"][: tile["lanes"]]
        for index, start in enumerate(range(0, len(sums), config.taps)):
            part = sums[start : start + config.taps]
            words.append(
                {
                    "cycle": tile["cycle"] + Drain.latency + index * (config.taps if tile["is_result"] else 1),
                    "sums": part,
                    "mask": (1 << len(part)) - 1,
                    "parameter": tile["parameter"] + index,
                    "write": tile["write"] + start,
                    "lanes": len(sums) - start,
                    "final": tile["final"],
                    "is_result": tile["is_result"],
                    "high": tile["high"],
                    "ends_tile": int(start + config.taps >= len(sums)),
                }
            )
    return words


def random_tiles(seed: int, config: ArrayConfig, count: int) -> list[dict]:
    """Tiles as close as the drain allows, and some further apart."""
    rng = np.random.default_rng(seed)
    unit = 1 if config.unaligned_writes else config.taps
    tiles, cycle = [], 2
    for _ in range(count):
        tile = {
            "cycle": cycle,
            "sums": rng.integers(-(1 << 23), 1 << 23, config.lanes).tolist(),
            "parameter": int(rng.integers(0, 8)),
            "write": int(rng.integers(0, 100 // unit)) * unit,
            "lanes": int(rng.choice([1, config.lanes, rng.integers(1, config.lanes + 1)])),
            "final": int(rng.integers(2)),
            "is_result": int(rng.integers(2)),
            "high": int(rng.integers(256)),
        }
        tiles.append(tile)
        gap = drain_cycles(tile["lanes"], config, bool(tile["is_result"]))
        cycle += gap + int(rng.choice([0, 0, 1, 4]))
    return tiles


@pytest.mark.parametrize("unaligned", [False, True])
@pytest.mark.parametrize(("lanes", "taps"), [(1, 1), (5, 1), (1, 4), (4, 4), (7, 3), (8, 2), (16, 5), (3, 16)])
def test_random_tiles(lanes, taps, unaligned):
    config = ArrayConfig(
        lanes=lanes, taps=taps, hidden_words=200, parameter_words=64, unaligned_writes=unaligned and taps > 1
    )
    tiles = random_tiles(lanes + taps, config, 20)
    assert simulate(config, tiles) == reference(config, tiles)


@pytest.mark.parametrize(
    ("lanes", "taps", "is_result", "cycles"),
    [(1, 8, False, 1), (8, 8, False, 1), (9, 8, False, 2), (16, 1, False, 16), (9, 8, True, 9), (1, 8, True, 1)],
)
def test_drain_cycles(lanes, taps, is_result, cycles):
    assert drain_cycles(lanes, ArrayConfig(lanes=16, taps=taps), is_result) == cycles
