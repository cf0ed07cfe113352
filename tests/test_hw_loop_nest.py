"""The nest against plain loops: every address is affine in the loop indices."""

from itertools import product

import numpy as np
import pytest
from rtl import run

from hw.config import ArrayConfig
from hw.loop_nest import LoopNest
from hw.program import Instruction, Level, encode, read_address, write_address

LONGEST = 10_000
"""More steps than any nest here has: a nest that never ends must fail."""


def levels(
    counts: list[int], read: list[int], weight: list[int], write: list[int], parameter=None
) -> tuple[Level, ...]:
    """Levels, innermost first, whose addresses are base + Σ index · stride."""

    def steps(strides):
        """What a level adds when all levels inside it return to their start."""
        returns = np.cumsum([0, *((count - 1) * stride for count, stride in zip(counts, strides, strict=True))])
        return [stride - int(back) for stride, back in zip(strides, returns, strict=False)]

    strides = (read, weight, write, parameter or [0] * len(counts))
    return tuple(Level(*values) for values in zip(counts, *map(steps, strides), strict=True))


def reference(config, instruction, strides, *, enable, odd) -> list[dict]:
    """The steps of one instruction, by a plain loop over all indices, outermost first."""
    read, write = read_address(config).elements, write_address(config).elements
    weight = 1 << (config.weight_words - 1).bit_length()
    parameter = 1 << (config.parameter_words - 1).bit_length()
    counts = [level.count for level in instruction.levels]
    result = []
    for outer_first in product(*map(range, reversed(counts))):
        indices = outer_first[::-1]
        reads, weights, writes, parameters = (
            sum(i * s for i, s in zip(indices, each, strict=True)) for each in strides
        )
        inner = range(config.reduction_loops)
        at_end = [index == count - 1 for index, count in zip(indices, counts, strict=True)]
        pool = range(config.reduction_loops, config.tile_loop)
        result.append(
            {
                "valid": enable,
                "reads": [
                    (instruction.read_bases[odd] + offset + reads) % read for offset in (0, *instruction.column_offsets)
                ],
                "weight": (instruction.weight_base + weights) % weight,
                "first": int(all(indices[i] == 0 for i in inner)),
                "last": int(all(indices[i] == counts[i] - 1 for i in inner)),
                "ends": 0,
                "reads_hidden": int(instruction.reads_hidden),
                "reads_signed": int(instruction.reads_signed[at_end[config.reduction_loops - 1]]),
                "write": (instruction.write_bases[odd] + writes) % write,
                "parameter": (instruction.parameter_base + parameters) % parameter,
                "lanes": instruction.last_lanes if at_end[config.tile_loop] else instruction.tile_lanes,
                "final": int(all(at_end[config.tile_loop :])),
                "writes_signed": int(instruction.writes_signed),
                "high": instruction.high,
                "is_result": int(instruction.is_result),
                "release": 0,
            }
        )
        if config.follows_input:
            result[-1]["odd"] = odd
        if config.pool_loops:
            result[-1]["starts_pool"] = int(all(indices[i] == 0 for i in pool))
            result[-1]["ends_pool"] = int(all(at_end[i] for i in pool))
        if config.pixels > 1:
            line_ends = all(at_end[config.tile_loop + 1 : config.tile_loop + 2])
            result[-1]["pools_columns"] = int(instruction.pools_columns)
            result[-1]["column_write"] = instruction.column_write
            result[-1]["columns"] = instruction.last_columns if line_ends else config.pixels
    result[-1]["ends"] = 1
    result[-1]["release"] = (1 << odd) * (enable and instruction.releases_input)
    return result


