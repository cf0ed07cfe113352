"""Memory plan: no two places share an element, and every access lies within the depths."""

import numpy as np
import pytest
from networks import random_image_network, random_network

from hw.compiler import map_network, size_array
from hw.memory_plan import plan_memory
from hw.operations import INPUT
from hw.schedule import SCHEDULES, make_schedule


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

    taken = set()
    for index, (mapping, copies) in enumerate(zip(mappings[:-1], schedule.copies, strict=False)):
        bases = sorted(set(plan.places[index]))
        assert len(bases) == copies
        for base in bases:
            place = set(range(base, base + mapping.result.size))
            assert base % taps == 0
            assert not place & taken
            assert max(place) < plan.hidden_words * taps
            taken |= place
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
