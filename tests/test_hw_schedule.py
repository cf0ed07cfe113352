"""Schedules, checked by playing the program's reads, writes and drains in an unrolled timeline."""

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import pairwise, product

import numpy as np
import pytest
from networks import grouped_network, random_image_network, random_network

import hw.schedule
from hw.accelerator import Latencies
from hw.compiler import Compiled, compile_network, map_network, size_array
from hw.fetcher import DIVERT_CYCLES
from hw.loop_nest import LoopNest
from hw.mapping import Mapping
from hw.operations import INPUT, tied_operands
from hw.program import Instruction
from hw.schedule import SCHEDULES, SEARCHED_OPERATIONS, Schedule, interference, make_schedule, with_ages
from hw.sequencer import ADMIT_CYCLES, RESERVE_CYCLES
from sw.errors import InputError

IMAGES, POOLS = 1000, 2000
"""First of the seeds that stand for networks on images, and for those that wait for their pixels."""
SEEDS = (*range(60), *range(IMAGES, IMAGES + 50), *range(POOLS, POOLS + 10))


@cache
def random_compiled(seed: int, kind: str) -> Compiled:
    """A network on any array: of dense layers, on images, or of pools, whose few cycles are less than the loader's."""
    rng = np.random.default_rng(seed)
    if seed < IMAGES:
        network = random_network(seed, rng.integers(1, 30, rng.integers(2, 7)).tolist())
        lanes, taps, pixels = int(rng.integers(1, 17)), int(rng.integers(1, 17)), 1
    elif seed < POOLS:
        shape = (*rng.integers(3, 7, 2).tolist(), int(rng.integers(1, 3)))
        last, weights = ("dense", "pooled", "avgpool")[seed % 3], ("ends", None)[seed % 2]
        network = random_image_network(seed, shape=shape, last=last, weights=weights)
        lanes, taps, pixels = int(rng.integers(1, 9)), int(rng.integers(1, 17)), int(rng.choice([1, 2, 4]))
    else:
        shape = (*rng.integers(8, 12, 2).tolist(), 1)
        network = random_image_network(seed, ("maxpool", "avgpool"), shape=shape, last="pooled")
        lanes, taps, pixels = int(rng.integers(3, 9)), int(rng.integers(1, 3)), 4
    return compile_network(network, size_array(network, lanes, taps, pixels, kind=kind), kind)


def timeline(compiled: Compiled, streams: list[int], waits: int | None = None) -> list[tuple[int, int, int]]:
    """(first step, index of the instruction, image) of every start while streams of so many images follow at once.

    waits: seed of what the array waits before some starts, None for an array that never waits.
    """
    rng = np.random.default_rng(waits)
    body = range(compiled.header.drain_start)
    drain = range(compiled.header.drain_start, len(compiled.instructions))
    starts, end, before = [], 0, 0
    for images in streams:
        rounds = [(body, newest) for newest in range(images)] + [(drain, images - 1)]
        for segment, newest in rounds:
            for index in segment:
                instruction = compiled.instructions[index]
                # The drain segment is fetched when the body could have begun.
                fetched = compiled.instructions[0].delay + DIVERT_CYCLES if index == drain.start else 0
                waited = 0 if waits is None else int(rng.integers(1, 200)) * int(rng.integers(4) == 0)
                start = end + fetched + instruction.delay + waited
                end = start + instruction.steps
                if newest >= instruction.age:
                    starts.append((start, index, before + newest - instruction.age))
        before += images
    return starts


@dataclass(frozen=True)
class Walk:
    """What memory and drain see of one instruction; times are cycles after its first step.

    Parameters
    ----------
    reads: (n, 3) of each element that meets a weight: time, distance from the base, whether it is the last operand.
    writes: (n, 2) of each element: time if the pipeline had no latency, distance from the base.
    captures: (n, 2) of each sum: time of its last step, cycles that the drain is busy with it.
    """

    reads: np.ndarray
    writes: np.ndarray
    captures: np.ndarray


