from dataclasses import replace

import numpy as np
import pytest
from networks import random_image_network, random_images, random_network

from hw.compiler import compile_network, map_network, size_array
from hw.config import LIMITS, ArrayConfig
from hw.schedule import SCHEDULES, Schedule, make_schedule
from sim.amaranth_sim import simulate_component
from sw import network_file
from sw.errors import InputError
from sw.network import Network
from sw.shipped import network_path

SIZES = (
    "accumulator_bits",
    "weight_bits",
    "activation_bits",
    "multiplier_bits",
    "shift_bits",
    "input_words",
    "hidden_words",
    "weight_words",
    "parameter_words",
    "program_words",
    "result_words",
    "stages",
    "delay_bits",
    "logit_bits",
)
LOOPS = ("loops", "reduction_loops", "pool_loops")
NETWORKS = {
    "pipelined": (random_network(0, [30, 16, 16, 10], multiplier=True), 16, 8),
    "tiled": (random_network(1, [17, 40, 9], weight_bits=5, activation_bits=6), 7, 3),
    "single": (random_network(2, [50, 10]), 4, 4),
    "serial": (random_network(3, [9, 5, 3], signed=True), 1, 1),
    "delayed": (random_network(4, [9, 1]), 2, 6),
    "image": (random_image_network(0, ("projection", "maxpool"), shape=(9, 9, 3)), 4, 4),
}


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("name", NETWORKS)
def test_sized_array_runs_its_network(name, kind):
    network, lanes, taps = NETWORKS[name]
    config = size_array(network, lanes, taps, kind=kind)
    assert (config.lanes, config.taps) == (lanes, taps)
    assert compile_network(network, config, kind).config == config


@pytest.mark.parametrize("size", [*SIZES, *LOOPS])
@pytest.mark.parametrize("name", NETWORKS)
def test_sized_array_is_the_smallest(name, size):
    network, lanes, taps = NETWORKS[name]
    config = size_array(network, lanes, taps)
    value = getattr(config, size)
    if value == LIMITS[size][0] or (len(network.layers) == 1 and size == "activation_bits"):
        return  # an array cannot have less, or the network has no hidden activations
    rule = rf"needs {size} of at least {value}, the array has {value - 1}; make the array with room for it"
    with pytest.raises(InputError, match=rule):
        compile_network(network, replace(config, **{size: value - 1}))


