"""Banked memory against a list of elements; reads and writes at once, at the exact distances that the class states."""

from math import gcd

import numpy as np
import pytest
from rtl import check_refusal, outputs, run

from hw.config import ArrayConfig
from hw.memories import READ_CYCLES, BankedMemory, StaticMemory

WORDS = 6
CASES = [
    (taps, reads, writes)
    for taps in range(1, 17)
    for reads in (False, True)
    for writes in (False, True)
    if taps > 1 or not (reads or writes)
]


def make(taps: int, unaligned_reads: bool, unaligned_writes: bool) -> BankedMemory:
    config = ArrayConfig(taps=taps, unaligned_reads=unaligned_reads)
    return BankedMemory(config, 8, WORDS, unaligned_writes=unaligned_writes)


def clock(memory: BankedMemory, reads: list, writes: list) -> list:
    """Each cycle a read (element address or None) and a write (address, elements, mask); the vectors read."""
    vectors = []
    latency = BankedMemory.latency(memory.config)

    async def testbench(ctx):
        for cycle in range(len(reads) + latency):
            if cycle < len(reads):
                if reads[cycle] is not None:
                    ctx.set(memory.read, memory.read_layout.split(reads[cycle]))
                ctx.set(memory.write.valid, writes[cycle] is not None)
                address, elements, mask = writes[cycle] or (0, [255] * memory.taps, -1)
                payload = memory.write.payload
                ctx.set(payload.address, memory.write_layout.split(address))
                ctx.set(payload.elements, elements)
                ctx.set(payload.mask, mask & (1 << memory.taps) - 1)
            if cycle >= latency and reads[cycle - latency] is not None:
                vectors.append([ctx.get(memory.vector[i]) for i in range(memory.taps)])
            await ctx.tick()

    run(memory, testbench)
    return vectors


def reference(memory: BankedMemory, reads: list, writes: list) -> list:
    """The same by a plain list of elements."""
    read_setup = BankedMemory.read_setup(memory.config)
    write_setup = BankedMemory.write_setup(memory.write_layout.unaligned)
    content = [0] * (WORDS + 1) * memory.taps
    vectors = []
    for cycle in range(len(reads) + 2):
        read, write = cycle - read_setup, cycle - write_setup
        if 0 <= read < len(reads) and reads[read] is not None:
            vectors.append(content[reads[read] : reads[read] + memory.taps])
        if 0 <= write < len(writes) and writes[write] is not None:
            address, elements, mask = writes[write]
            for index, element in enumerate(elements):
                if mask >> index & 1:
                    content[address + index] = element
    return vectors


def random_accesses(seed: int, memory: BankedMemory, cycles: int) -> tuple[list, list]:
    rng = np.random.default_rng(seed)
    places = (WORDS - 1) * memory.taps
    reads, writes = [], []
    for _ in range(cycles):
        read, write = (
            int(rng.integers(0, places + 1)) if layout.unaligned else int(rng.integers(0, WORDS)) * memory.taps
            for layout in (memory.read_layout, memory.write_layout)
        )
        elements = rng.integers(0, 256, memory.taps).tolist()
        mask = int(rng.choice([-1, 0, rng.integers(0, 1 << memory.taps)])) & (1 << memory.taps) - 1
        reads.append(read if rng.random() < 0.8 else None)
        writes.append((write, elements, mask) if rng.random() < 0.8 else None)
    return reads, writes


@pytest.mark.parametrize(("taps", "unaligned_reads", "unaligned_writes"), CASES)
def test_reads_and_writes(taps, unaligned_reads, unaligned_writes):
    memory = make(taps, unaligned_reads, unaligned_writes)
    reads, writes = random_accesses(taps, memory, 60)
    vectors = clock(memory, reads, writes)
    assert len(vectors) > 30
    assert vectors == reference(memory, reads, writes)


@pytest.mark.parametrize(
    ("unaligned_reads", "unaligned_writes"), [(r, w) for r in (False, True) for w in (False, True)]
)
def test_least_distance_from_write_to_read(unaligned_reads, unaligned_writes):
    memory = make(3, unaligned_reads, unaligned_writes)
    least = BankedMemory.write_setup(unaligned_writes) + 1 - BankedMemory.read_setup(memory.config)
    reads = [6 if cycle - 5 in (least - 1, least) else None for cycle in range(10)]
    writes = [(6, [1, 2, 3], 0b111) if cycle == 5 else None for cycle in range(10)]
    before, after = clock(memory, reads, writes)
    assert before == [0, 0, 0]
    assert after == [1, 2, 3]


@pytest.mark.parametrize(("taps", "stride"), [(3, 2), (4, 3), (5, 5), (6, 4), (8, 3), (16, 6), (2, 7)])
def test_strided_writes(taps, stride):
    """Each element `stride` further than the one before it; as many at once as lie in different banks."""
    config = ArrayConfig(taps=taps, unaligned_reads=True)
    memory = BankedMemory(config, 8, 80, unaligned_writes=True, stride=stride)
    rng = np.random.default_rng(taps)
    content, found = [0] * 80 * taps, []

    async def testbench(ctx):
        for _ in range(40):
            strided = bool(rng.integers(2))
            count = taps // gcd(taps, stride) if strided else taps
            address, mask = int(rng.integers(0, 60)), int(rng.integers(1 << count))
            elements = rng.integers(0, 256, taps).tolist()
            write = memory.write.payload
            ctx.set(memory.write.valid, 1)
            ctx.set(write.address, memory.write_layout.split(address))
            ctx.set(write.elements, elements)
            ctx.set(write.mask, mask)
            ctx.set(write.strided, strided)
            await ctx.tick()
            for index in range(count):
                if mask >> index & 1:
                    content[address + index * (stride if strided else 1)] = elements[index]
        ctx.set(memory.write.valid, 0)
        await ctx.tick().repeat(2)
        for address in range(70 * taps):
            ctx.set(memory.read, memory.read_layout.split(address))
            await ctx.tick().repeat(BankedMemory.latency(config))
            found.append(ctx.get(memory.vector[0]))

    run(memory, testbench)
    assert found == content[: 70 * taps]


def test_latencies():
    aligned, unaligned = ArrayConfig(taps=3), ArrayConfig(taps=3, unaligned_reads=True)
    assert (BankedMemory.read_setup(aligned), BankedMemory.latency(aligned)) == (0, 2)
    assert (BankedMemory.read_setup(unaligned), BankedMemory.latency(unaligned)) == (1, 4)
    assert (BankedMemory.write_setup(False), BankedMemory.write_setup(True)) == (0, 1)


@pytest.mark.parametrize(("output_register", "latency"), [(True, READ_CYCLES), (False, 1)])
def test_static_memory(output_register, latency):
    words = [5, 0, (1 << 70) - 1, 7]
    addresses = [0, 1, 2, 3, 4, 5, 2, 2, 0, 3]
    memory = StaticMemory(70, 6, words, output_register=output_register)
    found = outputs(
        memory,
        addresses,
        lambda ctx, address: ctx.set(memory.address, address),
        lambda ctx: ctx.get(memory.data),
        latency,
    )
    assert found == [[*words, 0, 0][address] for address in addresses]


@pytest.mark.parametrize("word", [-1, 16])
def test_static_memory_refuses_a_word_that_does_not_fit(word):
    rule = "each word of this memory must have at most 4 bits"
    check_refusal(ValueError, rule, lambda: StaticMemory(4, 3, [0, word]))


def test_static_memory_refuses_too_many_words():
    check_refusal(ValueError, "a memory of 3 words must not get 4 words", lambda: StaticMemory(4, 3, [0] * 4))
