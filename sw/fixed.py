"""The arithmetic contract: integer formats, requantization, accumulator bounds.

Everything after quantization is an integer. Golden model, hardware and testbench take their numbers
from here; docs/number-contract.md gives the reasons. All functions take and return int64 arrays or
plain ints and are exact: no float takes part.
"""

from dataclasses import dataclass

import numpy as np

from sw.errors import InputError


@dataclass(frozen=True)
class Format:
    """Integer format: `bits` wide, two's complement if `signed`, else unsigned."""

    bits: int
    signed: bool

    def __post_init__(self):
        if not isinstance(self.bits, int) or isinstance(self.bits, bool):
            raise TypeError(f"bits of a format must be an int, not {self.bits!r}")
        if not 1 <= self.bits <= 64:
            raise InputError(f"bits of a format must be 1..64, not {self.bits}")
        if not isinstance(self.signed, bool):
            raise InputError(f"a format is signed or not, true or false, not {self.signed!r}")

    @property
    def low(self) -> int:
        """Least value."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """Greatest value."""
        return (1 << (self.bits - 1)) - 1 if self.signed else (1 << self.bits) - 1

    def holds(self, low: int, high: int) -> bool:
        """Whether every integer of low..high has a code in this format."""
        return self.low <= low and high <= self.high

    def __str__(self) -> str:
        return f"{'int' if self.signed else 'uint'}{self.bits}"


def signed_bits(low: int, high: int) -> int:
    """Width in bits of the narrowest two's complement format that holds low..high."""
    return max(int(high).bit_length(), int(~low if low < 0 else 0).bit_length()) + 1


def weight_limit(bits: int) -> int:
    """Greatest magnitude of a symmetric signed weight: 2^(bits-1) - 1."""
    return (1 << (bits - 1)) - 1


def saturate(value, form: Format):
    """Clamp to the range of `form`: values outside become its nearest end."""
    return np.clip(value, form.low, form.high)


def round_shift(value, shift):
    """(value + 2^(shift-1)) >> shift: divide by 2^shift, rounding half up (towards plus infinity).

    For shift 0 the value is unchanged. Written as ((2·value >> shift) + 1) >> 1, which is the same
    integer for every shift >= 0 and is what the hardware computes.
    """
    value = np.asarray(value, dtype=np.int64)
    return (((value << 1) >> np.asarray(shift, dtype=np.int64)) + 1) >> 1


def requantize(accumulator, multiplier, shift, form: Format):
    """saturate((accumulator · multiplier + 2^(shift-1)) >> shift) to `form`.

    ReLU is the saturation at the lower end of an unsigned `form`. `multiplier` and `shift` are ints
    or arrays that broadcast over the last axis (output channels). The product must fit into 62 bits;
    Network checks that it does for every reachable accumulator. Scheme: Jacob et al., "Quantization
    and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018, section 2.2.
    """
    product = np.asarray(accumulator, dtype=np.int64) * np.asarray(multiplier, dtype=np.int64)
    return saturate(round_shift(product, shift), form)


def accumulator_range(weight, bias, source: Format):
    """Bounds per output channel of every partial sum of bias + Σ w·a, in any order of the terms.

    weight: (outputs, inputs) ints; bias: (outputs,) ints; source: format of the activations a.
    Interval arithmetic: each term w·a ranges over an interval that is widened to contain 0 (the term
    not yet added), and the bias likewise may be added first or last. Returns two int64 arrays
    (outputs,): least and greatest value.
    """
    weight = np.asarray(weight, dtype=np.int64)
    bias = np.asarray(bias, dtype=np.int64)
    positive, negative = np.maximum(weight, 0).sum(axis=1), np.minimum(weight, 0).sum(axis=1)
    low = positive * source.low + negative * source.high  # a format's low is 0 or less
    high = positive * source.high + negative * source.low
    return low + np.minimum(bias, 0), high + np.maximum(bias, 0)
