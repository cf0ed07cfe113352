"""golden(images) == accelerator(images), and the cycles that the compiler predicts == those that it takes."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from networks import random_conv_network, random_image_network, random_images, random_network
from rtl import run
from tiers import slow

from hw.accelerator import Counters, Latencies
from hw.compiler import Compiled, compile_network, size_array
from hw.event_counter import COUNT_CYCLES
from hw.loop_nest import LoopNest
from hw.mapping import Mapping
from hw.schedule import SCHEDULES, SEARCHED_OPERATIONS
from hw.sequencer import ADMIT_CYCLES
from sim.amaranth_sim import simulate_component
from sim.protocol import BACK_PRESSURE, IDLE, pack, payloads
from sw.golden import infer
from sw.network import Network


@dataclass(frozen=True)
class Case:
    """A network on an array. parts: of a word of results, not those that suit the network best."""

    network: Network
    lanes: int
    taps: int
    kind: str = "throughput"
    roomy: bool = False
    images: int = 5
    pixels: int = 1
    parts: int | None = None

    def compile(self) -> Compiled:
        """The smallest array for the network, or a roomy one, with every option built."""
        config = size_array(self.network, self.lanes, self.taps, self.pixels, kind=self.kind)
        if self.roomy:
            config = replace(
                config,
                accumulator_bits=config.accumulator_bits + 3,
                logit_bits=config.logit_bits + 1,
                multiplier_bits=max(1, config.multiplier_bits),
                loops=config.loops + 1 + (config.pool_loops < 2),
                pool_loops=min(2, config.pool_loops + 1),
                input_words=config.input_words + 3,
                input_gaps=True,
                hidden_words=2 * config.hidden_words + self.lanes + 5,  # another latency may bring another schedule
                weight_words=config.weight_words + 1,
                program_words=2 * config.program_words + 3,
                result_words=3 * config.result_words,
                stages=config.stages + 2,
                delay_bits=config.delay_bits + 8,
                unaligned_reads=self.taps > 1,
                unaligned_writes=self.taps > 1 and config.drain_parts == 1,
            )
        if self.parts:  # sums are filled up, and another schedule takes the place of the one that sized the array
            config = replace(
                config,
                drain_parts=self.parts,
                unaligned_writes=False,
                loops=config.loops + 1,
                reduction_loops=min(4, config.reduction_loops + 1),
                input_words=config.input_words + self.lanes * self.pixels,
                hidden_words=4 * config.hidden_words + self.lanes * self.pixels + 5,
                weight_words=config.weight_words * self.lanes * self.pixels,
                parameter_words=config.parameter_words * self.taps,
                program_words=min(1024, 9 * config.program_words + 9),
                result_words=9 * config.result_words,
                stages=config.stages + 9,
                delay_bits=config.delay_bits + 8,
            )
        return compile_network(self.network, config, self.kind)


def random_case(seed: int, *, width: int, lanes: int) -> Case:
    """Any network on any array, up to these sizes."""
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(1, 5))
    network = random_network(
        seed,
        rng.integers(1, width + 1, depth + 1).tolist(),
        weight_bits=rng.integers(2, 9, depth).tolist(),
        activation_bits=rng.integers(2, 9, depth).tolist(),
        signed=[True, False, None][rng.integers(3)],
        multiplier=bool(rng.integers(2)),
        weights=str(rng.choice(["uniform", "high", "low", "ends", "sparse"], p=[0.6, 0.1, 0.1, 0.1, 0.1])),
        biases=str(rng.choice(["uniform", "high", "low", "zero"], p=[0.7, 0.1, 0.1, 0.1])),
    )
    taps = int(rng.integers(1, 17))
    return Case(
        network,
        lanes=int(rng.integers(1, lanes + 1)),
        taps=taps,
        kind=str(rng.choice(SCHEDULES)),
        roomy=bool(rng.random() < 0.3),
        parts=taps if rng.random() < 0.2 else None,
    )


def random_image_case(seed: int, *, size: int, channels: int, lanes: int, taps: int = 16, images: int = 3) -> Case:
    """Any network on images on any array, up to these sizes."""
    rng = np.random.default_rng(seed)
    shape = (*rng.integers(3, size + 1, 2).tolist(), int(rng.choice([1, 1, *range(1, channels + 1)])))
    case = Case(
        random_image_network(
            seed,
            shape=shape,
            last=("dense", "pooled", "avgpool")[seed % 3],
            multiplier=(None, False)[rng.integers(2)],
        ),
        lanes=int(rng.integers(1, lanes + 1)),
        taps=int(rng.integers(1, taps + 1)),
        pixels=int(rng.choice([1, 2, 4])),
        kind=str(rng.choice(SCHEDULES)),
        roomy=bool(rng.random() < 0.2),
        images=images,
    )
    return replace(case, parts=case.taps) if rng.random() < 0.2 else case


def check_values(compiled: Compiled, images: np.ndarray, **options):
    """Simulate, and require golden's answers; returns the simulation."""
    simulation = simulate_component(
        compiled.accelerator(), compiled.network, images, compiled.watchdog_cycles, **options
    )
    golden = infer(compiled.network, images)
    assert simulation.logits.tolist() == golden.logits.tolist()
    assert simulation.labels.tolist() == golden.labels.tolist()
    counters = simulation.counters
    assert counters["images"] == len(images)
    assert counters["mac"] == len(images) * sum(mapping.steps for mapping in compiled.schedule.mappings)
    assert counters["cycles"] == counters["busy"] + counters["stalled_input"] + counters["stalled_output"]
    assert counters["cycles"] == simulation.result_cycles[-1] + 1
    return simulation