def simulate(config, runs: list[tuple]) -> list[list[dict]]:
    """Steps of each run (instruction, enable, odd, idle); without idle cycles it starts in the last step."""
    nest, cycles = LoopNest(config), []  # of each cycle: `running`, `rests` and `o`

    def observe(ctx):
        step = ctx.get(nest.o.payload)
        plain = ("weight", "first", "last", "ends", "reads_hidden", "reads_signed")
        tile = ("parameter", "lanes", "final", "writes_signed", "high", "is_result")
        if config.follows_input:
            plain = (*plain, "odd")
        if config.pool_loops:
            tile = (*tile, "starts_pool", "ends_pool")
        if config.pixels > 1:
            tile = (*tile, "pools_columns", "columns")
        columns = {"column_write": write_address(config).join(step.tile.column_write)} if config.pixels > 1 else {}
        return {
            "valid": ctx.get(nest.o.valid),
            "release": ctx.get(nest.release),
            "reads": [read_address(config).join(read) for read in step.reads],
            **columns,
            "write": write_address(config).join(step.tile.write),
            **{name: getattr(step, name) for name in plain},
            **{name: getattr(step.tile, name) for name in tile},
        }

    async def testbench(ctx):
        async def tick():
            await ctx.tick()
            cycles.append((ctx.get(nest.running), ctx.get(nest.rests), observe(ctx)))

        for instruction, enable, odd, idle in runs:
            for _ in range(idle):
                ctx.set(nest.start, 0)
                await tick()
                assert cycles[-1][:2] == (0, 1)
            ctx.set(nest.instruction.as_value(), encode(instruction, config))
            ctx.set(nest.enable, enable)
            ctx.set(nest.odd, odd)
            ctx.set(nest.start, 1)
            await tick()
            ctx.set(nest.start, 0)
            ctx.set(nest.instruction.as_value(), 0)  # it is only looked at with start
            ctx.set(nest.enable, not enable)
            ctx.set(nest.odd, not odd)
            steps = 1
            while cycles[-1][:2] == (1, 0):
                assert steps < LONGEST
                await tick()
                steps += 1
            assert cycles[-1][:2] == (1, 1)
        for _ in range(LoopNest.latency(config)):
            await tick()
            assert cycles[-1][:2] == (0, 1)

    run(nest, testbench)
    latency = LoopNest.latency(config)
    results, ended = [], True
    for _, _, step in cycles[:latency]:
        assert not step["valid"]
        assert not step["release"]
    for (running, rests, _), (_, _, step) in zip(cycles, cycles[latency:], strict=False):
        if not running:
            assert not step["valid"]
            assert not step["release"]
            continue
        if ended:
            results.append([])
        results[-1].append(step)
        ended = rests
    return results


def random_run(rng, config) -> tuple[Instruction, tuple]:
    counts = rng.choice([1, 1, 2, 3, 4], config.loops).tolist()
    unit = 1 if config.unaligned_reads else config.taps
    written = 1 if config.unaligned_writes else config.taps
    strides = (
        [int(stride) * unit for stride in rng.integers(-9, 10, config.loops)],
        rng.integers(-9, 10, config.loops).tolist(),
        [int(stride) * written for stride in rng.integers(-9, 10, config.loops)],
        rng.integers(-9, 10, config.loops).tolist(),
    )
    bits = rng.integers(0, 2, 7).tolist()
    instruction = Instruction(
        levels=levels(counts, *strides),
        read_bases=tuple(int(base) * unit for base in rng.integers(0, 30, 2)),
        write_bases=tuple(int(base) * written for base in rng.integers(0, 20, 2)),
        weight_base=int(rng.integers(64)),
        parameter_base=int(rng.integers(9)),
        tile_lanes=int(rng.integers(1, config.lanes + 1)),
        last_lanes=int(rng.integers(1, config.lanes + 1)),
        column_offsets=tuple(int(offset) * unit for offset in rng.integers(0, 30, config.pixels - 1)),
        pools_columns=bool(bits[4]),
        column_write=int(rng.integers(0, 20)) * written,
        last_columns=int(rng.integers(1, config.pixels + 1)),
        reads_hidden=bool(bits[0]),
        reads_signed=(bool(bits[1]), bool(bits[5])),
        writes_signed=bool(bits[2]),
        is_result=bool(bits[3]),
        releases_input=bool(bits[6]),
        high=int(rng.integers(256)),
    )
    return instruction, strides


def check_random_nests(loops: int, pixels: int, *, reads: bool, writes: bool) -> None:
    """A dozen nests; reads, writes: whether they are unaligned."""
    rng = np.random.default_rng(loops)
    reduction_loops = int(rng.integers(1, min(loops, 5)))
    config = ArrayConfig(
        lanes=int(rng.integers(1, 20)),
        taps=int(rng.integers(2, 12)),
        loops=loops,
        reduction_loops=reduction_loops,
        pool_loops=int(rng.integers(0, min(3, loops - reduction_loops))),
        pixels=pixels,
        follows_input=bool(loops % 2),
        input_words=32,
        hidden_words=20,
        weight_words=64,
        unaligned_reads=reads,
        unaligned_writes=writes,
    )
    runs, expected = [], []
    for _ in range(12):
        instruction, strides = random_run(rng, config)
        enable, odd, idle = (int(value) for value in (rng.integers(2), rng.integers(2), rng.choice([0, 0, 1, 5])))
        runs.append((instruction, enable, odd, idle))
        expected.append(reference(config, instruction, strides, enable=enable, odd=odd))
    assert simulate(config, runs) == expected


