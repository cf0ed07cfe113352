"""The same Verilog and the same component in all simulators: equal to golden, and equal cycle for cycle."""

from dataclasses import replace

import numpy as np
import pytest
from networks import random_images, random_network
from sim_designs import COMPILED, NETWORK, images
from simulators import EACH_SIMULATOR

from hw import build as hw_build
from hw.compiler import compile_network, size_array
from sim.simulate import AMARANTH_IMAGES, WAVES, choose_simulator, compare, simulate
from sw.errors import InputError

CASES = [
    {},
    {"idle": "random", "back_pressure": "bursts", "seed": 3},
    {"idle": "alternate", "back_pressure": "late", "reset_after": 37},
    {"idle": "bursts", "back_pressure": "rare", "seed": 4, "reset_after": 61},
]
COUNT = 20


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return hw_build.write(COMPILED, tmp_path_factory.mktemp("sim") / "build")


@pytest.mark.parametrize("in_simulator", EACH_SIMULATOR)
@pytest.mark.parametrize("options", CASES)
def test_equals_golden_and_the_amaranth_simulator(build, in_simulator, options):
    seen = []
    simulation = simulate(build, images(COUNT), in_simulator, progress=seen.append, **options)
    reference = simulate(build, images(COUNT), "amaranth", **options)
    assert compare(build.network, images(COUNT), simulation).size == 0
    assert simulation.simulator == in_simulator
    assert (simulation.result_cycles == reference.result_cycles).all()
    assert simulation.counters == reference.counters
    assert seen == list(range(1, COUNT + 1))


@pytest.mark.parametrize("in_simulator", EACH_SIMULATOR)
def test_waves_are_written_when_asked_for(build, in_simulator, tmp_path):
    waves = tmp_path / ("waves.fst" if in_simulator == "icarus" else "waves.vcd")
    simulate(build, images(1), in_simulator, waves=waves)
    assert waves.stat().st_size > 1000
    assert WAVES[waves.suffix].matches(waves)


@pytest.mark.parametrize("in_simulator", EACH_SIMULATOR)
def test_another_network_is_loaded(tmp_path, in_simulator):
    other = random_network(2, [12, 5, 4])
    first = compile_network(NETWORK, size_array(NETWORK, 2, 2, also=(other,)))
    second = compile_network(other, first.config)
    both, some = hw_build.write(first, tmp_path / "both"), random_images(1, other, 3)
    results = [simulate(both, some, name, load=second, idle="random") for name in (in_simulator, "amaranth")]
    assert compare(other, some, results[0]).size == 0
    assert (results[0].result_cycles == results[1].result_cycles).all()


def test_compare_finds_wrong_logits_and_labels(build):
    simulation = simulate(build, images(5), "amaranth")
    simulation.logits[1, 2] += 1
    simulation.labels[3] = (simulation.labels[3] + 1) % 3
    assert compare(build.network, images(5), simulation).tolist() == [1, 3]


@pytest.mark.parametrize(
    ("simulator", "options", "message"),
    [
        ("modelsim", {}, "simulator must be one of verilator, icarus, native, amaranth, not 'modelsim'"),
        ("amaranth", {"idle": "late"}, "stall pattern must be one of none, .*, not 'late'"),
        ("amaranth", {"reset_after": -1}, "reset_after must be .* 0 or more, not -1"),
        ("icarus", {"waves": "waves.vcd"}, r"waves of icarus must go to a \.fst file, not to waves\.vcd"),
        ("amaranth", {"waves": "nowhere/waves.vcd"}, "nowhere is not a folder; make it first"),
    ],
)
def test_bad_argument_is_refused(build, simulator, options, message):
    with pytest.raises(InputError, match=message):
        simulate(build, images(1), simulator, **options)


def test_amaranths_simulator_is_not_taken_for_one_of_an_edited_verilog(build):
    with pytest.raises(InputError, match="amaranth simulates the design, not an edited Verilog; take another"):
        simulate(replace(build, edited=True), images(1), "amaranth")


def test_bad_images_are_refused(build):
    with pytest.raises(InputError, match=r"images must have shape \(n, 1, 20, 1\)"):
        simulate(build, np.zeros((1, 19), int), "amaranth")


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_without_its_tools_a_simulator_gives_way_to_amaranths(monkeypatch, tmp_path, simulator):
    monkeypatch.setenv("PATH", str(tmp_path))
    name, count, note = choose_simulator(simulator, 10_000)
    assert (name, count) == ("amaranth", AMARANTH_IMAGES)
    assert note.startswith(f"{simulator} needs ")
    assert f"simulating {AMARANTH_IMAGES} of 10000 images in Amaranth's simulator instead" in note


def test_a_simulator_that_can_run_is_taken():
    assert choose_simulator("amaranth", 7) == ("amaranth", 7, "")


def test_choosing_an_unknown_simulator_is_refused():
    with pytest.raises(InputError, match="not 'modelsim'"):
        choose_simulator("modelsim", 7)
