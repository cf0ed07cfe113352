"""One operation on one array: what the nest multiplies and where it puts the sums, against golden; and when."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from networks import grouped_network, random_image_network, random_images, random_network

from hw.compiler import map_network, size_array
from hw.config import ArrayConfig
from hw.drain import drain_cycles
from hw.mapping import NEVER, Mapping, map_operation
from hw.operations import INPUT, lower, plan_regions
from hw.region import Region
from sw.fixed import Format, requantize
from sw.golden import infer
from sw.network import AvgPool, Dense, InputContract, Network, Requantize

LAST = ("dense", "pooled", "avgpool")
SEEDS = range(50)


@cache
def mapped(seed: int) -> tuple:
    """A random network and its operations on a random array."""
    rng = np.random.default_rng(seed)
    if seed % 5 == 0:
        network = random_network(seed, rng.integers(1, 40, 3).tolist(), signed=None)
    else:
        steps = (("strided", "maxpool"), ("conv", "large"), ("groups",))[seed // 5 % 3] if seed % 5 == 1 else None
        shape = (*rng.integers(8 if steps else 4, 9, 2).tolist(), int(rng.choice([1, 1, 2, 3])))
        network = random_image_network(seed, steps, shape=shape, last=LAST[seed % 3])
    lanes, taps, pixels = int(rng.integers(1, 9)), int(rng.integers(1, 17)), int(rng.choice([1, 2, 4]))
    return network, map_network(network, size_array(network, lanes, taps, pixels))


def steps(mapping: Mapping, distance: int = 0) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """(indices, addresses of read, weight, write, parameter) of the nest's steps, by its counters."""
    nest = mapping.nest(distance)
    config = mapping.config
    levels = nest.levels(config)
    assert len(levels) == config.loops
    address, result = np.zeros(4, dtype=int), []
    indices = [0] * len(levels)
    while True:
        result.append((tuple(indices), tuple(address.tolist())))
        for position, level in enumerate(levels):
            if indices[position] < level.count - 1:
                indices[position] += 1
                address += (level.read_step, level.weight_step, level.write_step, level.parameter_step)
                break
            indices[position] = 0
        else:
            return result


def sums(mapping: Mapping, distance: int = 0):
    """Each sum as its steps (time, read, weight) with the indices and addresses of the last of them."""
    reduction, current = mapping.config.reduction_loops, []
    counts = [level.count for level in mapping.nest().levels(mapping.config)]
    for time, (indices, (read, weight, write, parameter)) in enumerate(steps(mapping, distance)):
        current.append((time, read, weight))
        if all(index == count - 1 for index, count in zip(indices[:reduction], counts[:reduction], strict=True)):
            yield current, indices, counts, write, parameter
            current = []


def lanes_of(mapping: Mapping, indices, counts) -> int:
    tile = mapping.config.tile_loop
    return mapping.last_lanes if indices[tile] == counts[tile] - 1 else mapping.tile_lanes


def columns_of(mapping: Mapping, indices, counts) -> list[int]:
    """Columns that have a result."""
    if mapping.columns.pools:
        return [0]
    line = mapping.config.tile_loop + 1
    last = indices[line] == counts[line] - 1
    return list(range(mapping.columns.last(mapping.operation) if last else mapping.config.pixels))


def lay(region: Region, tensor: np.ndarray, memory: np.ndarray, base: int) -> None:
    for y, row in enumerate(tensor.reshape(region.height, -1)):
        memory[base + region.origin + y * region.pitch :][: len(row)] = row


def sources(network, operations, image) -> dict[int, np.ndarray]:
    """By operation, and INPUT, what golden says that it puts out."""
    taps = infer(network, image, all_taps=True).taps
    found = {INPUT: image[0]}
    for index, operation in enumerate(operations):
        found[index] = taps[operation.layers[-1]][0] if operation.layers else image[0]
    return found