def walk(compiled: Compiled, instruction: Instruction, *, is_pair: bool) -> Walk:
    """All steps of an instruction, which has a pair of operands or one, by the counts and increments of its levels."""
    config, levels = compiled.config, instruction.levels
    counts = np.array([level.count for level in levels])
    indices = np.indices(counts[::-1]).reshape(len(levels), -1)[::-1].T  # (steps, levels), the innermost level first
    at_end = indices == counts - 1
    read, weight, write = (
        affine(indices, counts, [getattr(level, name) for level in levels])
        for name in ("read_step", "weight_step", "write_step")
    )
    sum_levels, tile, line = config.reduction_loops, config.tile_loop, config.tile_loop + 1
    lanes = np.where(at_end[:, tile], instruction.last_lanes, instruction.tile_lanes)
    has_lane = np.arange(config.lanes) < lanes[:, None]
    last = at_end[:, line : line + 1].all(axis=1)
    columns = np.where(last & (not instruction.pools_columns), instruction.last_columns, config.pixels)
    has_column = np.arange(config.pixels) < columns[:, None]

    meets = (counting_weights(compiled)[instruction.weight_base + weight] & has_lane[..., None]).any(axis=1)
    step, column, tap = np.nonzero(has_column[..., None] & meets[:, None])
    distance = read[step] + np.array([0, *instruction.column_offsets])[column] + tap
    reads = np.stack([step, distance, at_end[step, sum_levels - 1] & is_pair], axis=1)

    captures = np.flatnonzero(at_end[:, :sum_levels].all(axis=1))
    turns = 1 if instruction.pools_columns else config.pixels
    busy = lanes if instruction.is_result else -(-lanes // config.taps) * turns
    kept = captures[at_end[captures][:, sum_levels:tile].all(axis=1) & (not instruction.is_result)]
    place, column, lane = np.nonzero(has_column[kept][:, :turns, None] & has_lane[kept][:, None])
    time = kept[place] + lane // config.taps * turns + column
    writes = np.stack([time, write[kept][place] + column * instruction.column_write + lane], axis=1)
    return Walk(reads, writes, np.stack([captures, busy[captures]], axis=1))


def affine(indices: np.ndarray, counts: np.ndarray, increments: list[int]) -> np.ndarray:
    """(steps,) address less the base: an increment is a level's stride less the way back of all levels inside it."""
    strides, way_back = [], 0
    for count, increment in zip(counts, increments, strict=True):
        strides.append(increment + way_back)
        way_back += (count - 1) * strides[-1]
    return indices @ np.array(strides)


def counting_weights(compiled: Compiled) -> np.ndarray:
    """(words, lanes, taps) which weights are not zero."""
    config = compiled.config
    shifts, mask = range(0, config.weight_word_bits, config.weight_bits), (1 << config.weight_bits) - 1
    weights = np.array([[word >> shift & mask for shift in shifts] for word in compiled.weights])
    return (weights != 0).reshape(-1, config.lanes, config.taps)


@lru_cache(maxsize=1)
def walks_of(compiled: Compiled) -> list[Walk]:
    """The walk of each instruction."""
    mappings, schedule = compiled.schedule.mappings, compiled.schedule
    return [
        walk(compiled, instruction, is_pair=len(mappings[slot.operation].operation.sources) == 2)
        for slot, instruction in zip(schedule.body + schedule.drain, compiled.instructions, strict=True)
    ]


def play(compiled: Compiled, streams: list[int], waits: int | None = None) -> None:
    """Fail unless each read finds its own image's element or a border, and the drain is free for each tile."""
    schedule, latencies = compiled.schedule, Latencies.of(compiled.config)
    operations = [mapping.operation for mapping in schedule.mappings]
    regions = [mapping.result.elements for mapping in schedule.mappings]
    order = [slot.operation for slot in schedule.body + schedule.drain]
    walks = walks_of(compiled)
    reads, borders, writes, captures = [], [], [], []  # rows of (address, time, tag); the tag is image and operation
    for start, position, image in timeline(compiled, streams, waits):
        index, parity, done = order[position], image % 2, walks[position]
        instruction, sources = compiled.instructions[position], operations[index].sources
        captures.append(done.captures + np.array([start, 0]))
        for operand, source in enumerate((sources[0], sources[-1])):
            if source != INPUT:
                time, distance, _ = done.reads[done.reads[:, 2] == operand].T
                address = instruction.read_bases[parity] + distance
                place = address - compiled.places[source][parity]
                assert ((place >= 0) & (place < len(regions[source]))).all(), "a read leaves its tensor"
                inside = regions[source][place]
                rows = np.stack([address, start + time, np.full(len(time), image * len(order) + source)], axis=1)
                reads.append(rows[inside])
                borders.append(address[~inside])
        if not instruction.is_result:
            time, distance = done.writes.T
            address, base = instruction.write_bases[parity] + distance, compiled.places[index][parity]
            assert (np.sort(address) == base + np.flatnonzero(regions[index])).all(), "not each element is written once"
            visible = start + time + latencies.write + latencies.write_to_read
            writes.append(np.stack([address, visible, np.full(len(time), image * len(order) + index)], axis=1))

    results = [
        start for start, position, _ in timeline(compiled, streams, waits) if compiled.instructions[position].is_result
    ]
    assert all(after - before >= RESERVE_CYCLES for before, after in pairwise(results)), (
        "room for logits is not counted yet"
    )
    captures = sorted(np.concatenate(captures).tolist())
    for (capture, cycles), (following, _) in pairwise(captures):
        assert capture + cycles <= following, "two tiles meet in the drain"
    assert bool(reads) == bool(writes) == (len(operations) > 1)
    if not reads:
        return
    (address, time, tag), (written, visible, found) = (np.concatenate(rows).T for rows in (reads, writes))
    assert not np.isin(np.concatenate(borders), written).any(), "something is written into a border"
    horizon = 2 + max(time.max(), visible.max())
    key, write_key = address * horizon + time, written * horizon + visible
    by_key = np.argsort(write_key)
    latest = np.searchsorted(write_key[by_key], key, side="right") - 1
    there = by_key[latest]
    assert (latest >= 0).all(), "an element is read before it is written"
    assert (written[there] == address).all(), "an element is read before it is written"
    assert (found[there] == tag).all(), "an element of another tensor or image is read"
    # In the cycle before it becomes visible a write meets the read of the same word: what is read is undefined.
    assert not np.isin(key + 1, write_key).any(), "an element is read while it is replaced"


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_read_finds_its_own_element(seed, kind):
    compiled = random_compiled(seed, kind)
    play(compiled, [compiled.schedule.stages + 3, 1, compiled.schedule.stages, 2])


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("seed", SEEDS[::2])
def test_every_read_finds_its_own_element_however_long_the_array_waits(seed, kind):
    compiled = random_compiled(seed, kind)
    play(compiled, [compiled.schedule.stages + 2, 1, 2], waits=seed)


def played_interference(compiled: Compiled, waits: int | None) -> np.ndarray:
    """(operations, operations) which results are alive at once, by the cycles of their writes and reads."""
    schedule, latencies = compiled.schedule, Latencies.of(compiled.config)
    order = [slot.operation for slot in schedule.body + schedule.drain]
    walks, lives = walks_of(compiled), {}
    for start, position, image in timeline(compiled, [schedule.stages + 3, 1, schedule.stages, 2], waits):
        operation, done = schedule.mappings[order[position]].operation, walks[position]
        if not operation.is_result:
            written = start + done.writes[:, 0] + latencies.write
            lives.setdefault((order[position], image), []).extend([written.min(), written.max()])
        for operand, source in enumerate((operation.sources[0], operation.sources[-1])):
            if source != INPUT:
                time, distance, _ = done.reads[done.reads[:, 2] == operand].T
                base = compiled.places[source][image % 2] - compiled.instructions[position].read_bases[image % 2]
                read = time[schedule.mappings[source].result.elements[distance - base]]
                lives[source, image].extend(start + read + latencies.read_to_write - 1)
    whose = np.array([operation for operation, _ in lives], dtype=int)
    begins, ends = np.array([(min(times), max(times)) for times in lives.values()]).reshape(-1, 2).T
    at_once = np.zeros((len(schedule.mappings),) * 2, dtype=bool)
    meet = (begins[:, None] <= ends) & (begins <= ends[:, None])
    np.logical_or.at(at_once, (whose[:, None], whose), meet)
    np.fill_diagonal(at_once, False)
    return at_once


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("seed", SEEDS)
def test_interference_is_that_of_the_played_reads_and_writes(seed, kind):
    compiled = random_compiled(seed, kind)
    expected = interference(compiled.schedule)
    np.fill_diagonal(expected, False)
    played = np.any([played_interference(compiled, waits) for waits in (None, *range(6))], axis=0)
    assert (played <= expected).all()
    weights = [mapping.operation.weight for mapping in compiled.schedule.mappings]
    if all(weight.any(axis=(1, 2, 3, 4)).all() for weight in weights):  # else some elements meet none but zero weights
        assert (played == expected).all()


def check_delays_are_the_least(compiled: Compiled) -> None:
    """Each delay of a latency schedule less one breaks a rule."""
    schedule, first = compiled.schedule, compiled.schedule.mappings[0]
    latency = LoopNest.latency(compiled.config)
    refill = max(first.load_cycles, -(-(first.steps + latency + first.load_cycles + ADMIT_CYCLES) // 2))
    for index, instruction in enumerate(compiled.instructions):
        if instruction.delay == 0 or (index == 0 and schedule.round_cycles == refill):
            continue
        instructions = list(compiled.instructions)
        instructions[index] = replace(instruction, delay=instruction.delay - 1)
        with pytest.raises(AssertionError):
            play(replace(compiled, instructions=tuple(instructions)), [3, 2])


@pytest.mark.parametrize("seed", [*range(20), *range(IMAGES, IMAGES + 40, 2)])
def test_any_shorter_delay_of_a_latency_schedule_breaks_a_rule(seed):
    check_delays_are_the_least(random_compiled(seed, "latency"))


@pytest.mark.parametrize(("outputs", "groups", "lanes", "taps"), [(6, 2, 1, 7), (12, 2, 4, 1), (24, 3, 5, 2)])
def test_delays_are_right_where_a_group_takes_several_tiles(outputs, groups, lanes, taps):
    network = grouped_network(outputs, groups)
    compiled = compile_network(network, size_array(network, lanes, taps, kind="latency"), "latency")
    play(compiled, [3, 1, 2])
    check_delays_are_the_least(compiled)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_throughput_schedule_has_no_longer_round_and_a_latency_schedule_no_drain(seed):
    throughput, latency = (random_compiled(seed, kind).schedule for kind in ("throughput", "latency"))
    assert latency.stages == 1
    assert latency.drain == ()
    assert latency.drain_cycles == 0
    assert throughput.round_cycles <= make_schedule(throughput.mappings, "latency").round_cycles  # on the same array
    for schedule in (throughput, latency):
        assert [slot.operation for slot in schedule.body] == list(range(len(schedule.mappings)))
        assert list(schedule.ages) == sorted(schedule.ages)
        # Each operation runs once for each age from its own up to that of the oldest image.
        assert len(schedule.drain) == sum(slot.age for slot in schedule.body)


SEARCHED = (*range(1, 25, 2), 30, 78, 98, 338, 384, 476, 64, 136)
"""Seeds of networks of 2 to 6 operations. The last eight have branches, where raising one age after the other is not
enough."""


@cache
def searched(seed: int) -> tuple[Mapping, ...]:
    """The operations of a network on any array."""
    rng = np.random.default_rng(seed)
    if seed % 2:
        network = random_network(seed, rng.integers(1, 30, rng.integers(3, 7)).tolist())
    else:
        network = random_image_network(seed, shape=(5, 5, 2), last=("dense", "pooled", "avgpool")[seed % 3])
    lanes, taps = rng.integers(1, 17, 2).tolist()
    return map_network(network, size_array(network, lanes, taps, 1 if seed % 2 else int(rng.choice([1, 2, 4]))))


def cost(schedule: Schedule) -> tuple[int, int]:
    return schedule.round_cycles, schedule.stages


@pytest.mark.parametrize("seed", SEARCHED)
def test_no_ages_are_better_than_those_of_the_search(seed):
    mappings = searched(seed)
    reads = [(index, source) for index, each in enumerate(mappings) for source in each.operation.sources]
    found = []
    for ages in product(range(len(mappings)), repeat=len(mappings) - 1):
        ages = (0, *ages)  # the pixels are those of the newest image
        if all(source == INPUT or ages[reader] >= ages[source] for reader, source in reads):
            found.append(with_ages(mappings, ages))
    assert cost(make_schedule(mappings, "throughput")) == min(cost(schedule) for schedule in found if schedule)


def test_seeds_show_that_the_search_finds_more_than_one_age_after_the_other(monkeypatch):
    best = [cost(make_schedule(searched(seed), "throughput")) for seed in SEARCHED]
    monkeypatch.setattr(hw.schedule, "SEARCHED_OPERATIONS", 0)
    raised = [cost(make_schedule(searched(seed), "throughput")) for seed in SEARCHED]
    assert {len(searched(seed)) for seed in SEARCHED} >= {3, 4, 5, SEARCHED_OPERATIONS}
    assert sum(greedy > one for greedy, one in zip(raised, best, strict=True)) == 8


def test_throughput_schedule_is_shorter_where_layers_wait_for_each_other():
    network = random_network(0, [32, 16, 16, 10])
    cycles = [
        compile_network(network, size_array(network, 16, 8, kind=kind), kind).schedule.round_cycles
        for kind in ("throughput", "latency")
    ]
    assert cycles[0] < cycles[1]


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("seed", SEEDS)
def test_result_and_busy_cycles_are_those_of_the_timeline(seed, kind):
    compiled = random_compiled(seed, kind)
    schedule = replace(compiled.schedule, follows=False)
    for images in (1, schedule.stages, schedule.stages + 3):
        starts = [(start, compiled.instructions[index], image) for start, index, image in timeline(compiled, [images])]
        results = {image: start for start, instruction, image in starts if instruction.is_result}
        expected = [results[image] - results[0] for image in range(images)]
        found = schedule.result_cycles(images)
        assert (found - found[0]).tolist() == expected
        # The program runs until the last logit has left, or until it waits for the next image.
        end, last = max((start + instruction.steps, instruction.last_lanes) for start, instruction, _ in starts)
        assert starts[-1][1].is_result
        leaves, waits = Latencies.of(compiled.config).logit + last - 1, compiled.instructions[0].delay
        leaves += LoopNest.latency(compiled.config)
        assert schedule.busy_cycles(images) == 1 + end - waits + min(waits, leaves)


@pytest.mark.parametrize("seed", SEEDS)
def test_two_copies_exactly_where_a_reader_is_a_round_behind(seed):
    schedule = random_compiled(seed, "throughput").schedule
    operations = [mapping.operation for mapping in schedule.mappings]
    needs = [1] * len(operations)
    for operation, age in zip(operations, schedule.ages, strict=True):
        for source in operation.sources:
            if source != INPUT:
                needs[source] = max(needs[source], 1 + age - schedule.ages[source])
    for alike in tied_operands(tuple(operations)):
        for source in alike:
            needs[source] = max(needs[other] for other in alike)
    assert list(schedule.copies) == needs
    assert max(needs) <= 2


def test_a_layer_overwrites_what_it_reads_where_its_last_step_is_early_enough():
    tables = []
    for chunks in range(8, 30):  # steps of each of two tiles, the first of which is written while the second is summed
        network = random_network(0, [4, 2 * chunks, 6, 3], weights="ends")
        compiled = compile_network(network, size_array(network, 3, 2, kind="latency"), "latency")
        play(compiled, [2, 1])
        tables.append(bool(interference(compiled.schedule)[0, 1]))
        assert tables[-1] == played_interference(compiled, None)[0, 1]
    assert tables == sorted(tables)
    assert set(tables) == {False, True}


def test_seeds_show_results_that_may_share_memory_and_such_that_must_not():
    tables = [interference(random_compiled(seed, kind).schedule)[:-1, :-1] for seed in SEEDS for kind in SCHEDULES]
    may_share = [not table.all() for table in tables if len(table) > 1]
    assert min(may_share.count(False), may_share.count(True)) > 50


def test_seeds_show_every_kind_of_schedule():
    schedules = [random_compiled(seed, "throughput").schedule for seed in SEEDS]
    assert {max(schedule.copies) for schedule in schedules} == {1, 2}
    assert {schedule.never_waits for schedule in schedules} == {False, True}
    assert any(schedule.round_cycles == schedule.mappings[0].load_cycles for schedule in schedules)
    for pair in (False, True):
        found = [each for each in schedules if any(len(m.operation.sources) == 2 for m in each.mappings) == pair]
        long = [len(each.mappings) > SEARCHED_OPERATIONS for each in found if each.stages > 1]
        assert {*long} == {False, True}


def test_unknown_schedule_is_refused():
    with pytest.raises(InputError, match=r"^schedule must be one of throughput, latency, not 'fast'$"):
        make_schedule((), "fast")


def test_more_layers_than_are_searched_are_scheduled_too():
    network = random_network(0, [9, 8, 7, 6, 5, 4, 5, 6, 7, 8, 9])
    compiled = compile_network(network, size_array(network, 4, 4))
    assert len(network.layers) > SEARCHED_OPERATIONS
    assert compiled.schedule.stages == 10
    play(compiled, [12, 1, 3])


@pytest.mark.parametrize(
    ("result_cycles", "busy", "stages", "expected"),
    [([50], 70, 1, 70.0), ([50, 60, 70, 80], 99, 1, 10.0), ([50, 60, 70, 74], 99, 2, 10.0), ([50, 54], 99, 4, 49.5)],
)
def test_cycles_per_image(result_cycles, busy, stages, expected):
    widths = {1: [4, 3], 2: [4, 8, 3], 4: [64, 16, 16, 16, 10]}[stages]
    network = random_network(0, widths)
    schedule = compile_network(network, size_array(network, 16, 8)).schedule
    assert schedule.stages == stages
    assert schedule.cycles_per_image(np.array(result_cycles), busy) == expected
