"""One layer on one array: what the nest multiplies and where it puts the sums, against the layer's own formula."""

import numpy as np
import pytest
from networks import random_network

from hw.config import ArrayConfig
from hw.mapping import Mapping

SHAPES = [(1, 1, 1, 1), (10, 7, 4, 4), (9, 16, 16, 2), (5, 33, 16, 3), (3, 20, 2, 1), (17, 5, 8, 16), (2, 9, 4, 1)]


def mapping(inputs: int, outputs: int, lanes: int, taps: int, *, is_result: bool = False) -> Mapping:
    layer = random_network(inputs, [inputs, outputs]).layers[0]
    return Mapping(layer, ArrayConfig(lanes=lanes, taps=taps), is_result)


def steps(levels) -> list[tuple[int, int, int]]:
    """(read, weight, write) addresses of a nest, by its counters."""
    address, result = np.zeros(3, dtype=int), []
    indices = [0] * len(levels)
    while True:
        result.append(tuple(address.tolist()))
        for position, level in enumerate(levels):
            if indices[position] < level.count - 1:
                indices[position] += 1
                address += (level.read_step, level.weight_step, level.write_step)
                break
            indices[position] = 0
        else:
            return result


@pytest.mark.parametrize("is_result", [False, True])
@pytest.mark.parametrize(("inputs", "outputs", "lanes", "taps"), SHAPES)
def test_nest_computes_the_layer(inputs, outputs, lanes, taps, is_result):
    dense = mapping(inputs, outputs, lanes, taps, is_result=is_result)
    activation = np.random.default_rng(0).integers(0, 256, inputs)
    memory = np.full((dense.chunks + 1) * taps, 99)  # what lies behind the tensor meets zero weights
    memory[:inputs] = activation
    words = dense.weight_words()
    walk = steps(dense.levels)
    assert len(walk) == dense.steps == len(words)
    sums = {}
    for number, (read, weight, write) in enumerate(walk):
        tile = number // dense.chunks
        key = tile if is_result else write // lanes
        assert key == tile
        sums[tile] = sums.get(tile, 0) + words[weight] @ memory[read : read + taps]
    assert len(sums) == dense.tiles
    found = np.concatenate([sums[tile] for tile in range(dense.tiles)])
    assert found[:outputs].tolist() == (dense.layer.weight @ activation).tolist()
    assert len(found) - outputs == lanes - dense.last_lanes


@pytest.mark.parametrize(("inputs", "outputs", "lanes", "taps"), SHAPES)
def test_times_of_reads_are_those_of_the_nest(inputs, outputs, lanes, taps):
    dense = mapping(inputs, outputs, lanes, taps)
    times = {element: [] for element in range(inputs)}
    for time, (read, _, _) in enumerate(steps(dense.levels)):
        for element in range(read, min(read + taps, inputs)):
            times[element].append(time)
    assert dense.first_reads().tolist() == [min(times[element]) for element in range(inputs)]
    assert dense.last_reads().tolist() == [max(times[element]) for element in range(inputs)]


@pytest.mark.parametrize("is_result", [False, True])
@pytest.mark.parametrize(("inputs", "outputs", "lanes", "taps"), SHAPES)
def test_drain_has_finished_before_the_next_tile(inputs, outputs, lanes, taps, is_result):
    dense = mapping(inputs, outputs, lanes, taps, is_result=is_result)
    captures = [(tile + 1) * dense.chunks - 1 for tile in range(dense.tiles)]
    sizes = [min(lanes, outputs - tile * lanes) for tile in range(dense.tiles)]
    busy = [size if is_result else -(-size // taps) for size in sizes]
    free = [capture + cycles for capture, cycles in zip(captures, busy, strict=True)]
    assert all(after >= before for before, after in zip(free, captures[1:], strict=False))
    assert dense.first_capture == captures[0]
    assert dense.drain_free == free[-1]
    drained = [captures[channel // lanes] + (channel % lanes) // taps for channel in range(outputs)]
    assert dense.drains().tolist() == drained


@pytest.mark.parametrize(("inputs", "outputs", "lanes", "taps"), SHAPES)
def test_parameters_lie_as_the_drain_walks(inputs, outputs, lanes, taps):
    dense = mapping(inputs, outputs, lanes, taps)
    words = dense.by_drain_word(np.arange(outputs), fill=-1)
    drain_words = -(-lanes // taps)
    assert words.shape == (dense.tiles * drain_words, taps)
    for tile in range(dense.tiles):
        part = words[tile * drain_words : (tile + 1) * drain_words].ravel().tolist()
        channels = list(range(tile * lanes, min(outputs, (tile + 1) * lanes)))
        assert part == channels + [-1] * (len(part) - len(channels))


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
    dense = mapping(*shape)
    assert dense.steps == cycles
    assert dense.utilization == pytest.approx(utilization)


def test_sum_shorter_than_the_drain_is_filled_up():
    assert mapping(1, 20, 4, 1).chunks == 4
    assert mapping(1, 4, 4, 1).chunks == 1  # a single tile waits for no drain of its own layer
    assert mapping(1, 20, 4, 4).chunks == 1
    assert mapping(1, 20, 4, 4, is_result=True).chunks == 4