def check_sums(network: Network, mappings: tuple[Mapping, ...]) -> None:
    """Every operation's steps, on a memory with golden's tensors, give golden's next tensor."""
    image = random_images(0, network, 1)
    tensors = sources(network, [mapping.operation for mapping in mappings], image)
    for index, mapping in enumerate(mappings):
        operation, scale = mapping.operation, mapping.operation.requantize
        inputs = [tensors[source] for source in operation.sources]
        margin = max(0, operation.row_dilation - 1) * mapping.source.pitch
        distance = mapping.source.size + 11 if len(inputs) > 1 else 0
        size = max(mapping.reads_to, mapping.source.size)
        memory = np.full(margin + distance + size + 50, 99)  # what lies around must not matter
        for operand, tensor in enumerate(inputs):
            base = margin + operand * distance
            memory[base : base + mapping.source.size] = 0
            if operation.row_dilation > 1:
                lay_interleaved(mapping, tensor, memory, base)
            else:
                lay(mapping.source, tensor, memory, base)
        words, drain_words = mapping.weight_words(), mapping.config.drain_words
        bias = mapping.by_drain_word(operation.bias, fill=0)
        result = {}
        pool_start = mapping.config.reduction_loops
        for current, indices, counts, write, parameter in sums(mapping, distance):
            lanes = lanes_of(mapping, indices, counts)
            totals = np.zeros((mapping.config.pixels, mapping.config.lanes), dtype=np.int64)
            for _, read, weight in current:
                for column, offset in enumerate((0, *mapping.column_offsets)):
                    start = margin + mapping.read_start + read + offset
                    assert start + mapping.config.taps <= margin + distance + mapping.reads_to
                    totals[column] += words[weight] @ memory[start : start + mapping.config.taps]
            if mapping.columns.pools:
                totals = totals.max(axis=0, keepdims=True)
            lane_bias = bias[parameter : parameter + drain_words].ravel()[:lanes]
            pooled = indices[pool_start : mapping.config.tile_loop]
            for column in columns_of(mapping, indices, counts):
                for lane in range(lanes):
                    place = write + column * mapping.column_write + lane
                    if mapping.is_result:
                        place = indices[mapping.config.tile_loop] * mapping.tile_lanes + lane
                    value = totals[column, lane] + lane_bias[lane]
                    if scale is not None:
                        factors = per_lane(mapping, scale, parameter, lane)
                        value = int(requantize(np.array([value]), *factors, scale.form)[0])
                    assert (place in result) == any(pooled)
                    result[place] = max(value, result.get(place, value))
        region = mapping.result
        if mapping.is_result:
            assert [result[place] for place in sorted(result)] == tensors[index].ravel().tolist()
            continue
        expected = {}
        for y, row in enumerate(tensors[index].reshape(region.height, -1).tolist()):
            expected |= {y * region.pitch + x: value for x, value in enumerate(row)}
        assert result == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_nest_computes_the_operation(seed):
    check_sums(*mapped(seed))


@pytest.mark.parametrize(
    ("lanes", "taps", "groups", "chunks"), [(4, 4, 4, 3), (9, 5, 4, 3), (8, 2, 2, 3), (3, 8, 2, 1), (1, 4, 1, 1)]
)
def test_a_tile_takes_the_groups_that_need_the_fewest_steps(lanes, taps, groups, chunks):
    network = random_image_network(1, ("groups",), shape=(4, 4, 1))  # 4 groups of 3 inputs and an output
    mappings = map_network(network, size_array(network, lanes, taps))
    assert (mappings[1].tile_lanes, mappings[1].chunks) == (groups, chunks)
    check_sums(network, mappings)


def lay_interleaved(mapping: Mapping, image: np.ndarray, memory: np.ndarray, base: int) -> None:
    """Every pixel at each place where the loader puts it."""
    region, rows = mapping.source, mapping.operation.row_dilation
    for (y, x), value in np.ndenumerate(image[..., 0]):
        for copy in range(rows):
            memory[base + region.origin + (y - copy) * region.pitch + x * rows + copy] = value


