"""Loader and spreader into a real memory: every pixel at its places, zeros in the gaps, in the cycles foretold."""

import numpy as np
import pytest
from amaranth import Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from rtl import run

from hw.config import ArrayConfig
from hw.loader import Loader, beat_cycles
from hw.memories import BankedMemory
from hw.program import Header, header_values
from hw.region import Region
from hw.spreader import parts
from hw.stream import connect


class LoadedMemory(wiring.Component):
    """A loader and the input memory behind it."""

    def __init__(self, config: ArrayConfig, header: Header):
        self.loader = Loader(config)
        self.memory = BankedMemory(
            config, 8, config.input_words, unaligned_writes=config.taps > 1, stride=config.interleave
        )
        self.values = header_values(header, config)
        super().__init__(
            {"read": In(self.memory.read_layout), "vector": Out(data.ArrayLayout(8, config.taps)), "release": In(2)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.loader, m.submodules.memory = self.loader, self.memory
        header = self.loader.header
        m.d.comb += [header.eq(header.shape().const(self.values)), self.loader.release.eq(self.release)]
        m.d.comb += [self.memory.read.eq(self.read), self.vector.eq(self.memory.vector)]
        connect(m, self.loader.o, self.memory.write)
        return m


def describe(config: ArrayConfig, region: Region, copies: int, size: int) -> Header:
    """The header of images of so many pixels in this region, at two places a margin apart."""
    beats, count, row = -(-size // config.taps), parts(config), region.row // copies
    margin = -(-(copies - 1) * region.pitch // config.taps) * config.taps
    return Header(
        image_words=beats,
        classes=1,
        drain_start=1,
        drain_end=1,
        stages=1,
        bases=(margin + region.origin, 2 * margin + region.size + region.origin),
        row_elements=row,
        gap=region.pitch - region.row,
        last_elements=size - (beats - 1) * config.taps,
        copies=copies,
        copy_step=1 - region.pitch - (count - 1) * (config.taps // count) * copies,
        beat_step=config.taps * copies,
    )


CASES = [
    # height, width, channels, border, copies, interleave, taps
    (3, 4, 1, 0, 2, 2, 3),
    (4, 5, 1, 1, 2, 2, 4),
    (3, 7, 1, 2, 3, 3, 6),
    (5, 3, 1, 1, 5, 5, 5),
    (2, 3, 1, 1, 2, 2, 16),
    (3, 4, 1, 0, 1, 3, 6),
    (3, 4, 2, 1, 1, 1, 3),
    (2, 5, 3, 2, 1, 1, 7),
    (4, 4, 1, 1, 1, 1, 1),
    (4, 4, 1, 1, 4, 4, 1),
    (6, 28, 1, 2, 2, 2, 10),
]


@pytest.mark.parametrize(("height", "width", "channels", "border", "copies", "interleave", "taps"), CASES)
def test_pixels_lie_where_the_array_reads_them(height, width, channels, border, copies, interleave, taps):
    region = Region((height, width, channels * copies), border)
    config = ArrayConfig(
        taps=taps, input_words=512, interleave=interleave, input_gaps=border > 0, unaligned_reads=taps > 1
    )
    size = height * width * channels
    header = describe(config, region, copies, size)
    rng = np.random.default_rng(size)
    images = rng.integers(1, 256, (3, height, width * channels))
    beats = np.zeros((3, header.image_words * taps), dtype=int)
    beats[:, :size] = images.reshape(3, -1)
    beats[:, size:] = 255  # behind the last pixel a beat holds anything
    beats = beats.reshape(-1, taps).tolist()
    top = LoadedMemory(config, header)
    cycles, content = [], {}

    async def element(ctx, address: int) -> int:
        ctx.set(top.read, top.memory.read_layout.split(address))
        for _ in range(BankedMemory.latency(config)):
            await ctx.tick()
        return ctx.get(top.vector[0])

    async def load(ctx, image: int, *, idle: bool):
        sent = cycle = 0
        mine = beats[image * header.image_words : (image + 1) * header.image_words]
        while not ctx.get(top.loader.full) >> image % 2 & 1:
            valid = sent < len(mine) and (not idle or rng.random() < 0.5)
            ctx.set(top.loader.i.valid, valid)
            ctx.set(top.loader.i.payload, mine[sent] if valid else [170] * taps)
            sent += valid and ctx.get(top.loader.i.ready)
            await ctx.tick()
            cycle += 1
            assert cycle < 5000
        ctx.set(top.loader.i.valid, 0)
        await ctx.tick().repeat(2)
        return cycle

    async def testbench(ctx):
        for image in range(3):
            if image == 2:
                ctx.set(top.release, 1)
                await ctx.tick()
                ctx.set(top.release, 0)
                await ctx.tick()
            cycles.append(await load(ctx, image, idle=image == 1))
            base = header.bases[image % 2]
            for y in range(-border, height + border):
                for place in range(-border * channels * copies, region.row + border * channels * copies):
                    address = base + y * region.pitch + place
                    content[image, y, place] = await element(ctx, address)

    run(top, testbench)
    expected = {}
    for image, y, place in content:
        if copies == 1:
            inside = 0 <= y < height and 0 <= place < region.row
            expected[image, y, place] = int(images[image, y, place]) if inside else 0
            continue
        x, copy = divmod(place, copies)
        inside = 0 <= y + copy < height and 0 <= x < width
        expected[image, y, place] = int(images[image, y + copy, x]) if inside else 0
    assert content == expected
    assert cycles[0] == cycles[2] == beat_cycles(config, size, width * channels, copies)[-1] + 1


def test_parts_of_a_beat_share_no_bank():
    for taps in range(1, 17):
        for copies in range(2, 17):
            count = parts(ArrayConfig(taps=taps, interleave=copies))
            banks = {index * copies % taps for index in range(taps // count)}
            assert len(banks) == taps // count
