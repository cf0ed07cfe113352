"""Schedules, checked by playing the program's reads, writes and drains in an unrolled timeline."""

from itertools import pairwise

import numpy as np
import pytest
from networks import random_network

from hw.accelerator import Latencies
from hw.compiler import Compiled, compile_network, size_array
from hw.schedule import SCHEDULES, make_schedule
from sw.errors import InputError


def random_compiled(seed: int, kind: str) -> Compiled:
    rng = np.random.default_rng(seed)
    network = random_network(seed, rng.integers(1, 30, rng.integers(2, 7)).tolist())
    lanes, taps = int(rng.integers(1, 17)), int(rng.integers(1, 17))
    return compile_network(network, size_array(network, lanes, taps, kind=kind), kind)


def timeline(compiled: Compiled, streams: list[int]) -> list[tuple[int, object, int]]:
    """(first step, instruction, image) of every start while streams of so many images follow each other at once."""
    body, drain = (
        compiled.instructions[: compiled.header.drain_start],
        compiled.instructions[compiled.header.drain_start :],
    )
    starts, end, before = [], 0, 0
    for images in streams:
        rounds = [(body, newest) for newest in range(images)] + [(drain, images - 1)]
        for segment, newest in rounds:
            for instruction in segment:
                start = end + instruction.delay
                end = start + instruction.steps
                if newest >= instruction.age:
                    starts.append((start, instruction, before + newest - instruction.age))
        before += images
    return starts


def layer_of(compiled: Compiled, instruction) -> int:
    return [each.weight_base for each in compiled.instructions].index(instruction.weight_base)


def play(compiled: Compiled, streams: list[int]) -> None:
    """Fail unless every read finds its own image's element, and the drain is free for every tile."""
    config, latencies = compiled.config, Latencies.of(compiled.config)
    reads, writes, captures = [], [], []
    for start, instruction, image in timeline(compiled, streams):
        index = layer_of(compiled, instruction)
        layer = compiled.network.layers[index]
        inner, tile_level = instruction.levels[0], instruction.levels[-1]
        for tile in range(tile_level.count):
            lanes = instruction.last_lanes if tile == tile_level.count - 1 else config.lanes
            assert lanes == min(config.lanes, layer.outputs - tile * config.lanes)
            for chunk in range(inner.count):
                time = start + tile * inner.count + chunk
                for tap in range(config.taps):
                    element = chunk * config.taps + tap
                    if index and element < layer.inputs:
                        address = instruction.read_bases[image % 2] + element
                        reads.append((time, address, (image, index - 1, element)))
            capture = start + (tile + 1) * inner.count - 1
            cycles = lanes if instruction.is_result else -(-lanes // config.taps)
            captures.append((capture, cycles))
            if not instruction.is_result:
                for lane in range(lanes):
                    channel = tile * config.lanes + lane
                    address = instruction.write_bases[image % 2] + channel
                    visible = capture + lane // config.taps + latencies.write + latencies.write_to_read
                    writes.append((visible, address, (image, index, channel)))

    for (capture, cycles), (following, _) in pairwise(sorted(captures)):
        assert capture + cycles <= following, "two tiles meet in the drain"

    history = {}
    for visible, address, tag in sorted(writes):
        history.setdefault(address, []).append((visible, tag))
    assert bool(reads) == (len(compiled.network.layers) > 1)
    for time, address, tag in reads:
        found = [seen for visible, seen in history[address] if visible <= time]
        assert found, f"{tag} is read before anything was written"
        assert found[-1] == tag, f"{tag} is read, but {found[-1]} is there"
        # In the cycle before it becomes visible a write meets the read of the same word: what is read is undefined.
        assert all(visible != time + 1 for visible, _ in history[address]), f"{tag} is read while it is replaced"


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("seed", range(60))
def test_every_read_finds_its_own_element(seed, kind):
    compiled = random_compiled(seed, kind)
    play(compiled, [compiled.schedule.stages + 3, 1, compiled.schedule.stages, 2])


@pytest.mark.parametrize("seed", range(30))
def test_a_throughput_schedule_has_no_longer_round_and_a_latency_schedule_no_drain(seed):
    throughput, latency = (random_compiled(seed, kind).schedule for kind in ("throughput", "latency"))
    assert latency.stages == 1
    assert latency.drain == ()
    assert latency.drain_cycles == 0
    assert throughput.round_cycles <= latency.round_cycles
    layers = range(len(throughput.mappings))
    for schedule in (throughput, latency):
        assert [slot.operation for slot in schedule.body] == list(layers)
        # Each layer runs once for each age from its own up to that of the oldest image.
        assert len(schedule.drain) == sum(slot.age for slot in schedule.body)


def test_throughput_schedule_is_shorter_where_layers_wait_for_each_other():
    network = random_network(0, [32, 16, 16, 10])
    cycles = [
        compile_network(network, size_array(network, 16, 8, kind=kind), kind).schedule.round_cycles
        for kind in ("throughput", "latency")
    ]
    assert cycles[0] < cycles[1]


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("seed", range(30))
def test_result_and_busy_cycles_are_those_of_the_timeline(seed, kind):
    compiled = random_compiled(seed, kind)
    for images in (1, compiled.schedule.stages, compiled.schedule.stages + 3):
        starts = timeline(compiled, [images])
        results = {image: start for start, instruction, image in starts if instruction.is_result}
        expected = [results[image] - results[0] for image in range(images)]
        assert compiled.schedule.result_cycles(images).tolist() == expected
        end = max(start + instruction.steps for start, instruction, _ in starts)
        assert compiled.schedule.busy_cycles(images) == 1 + end


@pytest.mark.parametrize("seed", range(30))
def test_every_delay_leaves_time_to_fetch(seed):
    schedule = random_compiled(seed, "throughput").schedule
    slots = [*schedule.body, *schedule.body]
    for index in range(1, len(slots)):
        assert schedule.steps(slots[index - 1]) + schedule.delays[index % len(schedule.body)] >= 2


def test_unknown_schedule_is_refused():
    with pytest.raises(InputError, match=r"^schedule must be one of throughput, latency, not 'fast'$"):
        make_schedule((), "fast")


def test_more_layers_than_are_searched_are_scheduled_too():
    network = random_network(0, [9, 8, 7, 6, 5, 4, 5, 6, 7, 8, 9])
    compiled = compile_network(network, size_array(network, 4, 4))
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