def first_result_cycle(compiled: Compiled) -> int:
    """Cycle of the first image's last logit: its pixels, its layers, the ways to a step and from a sum."""
    schedule = compiled.schedule
    slots = [*schedule.body * schedule.stages, *schedule.drain]
    delays = [*schedule.delays[: len(schedule.body)] * schedule.stages, *schedule.delays[len(schedule.body) :]]
    last = len(schedule.mappings) - 1
    rounds = schedule.body[last].age + 1
    wanted = rounds * len(schedule.body)
    steps = sum(schedule.steps(slot) for slot in slots[:wanted]) + sum(delays[1:wanted])
    logits = schedule.mappings[last].last_lanes
    before = schedule.mappings[0].load_cycles - 1 + ADMIT_CYCLES + LoopNest.latency(compiled.config)
    return before + steps + Latencies.of(compiled.config).logit + logits - 1


def check(case: Case) -> None:
    """The accelerator's answers equal golden's, and its time the compiler's prediction."""
    compiled, images = case.compile(), random_images(0, case.network, case.images)
    simulation = check_values(compiled, images, instructions=True)
    schedule, count = compiled.schedule, len(images)
    assert simulation.result_cycles.tolist() == schedule.result_cycles(count).tolist()
    assert simulation.first_result == schedule.first_result(count)
    if count > schedule.stages and not schedule.follows:
        assert simulation.result_cycles[0] == first_result_cycle(compiled)
    assert simulation.counters["busy"] == schedule.busy_cycles(count)
    assert simulation.counters["stalled_output"] == 0
    body, drain = schedule.body, schedule.drain
    runs = [count * schedule.steps(slot) for slot in body] + [schedule.steps(slot) for slot in drain]
    assert simulation.instruction_cycles == dict(enumerate(runs))


@pytest.mark.parametrize("seed", [*range(14), *slow(range(14, 40))])
def test_random_network_on_random_array(seed):
    check(random_case(seed, width=40, lanes=12))


def bound(seed: int, most: int) -> int:
    """A random upper bound, log-uniform: most cases are small and quick, some are as large as they may be."""
    return round(most ** np.random.default_rng(seed).random())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_random_network_on_random_array_of_any_size(seed):
    check(random_case(seed, width=100, lanes=bound(seed, 64)))


def random_conv_case(seed: int, *, lanes: int, taps: int, macs: int | None = None) -> Case:
    """Kernels 1..7, strides, paddings, groups, up to 20 channels, on any array up to these sizes."""
    rng = np.random.default_rng(seed)
    return Case(
        random_conv_network(seed, macs),
        lanes=int(rng.integers(1, lanes + 1)),
        taps=int(rng.integers(1, taps + 1)),
        pixels=int(rng.choice([1, 2, 4])),
        kind=str(rng.choice(SCHEDULES)),
        images=2,
    )