def test_every_size_is_above_its_limit_in_one_of_the_networks():
    configs = [size_array(*NETWORKS[name]) for name in NETWORKS]
    for size in (*SIZES, *LOOPS):
        assert any(getattr(config, size) > LIMITS[size][0] for config in configs)


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("name", NETWORKS)
def test_depths_are_those_that_the_program_reaches(name, kind):
    """Every word of weights is read. Kept free are the words of channels that the last tile lacks, and what borders and
    vectors that begin inside of a word may take."""
    network, lanes, taps = NETWORKS[name]
    compiled = compile_network(network, size_array(network, lanes, taps, kind=kind), kind)
    config, mappings = compiled.config, compiled.schedule.mappings
    weights, ends = set(), {"input_words": 0, "hidden_words": 0, "parameter_words": 0}
    for instruction, slot in zip(compiled.instructions, compiled.schedule.body, strict=False):
        mapping, memory = mappings[slot.operation], "hidden_words" if instruction.reads_hidden else "input_words"
        reach = {"read_step": 0, "write_step": 0, "parameter_step": 0}
        words, inside = {instruction.weight_base}, dict.fromkeys((*reach, "weight_step"), 0)
        for level in instruction.levels:
            strides = {name: getattr(level, name) + inside[name] for name in inside}
            for name in inside:
                inside[name] += (level.count - 1) * strides[name]
            reach = {name: far + (level.count - 1) * strides[name] for name, far in reach.items()}
            words = {word + index * strides["weight_step"] for word in words for index in range(level.count)}
        weights |= words
        read = max(instruction.read_bases) + reach["read_step"] + max((0, *instruction.column_offsets)) + taps
        tile = -(-mapping.last_lanes // config.drain_channels)
        ends["parameter_words"] = max(
            ends["parameter_words"], instruction.parameter_base + reach["parameter_step"] + tile
        )
        ends[memory] = max(ends[memory], -(-read // taps))
        if not instruction.is_result:
            written = max(instruction.write_bases) + reach["write_step"] + mapping.last_lanes
            ends["hidden_words"] = max(ends["hidden_words"], -(-written // taps))
    assert weights == set(range(config.weight_words))
    assert 0 <= config.parameter_words - max(2, ends["parameter_words"]) < max(1, config.drain_words)
    for memory in ("input_words", "hidden_words"):
        assert 0 <= getattr(config, memory) - max(2, ends[memory]) <= config.unaligned_reads
    assert config.program_words == max(2, len(compiled.instructions))
    assert config.stages == max(slot.age for slot in compiled.schedule.body) + 1


def test_no_narrower_accumulator_holds_what_an_image_can_bring():
    """Pixels that are white where a weight has one sign, and black elsewhere, reach an end of a first layer's sums."""
    for seed in range(5):
        network = random_network(seed, [20, 3])
        layer, bits = network.layers[0], size_array(network, 2, 2).accumulator_bits
        sums = [layer.bias + 255 * np.where(sign * layer.weight > 0, layer.weight, 0).sum(axis=1) for sign in (1, -1)]
        low, high = min(map(np.min, sums)), max(map(np.max, sums))
        assert -(1 << bits - 1) <= low <= high < 1 << bits - 1
        assert not -(1 << bits - 2) <= low <= high < 1 << bits - 2


@pytest.mark.parametrize(
    ("widths", "lanes", "taps", "kind", "words", "counted"),
    [
        ([6, 5, 3, 3], 1, 1, "throughput", 6, True),  # most wait where the pipeline drains
        ([2, 4, 1, 4], 4, 3, "throughput", 8, True),
        ([1, 2], 3, 4, "latency", 12, False),  # six images on their way from the array to the queue
        ([4, 3, 4], 2, 3, "latency", 7, False),
    ],
)
def test_an_array_with_room_for_a_logit_less_waits_in_a_long_stream(widths, lanes, taps, kind, words, counted):
    network = random_network(0, widths)
    compiled = compile_network(network, size_array(network, lanes, taps, kind=kind), kind)
    images = random_images(0, network, 9)
    assert compiled.config.result_words == words > network.classes
    less = replace(compiled, config=replace(compiled.config, result_words=words - 1))
    counters = simulate_component(less.accelerator(), network, images, less.watchdog_cycles).counters
    # A wait of a single cycle counts as busy. That the array itself never waits, tests/test_hw_accelerator.py shows.
    assert counters["busy"] + counters["stalled_output"] > compiled.schedule.busy_cycles(len(images))
    assert bool(counters["stalled_output"]) == counted


@pytest.mark.parametrize("seed", range(20))
def test_larger_array_runs_it_too(seed):
    rng = np.random.default_rng(seed)
    network = random_network(seed, rng.integers(1, 40, rng.integers(2, 5)).tolist())
    config = size_array(network, int(rng.integers(1, 12)), int(rng.integers(1, 12)))
    larger = {size: min(getattr(config, size) + int(rng.integers(3)), LIMITS[size][1]) for size in SIZES}
    larger["multiplier_bits"] = config.multiplier_bits
    compiled = compile_network(network, replace(config, **larger))
    assert compiled.schedule.round_cycles == compile_network(network, config).schedule.round_cycles


def test_all_reasons_are_in_one_message():
    network, lanes, taps = NETWORKS["pipelined"]
    config = size_array(network, lanes, taps)
    with pytest.raises(InputError) as refusal:
        compile_network(network, replace(config, weight_words=2, input_words=2, stages=1))
    *reasons, suggestion = str(refusal.value).split("; ")
    assert suggestion.startswith("make the array with room for it (--also), or one for it alone (--lanes")
    assert reasons == [
        f"the network needs input_words of at least {config.input_words}, the array has 2",
        f"the network needs weight_words of at least {config.weight_words}, the array has 2",
        f"the network needs stages of at least {config.stages}, the array has 1",
    ]
    with pytest.raises(InputError) as refusal:
        compile_network(network, replace(config, weight_bits=7, activation_bits=5, stages=1))
    *reasons, suggestion = str(refusal.value).split("; ")
    assert suggestion.startswith("make the array with room for it (--also), or one for it alone (--lanes")
    assert reasons == [
        "layer 0 (dense) needs weight_bits of at least 8, the array has 7",
        "layer 0 (dense) needs activation_bits of at least 8, the array has 5",
        "layer 1 (dense) needs weight_bits of at least 8, the array has 7",
        "layer 1 (dense) needs activation_bits of at least 8, the array has 5",
        "layer 2 (dense) needs weight_bits of at least 8, the array has 7",
        f"the network needs stages of at least {config.stages}, the array has 1",
    ]


def test_tiles_that_do_not_end_at_a_word_need_unaligned_writes():
    network = random_network(0, [10, 20, 4])
    config = size_array(network, 6, 4, kind="latency")
    assert config.unaligned_writes
    assert not config.unaligned_reads
    with pytest.raises(InputError, match=r"^layer 0 \(dense\) needs unaligned_writes with 4 taps; make"):
        compile_network(network, replace(config, unaligned_writes=False), "latency")
    for lanes, taps in ((8, 4), (20, 3), (6, 1)):
        assert not size_array(network, lanes, taps, kind="latency").unaligned_writes


def test_parts_of_words_need_no_unaligned_writes():
    network = random_network(0, [10, 20, 4])
    config = size_array(network, 6, 4)
    assert (config.drain_parts, config.unaligned_writes) == (2, False)
    depths = ("input_words", "hidden_words", "weight_words", "parameter_words", "result_words")
    roomy = replace(config, delay_bits=9, **dict.fromkeys(depths, 99))
    with pytest.raises(InputError, match=r"^layer 0 \(dense\) needs drain_parts of 4, or of 1 with unaligned_writes; "):
        compile_network(network, replace(roomy, lanes=5))
    compile_network(network, replace(roomy, lanes=5, drain_parts=4))


@pytest.mark.parametrize(
    ("name", "array", "kind", "parts"),
    [
        ("mlp", (4, 7), "throughput", 7),  # 476 cycles instead of 472
        ("mlp", (4, 7), "latency", 1),
        ("mlp", (16, 8), "throughput", 1),  # two parts take 110 cycles instead of 102
        ("mlp", (16, 1), "throughput", 1),
    ],
)
def test_fewest_requantizers_that_cost_no_speed(name, array, kind, parts):
    network = shipped(name)
    config = size_array(network, *array, kind=kind)
    assert config.drain_parts == parts
    found = compile_network(network, config, kind).schedule
    whole = _with_parts(network, config, 1, kind)
    assert whole.round_cycles <= found.round_cycles <= whole.round_cycles / 0.99
    assert found.stages <= whole.stages
    fewer = [more for more in range(parts + 1, array[1] + 1) if array[1] % more == 0 and kind == "throughput"]
    assert all(_with_parts(network, config, more, kind).round_cycles * 0.99 > whole.round_cycles for more in fewer)


def test_fewer_requantizers_keep_no_more_images_in_flight():
    network = random_network(128, [54, 60, 39, 71])
    config = size_array(network, 4, 2)
    fewer = _with_parts(network, config, 2, "throughput")
    assert (config.drain_parts, config.stages, fewer.stages) == (1, 1, 2)
    assert fewer.round_cycles == _with_parts(network, config, 1, "throughput").round_cycles


def _with_parts(network: Network, config: ArrayConfig, parts: int, kind: str) -> Schedule:
    return make_schedule(map_network(network, replace(config, drain_parts=parts)), kind)


def test_the_greatest_network_of_a_memory_is_taken():
    assert size_array(random_network(0, [4096, 256]), 1, 1).weight_words == 1 << 20
    with pytest.raises(InputError, match="this network needs weight_words of 1048832; an array has at most 1048576"):
        size_array(random_network(0, [4097, 256]), 1, 1)


def test_network_beyond_every_array_is_refused():
    network = random_network(0, [4200, 250])
    with pytest.raises(InputError, match="this network needs weight_words of 1050000; an array has at most 1048576"):
        size_array(network, 1, 1)


def shipped(name: str) -> Network:
    return network_file.load(network_path(name))


def test_nest_and_ports_that_an_array_lacks_are_all_named():
    network = random_image_network(0, ("residual", "maxpool", "overlapping"), shape=(13, 12, 3))
    config = replace(size_array(network, 4, 4), loops=2, reduction_loops=1, pool_loops=0)
    with pytest.raises(InputError) as caught:
        compile_network(network, replace(config, unaligned_reads=False, unaligned_writes=False))
    reasons = str(caught.value).split("; ")
    assert reasons[:3] == [
        "the network needs reduction_loops of at least 2, the array has 1",
        "the network needs pool_loops of at least 2, the array has 0",
        "the network needs loops of at least 4, the array has 2",
    ]
    assert "layer 0 (conv2d) needs unaligned_reads with 4 taps" in reasons
    assert "layer 1+2 (add + maxpool) needs unaligned_writes with 4 taps" in reasons


def test_array_without_gaps_copies_a_padded_input():
    network = random_image_network(1, ("padded",), shape=(6, 5, 1), activation_bits=8)
    config = size_array(network, 4, 3)
    assert config.input_gaps
    kinds = [mapping.operation.name for mapping in compile_network(network, config).schedule.mappings]
    assert kinds == ["conv2d", "dense"]
    plain = replace(config, input_gaps=False, interleave=1, hidden_words=200, weight_words=900, parameter_words=90)
    larger = replace(plain, program_words=16, result_words=99, stages=5, delay_bits=9, loops=6)
    larger = replace(larger, drain_parts=1, unaligned_writes=True)
    kinds = [mapping.operation.name for mapping in compile_network(network, larger).schedule.mappings]
    assert kinds == ["copy", "conv2d", "dense"]


@pytest.mark.parametrize(
    ("lanes", "taps", "pixels", "rows"),
    [(8, 5, 2, 1), (8, 8, 4, 3), (8, 10, 4, 2), (8, 4, 2, 5), (8, 1, 1, 1)],
)
def test_rows_of_pixels_are_interleaved_where_that_fills_vectors(lanes, taps, pixels, rows):
    assert size_array(shipped("cnn"), lanes, taps, pixels).interleave == rows


@pytest.mark.parametrize(
    ("name", "array", "utilization"),
    [
        ("cnn", (8, 5, 2), 0.98),
        ("cnn", (8, 4, 2), 0.94),
        ("cnn", (8, 8, 4), 0.87),
        ("lenet5", (6, 8, 1), 0.83),
        ("lenet5", (6, 10, 1), 0.88),
        ("mlp", (16, 8, 1), 0.99),
    ],
)
def test_shipped_networks_keep_the_multipliers_busy(name, array, utilization):
    network = shipped(name)
    assert compile_network(network, size_array(network, *array)).utilization >= utilization


def test_unknown_schedule_is_refused():
    with pytest.raises(InputError, match="schedule must be one of throughput, latency, not 'fast'"):
        size_array(NETWORKS["single"][0], 4, 4, kind="fast")


@pytest.mark.parametrize("name", NETWORKS)
def test_memories_fit_their_words(name):
    compiled = compile_network(NETWORKS[name][0], size_array(*NETWORKS[name]))
    config = compiled.config
    assert len(compiled.program) == len(compiled.instructions) <= config.program_words
    assert len(compiled.weights) == config.weight_words
    assert len(compiled.parameters) <= config.parameter_words
    assert all(0 <= word < 1 << config.macs * config.weight_bits for word in compiled.weights)


def test_weights_and_parameters_hold_the_network():
    network, lanes, taps = NETWORKS["single"]
    compiled = compile_network(network, size_array(network, lanes, taps))
    layer, config = network.layers[0], compiled.config
    for step, word in enumerate(compiled.weights):
        tile, chunk = divmod(step, 13)  # 50 inputs in words of 4
        for lane in range(lanes):
            for tap in range(taps):
                code = word >> 8 * (lane * taps + tap) & 255
                weight = code - 256 if code >= 128 else code
                output, source = tile * lanes + lane, chunk * taps + tap
                exists = output < 10 and source < 50
                assert weight == (layer.weight[output, source] if exists else 0)
    bits = config.accumulator_bits
    width = bits + config.shift_bits
    for output in range(10):
        tile, lane = divmod(output, lanes)
        row, place = divmod(lane, config.drain_channels)
        word = compiled.parameters[tile * config.drain_words + row]
        bias = word >> width * place & (1 << bits) - 1
        assert (bias ^ 1 << bits - 1) - (1 << bits - 1) == layer.bias[output]


@pytest.mark.parametrize("name", ["pipelined", "tiled"])
def test_every_channel_has_its_place_in_a_word_of_parameters(name):
    network, lanes, taps = NETWORKS[name]
    compiled = compile_network(network, replace(size_array(network, lanes, taps), shift_bits=6))
    config, mappings = compiled.config, compiled.schedule.mappings
    bits = (config.accumulator_bits, config.shift_bits, config.multiplier_bits)
    assert config.drain_channels > 1
    tiles = [(mapping, tile) for mapping in mappings for tile in range(mapping.tiles)]
    assert len(compiled.parameters) == len(tiles) * config.drain_words
    for (mapping, tile), word in zip(tiles, range(0, len(compiled.parameters), config.drain_words), strict=True):
        scale, outputs = mapping.operation.requantize, mapping.operation.outputs
        for lane in range(min(mapping.tile_lanes, outputs - tile * mapping.tile_lanes)):
            row, place = divmod(lane, config.drain_channels)
            left = compiled.parameters[word + row] >> sum(bits) * place
            found = []
            for width in bits:
                found.append(left & (1 << width) - 1)
                left >>= width
            output = tile * mapping.tile_lanes + lane
            bias = int(mapping.operation.bias[output]) % (1 << config.accumulator_bits)
            shift, multiplier = (int(scale.shift[output]), int(scale.multiplier[output])) if scale else (0, 1)
            assert found == [bias, shift, multiplier if config.multiplier_bits else 0]


def test_published_example_keeps_its_multipliers_busy():
    network = random_network(0, [784, 16, 16, 10])
    wide, narrow = (compile_network(network, size_array(network, 16, taps)) for taps in (8, 1))
    assert wide.schedule.round_cycles == 102
    assert narrow.schedule.round_cycles == 816
    assert wide.utilization == pytest.approx(12960 / (102 * 128))
    assert narrow.utilization == pytest.approx(12960 / (816 * 16))
    assert min(wide.utilization, narrow.utilization) >= 0.99


def test_memory_bits():
    config = ArrayConfig(lanes=2, taps=3, weight_words=40, weight_bits=5, input_words=30, hidden_words=9)
    compiled = compile_network(random_network(0, [6, 2], weight_bits=5), replace(config, parameter_words=7))
    assert compiled.memory_bits["weights"] == 40 * 2 * 3 * 5
    assert compiled.memory_bits["input"] == 30 * 3 * 8
    assert compiled.memory_bits["hidden"] == 9 * 3 * 8
    assert compiled.memory_bits["parameters"] == 7 * 3 * (24 + 5)