@pytest.mark.parametrize("pixels", [1, 2, 4])
@pytest.mark.parametrize("unaligned", [False, True])
@pytest.mark.parametrize("loops", range(2, 7))
def test_random_nests(loops, unaligned, pixels):
    check_random_nests(loops, pixels, reads=unaligned, writes=unaligned)


@pytest.mark.parametrize("reads", [False, True])
def test_reads_may_be_unaligned_without_writes_and_writes_without_reads(reads):
    check_random_nests(3, 1, reads=reads, writes=not reads)


def test_one_step_nests_start_back_to_back():
    config = ArrayConfig()
    runs, expected = [], []
    for base in range(20):
        instruction = Instruction((Level(), Level()), read_bases=(8 * base, 0))
        runs.append((instruction, 1, 0, 0))
        expected.append(reference(config, instruction, ([0, 0],) * 4, enable=1, odd=0))
    assert simulate(config, runs) == expected


def test_convolution_with_pooling_is_another_mapping_of_the_nest():
    """A 3x2 convolution of a 6x5x3 image to 5 channels, 2x2 pooled: the same sums, read from the nest's addresses."""
    height, width, channels, kernel_h, kernel_w, outputs = 6, 5, 3, 3, 2, 5
    pooled_h, pooled_w, lanes, taps = 2, 2, 2, 4
    row, tiles = kernel_w * channels, 3
    chunks = 2  # of 4 taps, for the 6 elements of a kernel row
    config = ArrayConfig(
        lanes=lanes, taps=taps, loops=7, reduction_loops=2, pool_loops=2, unaligned_reads=True, unaligned_writes=True
    )
    strides = (
        # chunk, kernel row, pool x, pool y, tile, x, y
        [taps, width * channels, channels, width * channels, 0, 2 * channels, 2 * width * channels],
        [1, chunks, 0, 0, kernel_h * chunks, 0, 0],
        [0, 0, 0, 0, lanes, outputs, pooled_w * outputs],
    )
    counts = [chunks, kernel_h, 2, 2, tiles, pooled_w, pooled_h]
    instruction = Instruction(
        levels=levels(counts, *strides),
        read_bases=(7, 0),
        write_bases=(3, 0),
        weight_base=5,
        tile_lanes=2,
        last_lanes=1,
    )
    (steps,) = simulate(config, [(instruction, 1, 0, 0)])

    # The addresses are those of the direct loops.
    direct = [
        (
            7 + ((2 * y + pool_y + kernel_y) * width + 2 * x + pool_x) * channels + chunk * taps,
            5 + (tile * kernel_h + kernel_y) * chunks + chunk,
            3 + (y * pooled_w + x) * outputs + tile * lanes,
            (kernel_y, chunk) == (0, 0),
            (kernel_y, chunk) == (kernel_h - 1, chunks - 1),
        )
        for y in range(pooled_h)
        for x in range(pooled_w)
        for tile in range(tiles)
        for pool_y in range(2)
        for pool_x in range(2)
        for kernel_y in range(kernel_h)
        for chunk in range(chunks)
    ]
    names = ("weight", "write", "first", "last")
    assert [(*step["reads"], *(step[name] for name in names)) for step in steps] == direct

    # And a memory read and written at these addresses holds the convolution.
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, channels))
    weight = rng.integers(-127, 128, (outputs, kernel_h, kernel_w, channels))
    pixels = [99] * 7 + image.ravel().tolist() + [99] * taps  # what lies around the image must not matter
    words = np.zeros((5 + tiles * kernel_h * chunks, lanes, taps), dtype=int)
    for channel, kernel_y, element in product(range(outputs), range(kernel_h), range(row)):
        tile, lane = divmod(channel, lanes)
        chunk, tap = divmod(element, taps)
        words[5 + (tile * kernel_h + kernel_y) * chunks + chunk, lane, tap] = weight[channel, kernel_y].ravel()[element]
    sums, pooled = [0] * lanes, {}
    for step in steps:
        vector = pixels[step["reads"][0] :][:taps]
        for lane in range(lanes):
            product_sum = sum(int(w) * a for w, a in zip(words[step["weight"], lane], vector, strict=True))
            sums[lane] = product_sum + (0 if step["first"] else sums[lane])
            if step["last"] and lane < step["lanes"]:
                place = step["write"] + lane - 3
                pooled[place] = max(pooled.get(place, sums[lane]), sums[lane])

    for y, x, channel in product(range(pooled_h), range(pooled_w), range(outputs)):
        window = [
            int((image[top : top + kernel_h, left : left + kernel_w] * weight[channel]).sum())
            for top in (2 * y, 2 * y + 1)
            for left in (2 * x, 2 * x + 1)
        ]
        assert pooled.pop((y * pooled_w + x) * outputs + channel) == max(window)
    assert not pooled
