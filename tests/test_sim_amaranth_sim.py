import numpy as np
import pytest
from sim_designs import COMPILED, NETWORK, Faulty, images

from sim.amaranth_sim import simulate_component
from sim.bench import SimulationError
from sim.protocol import BACK_PRESSURE, IDLE
from sw.golden import infer


def simulated(accelerator, count=6, **options):
    return simulate_component(accelerator, NETWORK, images(count), COMPILED.watchdog_cycles, **options)


@pytest.mark.parametrize("idle", IDLE)
@pytest.mark.parametrize("back_pressure", BACK_PRESSURE)
def test_equals_golden_with_any_stalls(idle, back_pressure):
    simulation = simulated(COMPILED.accelerator(), idle=idle, back_pressure=back_pressure)
    golden = infer(NETWORK, images(6))
    assert (simulation.logits == golden.logits).all()
    assert (simulation.labels == golden.labels).all()


@pytest.mark.parametrize("seed", range(10))
def test_reset_in_the_middle_forgets_everything(seed):
    expected = simulated(COMPILED.accelerator())
    cycle = int(np.random.default_rng(seed).integers(expected.result_cycles[-1]))
    found = simulated(COMPILED.accelerator(), reset_after=cycle)
    assert (found.logits == expected.logits).all()
    assert (found.result_cycles == expected.result_cycles).all()
    assert found.counters == expected.counters


def test_counters_are_those_right_after_the_last_result():
    simulation = simulated(COMPILED.accelerator())
    assert simulation.counters["images"] == 6
    assert simulation.counters["cycles"] == simulation.result_cycles[-1] + 1


def test_instructions_are_counted_when_asked_for():
    assert simulated(COMPILED.accelerator()).instruction_cycles == {}
    simulation = simulated(COMPILED.accelerator(), instructions=True)
    assert set(simulation.instruction_cycles) == set(range(len(COMPILED.instructions)))
    assert sum(simulation.instruction_cycles.values()) <= simulation.counters["cycles"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("silent", "1 of 6 images are answered"),
        ("fickle", r"o_result\.valid fell before ready"),
        ("unstable", r"o_result\.payload changed"),
        ("early", "beat 2 of the result of image 1 has last=1"),
    ],
)
def test_broken_rule_is_found(fault, message):
    with pytest.raises(SimulationError, match=f"^cycle [0-9]+: .*{message}"):
        simulated(Faulty(COMPILED.accelerator(), fault), back_pressure="alternate")


def test_wrong_logit_is_returned_as_it_is():
    simulation = simulated(Faulty(COMPILED.accelerator(), "wrong"))
    assert np.argwhere(simulation.logits != infer(NETWORK, images(6)).logits).tolist() == [[1, 1]]
