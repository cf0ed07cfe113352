"""Memory plan: who lives together lies apart, nobody writes a border, and every access lies within the depths.

That the reads of a plan find what they should is played in tests/test_hw_schedule.py.
"""

from itertools import pairwise

import numpy as np
import pytest
from networks import random_image_network, random_network

from hw.compiler import map_network, size_array
from hw.memory_plan import plan_memory
from hw.operations import INPUT
from hw.schedule import SCHEDULES, interference, make_schedule
from sw.network_file import load
from sw.shipped import network_path


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("kind", SCHEDULES)
def test_places_are_apart_and_within_the_depths(seed, kind):
    rng = np.random.default_rng(seed)
    lanes, taps, pixels = int(rng.integers(1, 12)), int(rng.integers(1, 9)), int(rng.choice([1, 2, 4]))
    if seed % 2:
        network = random_network(seed, rng.integers(1, 60, rng.integers(2, 6)).tolist())
    else:
        network = random_image_network(seed, shape=(8, 7, int(rng.integers(1, 3))))
    config = size_array(network, lanes, taps, pixels, kind=kind)
    mappings = map_network(network, config)
    schedule = make_schedule(mappings, kind)
    plan = plan_memory(mappings, schedule, config)

    together = interference(schedule)
    taken, borders, side_by_side = [], set(), 0
    for index, (mapping, copies) in enumerate(zip(mappings[:-1], schedule.copies, strict=False)):
        bases = sorted(set(plan.places[index]))
        assert len(bases) == copies
        side_by_side += copies * -(-mapping.result.size // taps)
        for base in bases:
            elements = set((base + np.flatnonzero(mapping.result.elements)).tolist())
            place = set(range(base, base + mapping.result.size))
            assert base % taps == 0
            assert max(place) < plan.hidden_words * taps
            for other, theirs in taken:
                assert not elements & theirs or (other != index and not together[index, other])
            taken.append((index, elements))
            borders |= place - elements
    assert not borders & set().union(*(elements for _, elements in taken))
    reads_beyond = max((mapping.reads_to for mapping in mappings), default=0)
    assert plan.hidden_words <= side_by_side + -(-reads_beyond // taps) + 1
    for mapping in mappings:
        for source in mapping.operation.sources:
            depth = plan.input_words if source == INPUT else plan.hidden_words
            assert min(plan.places[source]) + mapping.read_start >= 0
            assert max(plan.places[source]) + mapping.reads_to <= depth * taps
        if len(mapping.operation.sources) > 1:  # the second operand is equally far from the first for every image
            first, second = (plan.places[source] for source in mapping.operation.sources)
            assert second[0] - first[0] == second[1] - first[1]
    even, odd = plan.places[INPUT]
    margin = max(0, mappings[0].operation.row_dilation - 1 - mappings[0].source.border) * mappings[0].source.pitch
    assert even >= margin
    assert odd - margin >= even + mappings[0].source.size
    assert odd + mappings[0].source.size <= plan.input_words * taps
    assert plan.weight_words == sum(mapping.weight_depth for mapping in mappings)
    assert plan.parameter_words == sum(mapping.parameter_depth for mapping in mappings)


def hidden_words(network, kind: str, *shape: int) -> int:
    return size_array(network, *shape, kind=kind).hidden_words


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("mlp", "latency", 2),  # of two words each: a dense layer of one tile overwrites what it has read
        ("cnn-8k", "latency", -(-(5408 + 1728) // 8)),  # the two greatest, which are alive together
        ("cnn-8k", "throughput", -(-(5408 + 1728) // 8) + 2 * 8),  # and both copies of the last
        ("lenet5", "latency", -(-(1176 + 400) // 8)),
        ("cnn-large", "latency", (4392 + 7320 + 2280 + 2304) // 8),  # the last one within a row of another
    ],
)
def test_shipped_networks_use_memory_again(name, kind, words):
    found = hidden_words(load(network_path(name)), kind, 16, 8)
    assert words <= found <= words + 2  # an unaligned read, or a sum that was filled up, reads a word or two more


def test_a_deep_chain_needs_no_more_than_its_greatest_neighbours():
    widths = [20, 64, 48, 40, 64, 8, 64, 24, 64, 10]
    found = hidden_words(random_network(0, widths), "latency", 4, 4)
    assert sum(widths[1:-1]) // 4 == 94
    assert found <= max(a + b for a, b in pairwise(widths[1:-1])) // 4 + 4


def test_results_with_borders_share_where_their_borders_coincide():
    network = random_image_network(0, ("depthwise",) * 5, shape=(6, 5, 3))
    config = size_array(network, 3, 4, kind="latency")
    mappings = map_network(network, config)
    plan = plan_memory(mappings, make_schedule(mappings, "latency"), config)
    assert [mapping.result.border for mapping in mappings[:-1]] == [1, 1, 1, 1, 0]
    assert plan.places[0] == plan.places[2] != plan.places[1] == plan.places[3]
