"""The watermark against its rule: what a step reads lies below the mark, or the whole image is there."""

import numpy as np
import pytest
from networks import random_image_network, random_network
from rtl import run

from hw.compiler import map_network, size_array
from hw.config import ArrayConfig
from hw.watermark import UPDATE_CYCLES, Watermark, read_cycles, words_ahead

PLAIN = ArrayConfig(lanes=2, taps=3, input_words=40, follows_input=True)
ARRAYS = {  # cycles that a write to the input memory takes longer than a read
    "plain": ({}, 0),
    "unaligned": ({"unaligned_reads": True}, 0),
    "gaps": ({"input_gaps": True}, 2),
    "unaligned gaps": ({"input_gaps": True, "unaligned_reads": True}, 1),
}


def array(name: str) -> ArrayConfig:
    return ArrayConfig(**PLAIN.to_json() | ARRAYS[name][0])


class Bench:
    """A watermark with a step at its input; `hold` is looked at in the cycle after a tick."""

    def __init__(self, ctx, dut: Watermark):
        self.ctx, self.dut = ctx, dut

    async def write(self, next_word: int) -> None:
        """A beat is written, behind which the next one goes to this word."""
        self.ctx.set(self.dut.written, 1)
        self.ctx.set(self.dut.next_start.word, next_word)
        await self.ctx.tick()
        self.ctx.set(self.dut.written, 0)
        self.ctx.set(self.dut.next_start.word, 0)

    def holds(self, word: int, **fields) -> int:
        step = self.dut.i.payload
        self.ctx.set(self.dut.i.valid, fields.pop("valid", 1))
        self.ctx.set(step.reads[0].word, word)
        for name in ("reads_hidden", "odd", "ends"):
            self.ctx.set(getattr(step, name), fields.get(name, 0))
        return self.ctx.get(self.dut.hold)


def simulate(name: str, ahead: int, testbench) -> None:
    dut = Watermark(array(name))

    async def with_bench(ctx):
        ctx.set(dut.header.ahead, ahead)
        await testbench(Bench(ctx, dut))

    run(dut, with_bench)


@pytest.mark.parametrize("name", ARRAYS)
def test_a_step_is_made_from_the_word_on_that_is_so_far_behind_the_mark(name):
    async def testbench(bench):
        assert bench.holds(1)
        for mark in (5, 6, 20, 31, 3):
            await bench.write(mark)
            for _ in range(ARRAYS[name][1]):
                await bench.ctx.tick()
            assert [bench.holds(word) for word in range(40)] == [word > mark - 2 for word in range(40)]

    simulate(name, 2, testbench)


def test_nothing_is_read_of_an_image_that_has_just_begun():
    async def testbench(bench):
        await bench.write(1)
        assert all(bench.holds(word) for word in range(40))  # the mark is negative

    simulate("plain", 4, testbench)


@pytest.mark.parametrize("name", ARRAYS)
def test_a_step_waits_as_long_as_the_write_takes(name):
    late = ARRAYS[name][1]

    async def testbench(bench):
        await bench.write(9)
        for _ in range(late):
            assert bench.holds(7)
            await bench.ctx.tick()
        assert not bench.holds(7)
        bench.ctx.set(bench.dut.full, 0b01)
        for _ in range(late):
            assert bench.holds(30)
            await bench.ctx.tick()
        assert not bench.holds(30)

    simulate(name, 2, testbench)


def test_a_step_of_a_whole_image_or_of_the_hidden_memory_is_never_held():
    async def testbench(bench):
        assert bench.holds(30)
        assert not bench.holds(30, valid=0)
        assert not bench.holds(30, reads_hidden=1)
        for odd in (0, 1):
            bench.ctx.set(bench.dut.full, 1 << odd)
            assert not bench.holds(30, odd=odd)
            assert not bench.holds(30, odd=odd, ends=1)
            assert bench.holds(30, odd=1 - odd)

    simulate("plain", 2, testbench)


def test_the_last_step_waits_for_the_whole_image():
    async def testbench(bench):
        await bench.write(30)
        assert not bench.holds(10)
        assert bench.holds(10, ends=1)
        bench.ctx.set(bench.dut.full, 0b01)
        assert not bench.holds(10, ends=1)

    simulate("plain", 2, testbench)


NETWORKS = {
    "dense": (random_network(0, [23, 5, 2]), 2, 3, 1),
    "one tap": (random_network(1, [9, 5, 2]), 5, 1, 1),
    "padded": (random_image_network(1, ("padded",), shape=(6, 5, 1)), 4, 3, 1),
    "columns": (random_image_network(2, ("conv", "maxpool"), shape=(7, 6, 2)), 3, 4, 4),
    "strided": (random_image_network(3, ("strided",), shape=(8, 7, 3)), 3, 2, 2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_no_step_may_be_made_before_all_that_it_reads_is_written(name):
    network, *shape = NETWORKS[name]
    config = size_array(network, *shape, kind="latency")
    mapping = map_network(network, config)[0]
    source, allowed = mapping.source, read_cycles(mapping)
    assert mapping.operation.row_dilation == 1
    places = source.origin + np.arange(source.height)[:, None] * source.pitch + np.arange(source.row)
    beat = np.arange(source.height * source.row).reshape(source.height, -1) // config.taps
    written = np.zeros(max(mapping.reads_to, source.size), dtype=np.int64)  # borders are there from the beginning
    written[places] = mapping.beat_cycles[beat] + UPDATE_CYCLES
    starts = np.add.outer(mapping.step_reads(), (0, *mapping.column_offsets))
    reads = np.add.outer(starts, np.arange(config.taps)).reshape(len(allowed), -1)
    assert (allowed >= written[reads].max(axis=1)).all()
    assert allowed[-1] >= mapping.beat_cycles[-1] + UPDATE_CYCLES
    reach = reads.max(axis=1) // config.taps - mapping.step_reads() // config.taps + 1
    assert words_ahead(mapping) - config.unaligned_reads <= reach.max() <= words_ahead(mapping)
    if name in ("dense", "one tap"):  # words are beats: no step waits longer than it must
        assert (allowed[:-1] == written[reads].max(axis=1)[:-1]).all()
