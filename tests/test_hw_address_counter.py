"""Address counters against integers, of which each is taken modulo the elements of the memory."""

import numpy as np
import pytest
from rtl import check_refusal, outputs

from hw.address import AddressLayout
from hw.address_counter import AddressCounter


def simulate(layout: AddressLayout, stages: int, steps: list[tuple[int, int]]) -> list[int]:
    """The address after each step (distance, first), by so many stages."""
    counter = AddressCounter(layout, stages)

    def drive(ctx, step):
        ctx.set(counter.step, layout.split(step[0]))
        ctx.set(counter.first, step[1])

    return outputs(counter, steps, drive, lambda ctx: layout.join(ctx.get(counter.address)), stages)


def reference(layout: AddressLayout, steps: list[tuple[int, int]]) -> list[int]:
    address, result = 0, []
    for step, first in steps:
        address = (step + (0 if first else address)) % layout.elements
        result.append(address)
    return result


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("taps", range(1, 17))
def test_random_steps_in_mixed_radix(taps, seed):
    rng = np.random.default_rng(seed)
    layout = AddressLayout(int(rng.integers(2, 70)), taps, True)
    distances = rng.integers(-layout.elements + 1, layout.elements, 150)
    steps = list(zip(distances.tolist(), (rng.random(150) < 0.1).astype(int).tolist(), strict=True))
    steps[0] = (steps[0][0], 1)
    assert simulate(layout, 2, steps) == reference(layout, steps)


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_an_aligned_address_counts_words(stages):
    rng = np.random.default_rng(stages)
    layout = AddressLayout(20, 5, False)
    distances = 5 * rng.integers(-31, 32, 150)
    steps = list(zip(distances.tolist(), (rng.random(150) < 0.1).astype(int).tolist(), strict=True))
    steps[0] = (steps[0][0], 1)
    assert simulate(layout, stages, steps) == reference(layout, steps)


def test_a_further_stage_is_a_delay():
    layout = AddressLayout(8, 3, True)
    steps = [(7, 1), *[(5, 0)] * 30]
    assert simulate(layout, 3, steps) == simulate(layout, 2, steps) == reference(layout, steps)


@pytest.mark.parametrize(("unaligned", "stages"), [(False, 0), (True, 1)])
def test_too_few_stages_are_refused(unaligned, stages):
    least = stages + 1
    check_refusal(
        ValueError,
        rf"^an address counter must have {least} stages or more, not {stages}$",
        lambda: AddressCounter(AddressLayout(8, 3, unaligned), stages),
    )
