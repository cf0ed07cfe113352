"""sw/fixed.py: against the defining formulas in Python's unbounded integers and fractions."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sw.errors import InputError
from sw.fixed import Format, accumulator_range, requantize, round_shift, saturate, signed_bits, weight_limit

UINT8, INT8 = Format(8, signed=False), Format(8, signed=True)
values = st.integers(-(2**61), 2**61 - 1)
shifts = st.integers(0, 62)
repeatable = settings(derandomize=True, deadline=None)


@pytest.mark.parametrize(
    ("form", "low", "high", "name"),
    [
        (UINT8, 0, 255, "uint8"),
        (INT8, -128, 127, "int8"),
        (Format(1, signed=True), -1, 0, "int1"),
        (Format(64, signed=False), 0, 2**64 - 1, "uint64"),
    ],
)
def test_format(form, low, high, name):
    assert (form.low, form.high, str(form)) == (low, high, name)
    assert form.holds(low, high)
    assert not form.holds(low - 1, high)
    assert not form.holds(low, high + 1)


@pytest.mark.parametrize("bits", [0, 65, -3])
def test_format_refuses_width(bits):
    with pytest.raises(InputError, match=rf"bits of a format must be 1\.\.64, not {bits}"):
        Format(bits, signed=True)


@pytest.mark.parametrize("bits", [8.0, True, "8"])
def test_format_refuses_kind(bits):
    with pytest.raises(TypeError, match="must be an int"):
        Format(bits, signed=True)


@repeatable
@given(st.integers(-(2**60), 2**60), st.integers(0, 2**60))
def test_signed_bits_is_the_narrowest_width(low, size):
    high = low + size
    bits = signed_bits(low, high)
    assert Format(bits, signed=True).holds(low, high)
    assert bits == 1 or not Format(bits - 1, signed=True).holds(low, high)


@pytest.mark.parametrize(("bits", "limit"), [(2, 1), (3, 3), (4, 7), (8, 127)])
def test_weight_limit(bits, limit):
    assert weight_limit(bits) == limit


@repeatable
@given(values, shifts)
def test_round_shift_rounds_half_up(value, shift):
    expected = math.floor(Fraction(value, 2**shift) + Fraction(1, 2)) if shift else value
    assert int(round_shift(value, shift)) == expected


@pytest.mark.parametrize("value", [-(2**61), -(2**61) + 1, -1, 0, 1, 2**61 - 1])
@pytest.mark.parametrize("shift", [0, 1, 2, 61, 62])
def test_round_shift_at_the_extremes(value, shift):
    assert int(round_shift(value, shift)) == ((value + 2**shift // 2) >> shift)


def test_round_shift_on_ties():
    assert round_shift([-6, -5, -3, -2, -1, 1, 2, 3, 5, 6], 2).tolist() == [-1, -1, -1, 0, 0, 0, 1, 1, 1, 2]


@repeatable
@given(st.integers(-(2**45), 2**45 - 1), st.integers(1, 65535), shifts, st.booleans(), st.integers(2, 8))
def test_requantize(accumulator, multiplier, shift, signed, bits):
    form = Format(bits, signed)
    rounded = math.floor(Fraction(accumulator * multiplier, 2**shift) + (Fraction(1, 2) if shift else 0))
    assert int(requantize(accumulator, multiplier, shift, form)) == min(max(rounded, form.low), form.high)


def test_requantize_broadcasts_over_channels():
    result = requantize(np.array([[100, 100], [-3, 1000]]), np.array([1, 3]), np.array([2, 1]), UINT8)
    assert result.tolist() == [[25, 150], [0, 255]]


def test_saturate_takes_the_nearest_end():
    assert saturate(np.array([-129, -128, 127, 128]), INT8).tolist() == [-128, -128, 127, 127]


@repeatable
@given(
    st.lists(st.integers(-7, 7), min_size=1, max_size=3),
    st.integers(-20, 20),
    st.integers(2, 3),
    st.booleans(),
)
def test_accumulator_range_against_all_inputs_and_orders(weight, bias, bits, signed):
    source = Format(bits, signed)
    ends = range(source.low, source.high + 1)
    sums = set()
    for inputs in itertools.product(ends, repeat=len(weight)):
        terms = [bias, *(w * a for w, a in zip(weight, inputs, strict=True))]
        for order in itertools.permutations(terms):
            sums |= {0, *itertools.accumulate(order)}
    low, high = accumulator_range([weight], [bias], source)
    assert (int(low[0]), int(high[0])) == (min(sums), max(sums))


def test_accumulator_range_is_per_channel():
    low, high = accumulator_range([[1, -2], [3, 3]], [10, -1], UINT8)
    assert low.tolist() == [-510, -1]
    assert high.tolist() == [265, 1530]


@pytest.mark.parametrize("signed", [1, 0, 2097152, "yes", None])
def test_a_format_is_signed_or_not(signed):
    with pytest.raises(InputError, match="signed or not, true or false"):
        Format(8, signed)
