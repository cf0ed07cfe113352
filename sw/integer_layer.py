"""What the layers of sw/integer_layers.py have in common: requantization, the base class, the checks of fields."""

from dataclasses import dataclass

import numpy as np

from sw.errors import InputError
from sw.fixed import Format, weight_limit

ACCUMULATOR_BITS = 53
"""Widest accumulator a network may need: float64 is exact to 2^53, and golden computes there."""
MULTIPLIER_BITS = 16
"""Widest requantization multiplier."""
SHIFT_LIMIT = 62
"""Greatest requantization shift."""

Shape = tuple[int, int, int]
"""Height, width, channels."""
Range = tuple[np.ndarray, np.ndarray]
"""Least and greatest value, each int64 (channels,)."""


@dataclass(frozen=True, eq=False)
class Requantize:
    """How accumulators become the next layer's activations; see sw.fixed.requantize.

    Parameters
    ----------
    multiplier: (outputs,) ints 1..65535; all 1 is the pure shift.
    shift: (outputs,) ints 0..62.
    form: format of the result; unsigned means ReLU.
    scale: real value of one unit of the result.
    """

    multiplier: np.ndarray
    shift: np.ndarray
    form: Format
    scale: float = 1.0

    def __post_init__(self):
        freeze(self, "multiplier", np.int64)
        freeze(self, "shift", np.int64)
        check_range("multiplier", self.multiplier, 1, (1 << MULTIPLIER_BITS) - 1)
        check_range("shift", self.shift, 0, SHIFT_LIMIT)
        if not 2 <= self.form.bits <= 8:
            raise InputError(f"activations must have 2..8 bits, not {self.form.bits}")
        if not self.scale > 0:
            raise InputError(f"activation scale must be positive, not {self.scale}")

    def check_channels(self, channels: int) -> None:
        """Raise InputError unless there is a multiplier and a shift for each of so many channels."""
        for name in ("multiplier", "shift"):
            check_vector(name, getattr(self, name), channels)


class Layer:
    """What all layers answer. Each is a frozen dataclass with the fields `source` and, if it sums, `requantize`.

    Attributes
    ----------
    kind: name of the layer's kind, as in the Network file.
    sums: whether it has accumulators; if not, the format of its input passes through.
    weight_bits: width of its weights; None where it has none.
    """

    kind: str
    sums = True

    @property
    def reads(self) -> tuple[int | None, ...]:
        """What it reads, as its fields say it: None is the layer before."""
        return (self.source,)

    @property
    def parameters(self) -> int:
        """Trained numbers: weights and biases."""
        return 0

    @property
    def position_macs(self) -> int:
        """Multiply-accumulates for one output position, all channels."""
        return 0


def freeze(instance, name: str, dtype) -> None:
    """Replace an array field by a read-only copy of `dtype`; refuse what does not convert exactly."""
    given = np.asarray(getattr(instance, name))
    if np.issubdtype(dtype, np.integer) and not np.issubdtype(given.dtype, np.integer):
        raise TypeError(f"{name} must hold integers, not {given.dtype}")
    array = np.array(given, dtype=dtype)
    array.setflags(write=False)
    object.__setattr__(instance, name, array)


def check_int(name: str, value, low: int) -> None:
    """Raise InputError unless the value is an integer of at least `low`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise InputError(f"{name} must be an integer of at least {low}, not {value!r}")


def check_range(name: str, array: np.ndarray, low: int, high: int) -> None:
    """Raise InputError unless all values are within low..high."""
    if array.size and not (low <= array.min() and array.max() <= high):
        raise InputError(f"{name} must be {low}..{high}, but ranges over {array.min()}..{array.max()}")


def check_weight(weight: np.ndarray, bits: int, low: int | None = None) -> None:
    """Raise InputError unless the weights are within ±weight_limit(bits), and at least `low`."""
    if not 2 <= bits <= 8:
        raise InputError(f"weight_bits must be 2..8, not {bits}")
    limit = weight_limit(bits)
    check_range(f"{bits}-bit weight", weight, -limit if low is None else low, limit)


def check_vector(name: str, vector: np.ndarray, length: int, unit: str = "output") -> None:
    """Raise InputError unless the vector has so many elements."""
    if vector.shape != (length,):
        raise InputError(f"{name} must have shape ({length},), one per {unit}, not {vector.shape}")