FAST_IMAGE_SEEDS = (2, 4, 7, 9, 14, 15, 17, 20, 21, 25, 26, 30)
FAST_CONV_SEEDS = (0, 2, 5)
"""So few that make use of everything, see below; the others are for the slow tier."""


def fast_image_case(seed: int) -> Case:
    return random_image_case(seed, size=7, channels=3, lanes=7, taps=10)


def fast_conv_case(seed: int) -> Case:
    return random_conv_case(seed, lanes=8, taps=12, macs=20_000)


def features(compiled: Compiled) -> set[str]:
    """What a network on an array makes use of."""
    config, schedule = compiled.config, compiled.schedule
    found = {
        "shift" if config.multiplier_bits == 0 else "multiplier": True,
        "one column": config.pixels == 1,
        "one tap": config.taps == 1,
        "border": config.input_gaps,
        "parts of words": config.drain_parts > 1,
        "images in flight": schedule.stages > 1,
        "two copies": max(schedule.copies) > 1,
        "shared memory": sum(mapping.result.size for mapping in schedule.mappings[:-1])
        > config.hidden_words * config.taps,
        "many operations": schedule.stages > 1 and len(schedule.mappings) > SEARCHED_OPERATIONS,
    }
    return {name for name, is_used in found.items() if is_used}.union(*map(mapping_features, schedule.mappings))


def mapping_features(mapping: Mapping) -> set[str]:
    operation, columns = mapping.operation, mapping.columns
    tiled, group = operation.groups > 1 and mapping.tiles > 1, operation.outputs // operation.groups
    found = {
        operation.name: True,
        f"stride {operation.stride}": True,
        "columns in a window": columns.pools and columns.rows * columns.across > 1,
        "columns across": not columns.pools and columns.across > 1,
        "columns downwards": not columns.pools and columns.rows > 1,
        "rows interleaved": operation.row_dilation > 1,
        "rows interleaved in a border": operation.row_dilation > 1 and mapping.source.border > 0,
        "windows that overlap": operation.pool_stride < max(operation.pool),
        "tiles that share weights": tiled and operation.is_uniform,
        "tiles of groups": tiled and not operation.is_uniform and mapping.tile_lanes >= group,
        "groups of tiles": tiled and mapping.tile_lanes < group,
    }
    return {name for name, is_used in found.items() if is_used}


def test_seeds_make_use_of_everything():
    cases = [*map(fast_image_case, FAST_IMAGE_SEEDS), *map(fast_conv_case, FAST_CONV_SEEDS)]
    found = set().union(*(features(case.compile()) for case in cases))
    layers = {"conv2d", "maxpool", "avgpool", "add", "dense", "copy", "conv2d + maxpool", "avgpool + maxpool"}
    layers |= {"add + maxpool", "stride 1", "stride 2", "stride 3"}
    array = {"shift", "multiplier", "one column", "one tap", "border", "images in flight"}
    array |= {"two copies", "shared memory", "many operations", "parts of words"}
    columns = {"columns in a window", "columns across", "columns downwards"}
    tiles = {"tiles that share weights", "tiles of groups", "groups of tiles"}
    windows = {"rows interleaved", "rows interleaved in a border", "windows that overlap"}
    assert found == layers | array | columns | tiles | windows


@pytest.mark.parametrize("seed", [*FAST_IMAGE_SEEDS, *slow(sorted({*range(36)} - {*FAST_IMAGE_SEEDS}))])
def test_random_image_network_on_random_array(seed):
    check(fast_image_case(seed))


@pytest.mark.parametrize("seed", [*FAST_CONV_SEEDS, *slow(sorted({*range(8)} - {*FAST_CONV_SEEDS}))])
def test_random_convolutions(seed):
    check(fast_conv_case(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2000, 3500))
def test_random_image_network_on_random_array_of_any_size(seed):
    check(random_image_case(seed, size=12, channels=6, lanes=bound(seed, 24), taps=bound(seed + 1, 16)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3000, 3500))