def per_lane(mapping: Mapping, scale, parameter: int, lane: int):
    drain_words = mapping.config.drain_words
    values = [mapping.by_drain_word(each, fill=1) for each in (scale.multiplier, scale.shift)]
    return [np.array([each[parameter : parameter + drain_words].ravel()[lane]]) for each in values]


def check_times(mappings: tuple[Mapping, ...]) -> None:
    """What is said of each element's reads and writes, and of each sum, is what the steps of the nest do."""
    for mapping in mappings:
        source, operands = mapping.source, mapping.operation.weight.shape[1]
        places = {
            mapping.source.origin + y * source.pitch + x: (y, x)
            for y in range(source.height)
            for x in range(source.row)
        }
        words = mapping.weight_words()
        first = np.full((operands, source.height, source.row), NEVER)
        last = np.full(first.shape, -NEVER)
        written = np.full((mapping.result.height, mapping.result.row), -1)
        logits, captures = [], []
        per_operand = mapping.sum_steps // operands
        for current, indices, counts, write, _ in sums(mapping):
            active, lanes = columns_of(mapping, indices, counts), lanes_of(mapping, indices, counts)
            if mapping.columns.pools:
                active = range(mapping.columns.rows * mapping.columns.across)
            offsets = (0, *mapping.column_offsets)
            for step, (time, read, weight) in enumerate(current):
                for column in active:
                    for tap in range(mapping.config.taps):
                        place = places.get(mapping.read_start + read + offsets[column] + tap)
                        if place is not None and words[weight, :lanes, tap].any():
                            at = (step // per_operand, *place)
                            first[at], last[at] = min(first[at], time), max(last[at], time)
            capture = current[-1][0]
            captures.append((capture, drain_cycles(lanes, mapping.config, mapping.is_result, mapping.result_columns)))
            if mapping.is_result:
                logits += [capture + lane for lane in range(lanes)]
                continue
            for column in columns_of(mapping, indices, counts):
                for lane in range(lanes):
                    y, x = divmod(write + column * mapping.column_write + lane, mapping.result.pitch)
                    turn = lane // mapping.config.drain_channels * mapping.result_columns
                    written[y, x] = max(written[y, x], capture + turn + column)
        for operand in range(operands):
            # A read that meets zero weights only may count too: earlier, or later, than the true ones, never within.
            assert (mapping.first_reads(operand) <= first[operand]).all()
            assert (mapping.last_reads(operand) >= last[operand]).all()
            if mapping.operation.weight.all():
                assert (np.minimum(mapping.first_reads(operand), NEVER) == first[operand]).all()
                is_read = last[operand] >= 0
                assert (mapping.last_reads(operand)[is_read] == last[operand][is_read]).all()
                assert (mapping.last_reads(operand)[~is_read] < 0).all()
        for (before, busy), (after, _) in pairwise(captures):
            assert before + busy <= after
        assert mapping.first_capture == captures[0][0]
        assert mapping.drain_free == sum(captures[-1])
        assert mapping.steps == captures[-1][0] + 1
        if mapping.is_result:
            assert mapping.logits().tolist() == logits
        else:
            assert mapping.drains().tolist() == written.tolist()


@pytest.mark.parametrize("seed", SEEDS)
def test_times_are_those_of_the_nest(seed):
    check_times(mapped(seed)[1])


@pytest.mark.parametrize("pixels", [1, 2, 4])
@pytest.mark.parametrize(
    ("outputs", "groups", "lanes", "taps", "tile_lanes", "tiles"),
    [
        (6, 2, 1, 7, 1, 3),
        (6, 2, 2, 3, 1, 3),  # a group's outputs are prime and more than the lanes
        (14, 2, 6, 4, 1, 7),
        (12, 2, 4, 1, 3, 2),
        (24, 3, 5, 2, 4, 2),
    ],
)
def test_a_group_of_more_outputs_than_lanes_takes_several_tiles(
    outputs, groups, lanes, taps, tile_lanes, tiles, pixels
):
    network = grouped_network(outputs, groups)
    mappings = map_network(network, size_array(network, lanes, taps, pixels))
    assert (mappings[1].tile_lanes, mappings[1].tiles) == (tile_lanes, groups * tiles)
    check_sums(network, mappings)
    check_times(mappings)


def dense(inputs: int, outputs: int, lanes: int, taps: int, *, is_result: bool = False) -> Mapping:
    """A dense layer, hidden or not."""
    network = random_network(inputs, [inputs, outputs] if is_result else [inputs, outputs, 2])
    operations = lower(network, input_gaps=False)
    regions = plan_regions(operations, network.input.shape)
    return map_operation(operations[0], ArrayConfig(lanes=lanes, taps=taps), regions[INPUT], regions[0])


@pytest.mark.parametrize(
    ("shape", "cycles", "utilization"),
    [
        ((784, 16, 16, 8), 98, 1.0),
        ((784, 16, 16, 1), 784, 1.0),
        ((16, 10, 16, 8), 2, 160 / 256),
        ((3, 20, 2, 1), 30, 1.0),
    ],
)
def test_steps_and_utilization(shape, cycles, utilization):
    mapping = dense(*shape)
    assert mapping.steps == cycles
    assert mapping.utilization == pytest.approx(utilization)


def test_sum_shorter_than_the_drain_is_filled_up():
    assert dense(1, 20, 4, 1).chunks == 4
    assert dense(1, 4, 4, 1).chunks == 1  # a single tile waits for no drain of its own layer
    assert dense(1, 20, 4, 4).chunks == 1
    assert dense(1, 20, 4, 4, is_result=True).chunks == 4


@pytest.mark.parametrize(("shift", "own_tiles"), [([5] * 12, 1), ([5] * 11 + [6], 4)])
def test_channels_of_a_pool_share_weights_and_parameters_where_they_have_the_same_scale(shift, own_tiles):
    scale = Requantize(np.ones(12, dtype=np.int64), np.array(shift), Format(8, signed=False))
    classifier = Dense(np.ones((2, 48), dtype=np.int64), np.zeros(2, dtype=np.int64), 2, None)
    network = Network("pooled", InputContract((4, 4, 12)), (AvgPool(2, requantize=scale), classifier))
    mapping, _ = map_network(network, size_array(network, 3, 4))
    assert mapping.tiles == 4
    assert mapping.weight_depth == len(mapping.weight_words()) == own_tiles * mapping.sum_steps
    assert mapping.parameter_depth == own_tiles * mapping.config.drain_words
    assert mapping.by_drain_word(scale.shift, fill=0).shape == (mapping.parameter_depth, mapping.config.drain_channels)


def test_seeds_show_every_arrangement():
    mappings = [mapping for seed in SEEDS for mapping in mapped(seed)[1]]
    assert {mapping.columns.pools for mapping in mappings} == {False, True}
    assert any(mapping.columns.pools and mapping.columns.rows > 1 for mapping in mappings)
    assert any(not mapping.columns.pools and mapping.columns.rows > 1 for mapping in mappings)
    assert any(mapping.operation.row_dilation > 1 for mapping in mappings)
    assert any(mapping.operation.row_dilation > 1 and mapping.source.border for mapping in mappings)
    assert any(mapping.operation.is_uniform for mapping in mappings)
    assert any(mapping.tiles > 1 and mapping.operation.groups > 1 for mapping in mappings)
    assert any(mapping.chunks > 1 and mapping.operation.groups > 1 for mapping in mappings)
    steps_of_windows = {loop.read // mapping.source.channels for mapping in mappings for loop in mapping.nest().pool}
    assert {1, 2, 3} <= steps_of_windows
