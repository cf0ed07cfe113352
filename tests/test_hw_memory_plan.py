"""Memory plan: no two places share an element, and every access lies within the depths."""

from dataclasses import replace

import numpy as np
import pytest
from networks import random_network

from hw.compiler import map_layers, size_array
from hw.memory_plan import plan_memory
from hw.schedule import SCHEDULES, make_schedule


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("packed", [False, True])
def test_places_are_apart_and_within_the_depths(seed, kind, packed):
    rng = np.random.default_rng(seed)
    widths = rng.integers(1, 60, rng.integers(2, 6)).tolist()
    lanes, taps = int(rng.integers(1, 12)), int(rng.integers(2, 9))
    network = random_network(seed, widths)
    config = size_array(network, lanes, taps, kind=kind)
    config = replace(config, unaligned_reads=packed or config.unaligned_reads)
    config = replace(config, unaligned_writes=packed or config.unaligned_writes)
    mappings = map_layers(network, config)
    schedule = make_schedule(mappings, kind)
    plan = plan_memory(mappings, schedule, config)

    taken = set()
    for mapping, bases, copies in zip(mappings, plan.writes, schedule.copies, strict=False):
        for base in sorted(set(bases)):
            place = set(range(base, base + mapping.layer.outputs))
            assert not place & taken
            assert max(place) < plan.hidden_words * taps
            taken |= place
        assert len(set(bases)) == copies
    assert plan.reads[1:] == plan.writes[:-1]
    for index, (mapping, bases) in enumerate(zip(mappings, plan.reads, strict=True)):
        depth = plan.hidden_words if index else plan.input_words
        assert max(bases) + mapping.chunks * taps <= depth * taps
    assert plan.weight_words == sum(mapping.steps for mapping in mappings)
    assert plan.parameter_words == sum(mapping.parameter_words for mapping in mappings)