def test_random_convolutions_in_numbers(seed):
    check(random_conv_case(seed, lanes=bound(seed, 12), taps=bound(seed + 1, 16), macs=40_000))


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize(("width", "lanes", "taps"), [(64, 4, 4), (33, 1, 1)])
def test_loading_an_image_takes_as_long_as_computing_it(width, lanes, taps, kind):
    case = Case(random_network(1, [width, lanes]), lanes=lanes, taps=taps, kind=kind, images=6)
    first = case.compile().schedule.mappings[0]
    assert first.load_cycles == first.steps
    check(case)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_loading_an_image_takes_longer_than_computing_it(kind):
    network = random_image_network(1, ("maxpool", "avgpool"), shape=(12, 10, 1), last="pooled")
    case = Case(network, lanes=4, taps=1, pixels=4, kind=kind, images=6)
    schedule = case.compile().schedule
    assert schedule.round_cycles == schedule.mappings[0].load_cycles
    check(case)


SMALL = [23, 11, 7]


@pytest.mark.parametrize("taps", range(1, 17))
def test_every_number_of_taps(taps):
    check(Case(random_network(taps, SMALL, signed=None), lanes=5, taps=taps))


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize(
    ("lanes", "taps", "parts"), [(4, 4, 2), (6, 6, 2), (6, 6, 3), (5, 4, 4), (1, 2, 2), (9, 16, 16)]
)
def test_every_number_of_parts(lanes, taps, parts, kind):
    check(Case(random_network(parts, SMALL, signed=None), lanes=lanes, taps=taps, parts=parts, kind=kind))


@pytest.mark.parametrize("kind", SCHEDULES)
def test_weights_of_wide_words_pass_a_register_more(kind):
    case = Case(random_network(5, [40, 64, 20, 5]), lanes=64, taps=3, kind=kind)
    assert case.compile().config.weight_stages == (kind == "throughput")
    check(case)


def test_weights_that_are_put_together_pass_a_register_more():
    case = Case(random_network(6, SMALL, weight_bits=5), lanes=8, taps=7)
    config = case.compile().config
    assert (config.pairs_products, config.weight_stages) == (True, 1)
    assert replace(config, lanes=7).weight_stages == 0
    check(case)


@pytest.mark.parametrize("lanes", [1, 2, 3, 7, 8, 11, 12, 64])
def test_many_numbers_of_lanes(lanes):
    check(Case(random_network(lanes, SMALL, multiplier=True), lanes=lanes, taps=3))


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("biases", ["high", "low"])
@pytest.mark.parametrize("weights", ["high", "low"])
def test_extreme_weights_and_biases(weights, biases, kind):
    network = random_network(1, SMALL, weights=weights, biases=biases, signed=None)
    check(Case(network, lanes=4, taps=4, kind=kind))


@pytest.mark.parametrize("images", [1, 2, 3, 17])
def test_any_number_of_images(images):
    check(Case(random_network(2, [9, 8, 7, 6]), lanes=4, taps=2, images=images))


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("back_pressure", BACK_PRESSURE)
@pytest.mark.parametrize("idle", IDLE)
def test_stalls_change_no_answer(idle, back_pressure, kind):
    case = Case(random_network(3, SMALL, signed=None), lanes=4, taps=4, kind=kind)
    images = random_images(3, case.network, 8)
    check_values(case.compile(), images, idle=idle, back_pressure=back_pressure, seed=3)


@pytest.mark.parametrize("seed", [*range(4), *slow(range(4, 10))])
def test_stalls_change_no_answer_of_an_image_network(seed):
    case = random_image_case(500 + seed, size=6, channels=2, lanes=5, taps=7)
    rng = np.random.default_rng(seed)
    stalls = {"idle": str(rng.choice(IDLE)), "back_pressure": str(rng.choice(BACK_PRESSURE)), "seed": seed}
    check_values(case.compile(), random_images(seed, case.network, 5), **stalls)


@pytest.mark.parametrize("seed", [*range(5), *slow(range(5, 24))])
def test_an_operation_that_follows_its_pixels_reads_none_before_it_is_there(seed):
    rng = np.random.default_rng(seed)
    steps = (("padded",), ("conv", "maxpool"), ("strided",), ("avgpool",), ("grouped",), ("residual",))[seed % 6]
    network = random_image_network(seed, steps, shape=(*rng.integers(6, 10, 2).tolist(), 1 + (seed % 4 == 3)))
    lanes, taps, pixels = int(rng.integers(2, 9)), int(rng.integers(1, 9)), int(rng.choice([1, 2, 4]))
    compiled = Case(network, lanes=lanes, taps=taps, pixels=pixels, kind="latency").compile()
    images = random_images(seed, network, 3)
    for idle in set(IDLE) - {"none"}:
        assert check_values(compiled, images, idle=idle, seed=seed).counters["stalled_input"] > 0


