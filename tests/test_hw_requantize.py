import numpy as np
import pytest
from rtl import outputs

from hw.config import ArrayConfig
from hw.requantize import Requantizer
from sw import fixed
from sw.fixed import Format

FORMATS = [Format(bits, signed) for bits in (2, 4, 8) for signed in (False, True)]


def integers(accumulator: int, multiplier: int, shift: int, form: Format) -> int:
    """saturate((accumulator · multiplier + half) >> shift) in unbounded integers."""
    half = 2**shift // 2
    return max(form.low, min(form.high, (accumulator * multiplier + half) // 2**shift))


def simulate(config: ArrayConfig, cases: list) -> tuple[list[int], list[int]]:
    """Totals and activations of cases (accumulator, bias, multiplier, shift, form), one a cycle."""

    def drive(ctx, case):
        accumulator, bias, multiplier, shift, form = case
        ctx.set(unit.accumulator, accumulator)
        ctx.set(unit.parameters.bias, bias)
        ctx.set(unit.parameters.shift, shift)
        if config.multiplier_bits:
            ctx.set(unit.parameters.multiplier, multiplier)
        ctx.set(unit.writes_signed, form.signed)
        ctx.set(unit.high, form.high)

    unit = Requantizer(config)
    totals = outputs(unit, cases, drive, lambda ctx: ctx.get(unit.total), Requantizer.total_latency)
    unit = Requantizer(config)
    codes = outputs(unit, cases, drive, lambda ctx: ctx.get(unit.activation), Requantizer.latency(config))
    bits = config.activation_bits
    activations = [
        code - (1 << bits) if case[-1].signed and code >> (bits - 1) else code
        for code, case in zip(codes, cases, strict=True)
    ]
    return totals, activations


def random_cases(seed: int, config: ArrayConfig, count: int) -> list:
    rng = np.random.default_rng(seed)
    form = Format(config.accumulator_bits, signed=True)
    ends = [form.low, form.low + 1, -1, 0, 1, form.high - 1, form.high]
    cases = []
    for index in range(count):
        magnitude = int(rng.integers(1, form.bits))
        total = int(rng.choice(ends)) if index % 4 == 0 else int(rng.integers(-(1 << magnitude), 1 << magnitude))
        bias = int(rng.integers(max(form.low, total - form.high), min(form.high, total - form.low) + 1))
        multiplier = 1
        if config.multiplier_bits:
            multiplier = int(
                rng.choice([1, (1 << config.multiplier_bits) - 1, rng.integers(1, 1 << config.multiplier_bits)])
            )
        shift = index % (1 << config.shift_bits)
        cases.append((total - bias, bias, multiplier, shift, FORMATS[rng.integers(len(FORMATS))]))
    return cases


@pytest.mark.parametrize("accumulator_bits", [2, 20, 45])
@pytest.mark.parametrize("multiplier_bits", [0, 1, 16])
def test_random_and_extreme_accumulators(multiplier_bits, accumulator_bits):
    config = ArrayConfig(multiplier_bits=multiplier_bits, accumulator_bits=accumulator_bits, shift_bits=6)
    cases = [case for case in random_cases(accumulator_bits, config, 620) if case[3] <= 62]
    totals, activations = simulate(config, cases)
    assert totals == [accumulator + bias for accumulator, bias, *_ in cases]
    expected = [integers(total, *case[2:]) for total, case in zip(totals, cases, strict=True)]
    assert activations == expected
    assert expected == [int(fixed.requantize(total, *case[2:])) for total, case in zip(totals, cases, strict=True)]


@pytest.mark.parametrize("multiplier_bits", [0, 16])
def test_halves_round_up_at_every_shift(multiplier_bits):
    config = ArrayConfig(multiplier_bits=multiplier_bits, accumulator_bits=40, shift_bits=5)
    form = Format(8, signed=True)
    cases = [
        (whole * 2**shift + 2 ** (shift - 1) + less, 0, 1, shift, form)
        for shift in range(1, 32)
        for whole in (-3, -2, -1, 0, 1, 2)
        for less in (-1, 0)
    ]
    expected = [whole + 1 + less for _ in range(1, 32) for whole in (-3, -2, -1, 0, 1, 2) for less in (-1, 0)]
    assert simulate(config, cases)[1] == expected


@pytest.mark.parametrize("form", FORMATS, ids=str)
def test_saturation_at_both_ends(form):
    config = ArrayConfig()
    totals = [form.low - 1, form.low, form.low + 1, form.high - 1, form.high, form.high + 1, -(1 << 23), (1 << 23) - 1]
    expected = [form.low, form.low, form.low + 1, form.high - 1, form.high, form.high, form.low, form.high]
    assert simulate(config, [(total, 0, 1, 0, form) for total in totals])[1] == expected