def test_first_result_of_the_published_example_is_at_most_64_cycles_behind_its_pixels():
    for taps, cycles in ((8, 64), (1, 83)):
        compiled = Case(random_network(0, [784, 16, 16, 10]), lanes=16, taps=taps, kind="latency").compile()
        done = check_values(compiled, random_images(0, compiled.network, 1))
        assert done.first_result == cycles == compiled.schedule.first_result()


@pytest.mark.parametrize("seed", [*range(3), *slow(range(3, 8))])
def test_reset_in_the_middle_of_an_image_of_an_image_network(seed):
    compiled = random_image_case(600 + seed, size=6, channels=2, lanes=4, taps=6).compile()
    images = random_images(seed, compiled.network, 2)
    cycles = int(np.random.default_rng(seed).integers(1, 3 * compiled.schedule.round_cycles))
    fresh = check_values(compiled, images)
    after = check_values(compiled, images, reset_after=cycles)
    assert after.result_cycles.tolist() == fresh.result_cycles.tolist()
    assert after.counters == fresh.counters


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize("cycles", np.random.default_rng(4).integers(1, 150, 6).tolist())
def test_reset_in_the_middle_of_an_image_leaves_no_trace(cycles, kind):
    compiled = Case(random_network(4, SMALL, signed=None), lanes=3, taps=2, kind=kind).compile()
    images = random_images(4, compiled.network, 4)
    fresh = check_values(compiled, images, instructions=True)
    after = check_values(compiled, images, instructions=True, reset_after=cycles)
    assert after.result_cycles.tolist() == fresh.result_cycles.tolist()
    assert after.counters == fresh.counters
    assert after.instruction_cycles == fresh.instruction_cycles


def send_and_wait(compiled: Compiled, images: np.ndarray, cycles: int) -> tuple[list[int], dict[str, int]]:
    """Offer all images; take no logit for so many cycles, then all. The logits, and the counters before the first."""
    accelerator, taps = compiled.accelerator(), compiled.config.taps
    words = list(payloads(pack(images.reshape(len(images), -1), taps, 0)))
    logits, counters = [], {}

    async def testbench(ctx):
        sent = 0
        for cycle in range(cycles + compiled.watchdog_cycles(len(images))):
            if cycle == cycles:
                counters.update({name: ctx.get(getattr(accelerator.counters, name)) for name in Counters.NAMES})
            ctx.set(accelerator.i_pixels.valid, sent < len(words))
            ctx.set(accelerator.i_pixels.payload.as_value(), words[sent] if sent < len(words) else 0)
            ctx.set(accelerator.o_result.ready, cycle >= cycles)
            sent += sent < len(words) and ctx.get(accelerator.i_pixels.ready)
            if cycle >= cycles and ctx.get(accelerator.o_result.valid):
                logits.append(ctx.get(accelerator.o_result.payload.logit))
            await ctx.tick()

    run(accelerator, testbench)
    return logits, counters


@pytest.mark.parametrize("kind", SCHEDULES)
def test_long_back_pressure_loses_nothing(kind):
    compiled = Case(random_network(5, SMALL), lanes=4, taps=4, kind=kind).compile()
    images = random_images(5, compiled.network, 12)
    logits, counters = send_and_wait(compiled, images, 1000)
    assert logits == infer(compiled.network, images).logits.ravel().tolist()
    assert counters["images"] == 0
    assert counters["stalled_output"] > 500
    assert counters["cycles"] == 1000 - COUNT_CYCLES + 1


@pytest.mark.parametrize("multiplier", [False, True])
def test_results_follow_each_other_faster_while_the_pipeline_drains(multiplier):
    network = random_network(7, [90, 88, 16, 64, 12], multiplier=multiplier)
    check(Case(network, lanes=48, taps=12))


def test_products_of_more_bits_than_python_writes_in_decimal():
    check(Case(random_network(1, [12, 5]), lanes=53, taps=16, images=1))


def test_published_example():
    network = random_network(6, [784, 16, 16, 10])
    check(Case(network, lanes=16, taps=8, images=3))


@pytest.mark.slow
def test_published_example_with_one_tap():
    check(Case(random_network(6, [784, 16, 16, 10]), lanes=16, taps=1))
