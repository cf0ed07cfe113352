"""The quantized network: what it is and every check on it. sw/network_file.py stores it."""

from dataclasses import dataclass, field

import numpy as np

from sw.errors import InputError
from sw.fixed import Format, accumulator_range, signed_bits, weight_limit

ACCUMULATOR_BITS = 53
"""Widest accumulator a network may need: float64 is exact to 2^53, and golden computes there."""
MULTIPLIER_BITS = 16
"""Widest requantization multiplier."""
SHIFT_LIMIT = 62
"""Greatest requantization shift."""
PIXEL = Format(8, signed=False)
"""The only input format."""


@dataclass(frozen=True)
class InputContract:
    """What a pixel is: its place, its integer format and the real number it stands for.

    Parameters
    ----------
    shape: (height, width, channels) of one image.
    form: integer format of a pixel as it enters golden model and hardware.
    scale, zero_point: real value = scale · (pixel - zero_point).
    preprocessing: what happens to a pixel before it enters; only "none" exists.
    """

    shape: tuple[int, int, int]
    form: Format = PIXEL
    scale: float = 1 / 255
    zero_point: int = 0
    preprocessing: str = "none"

    def __post_init__(self):
        if len(self.shape) != 3 or any(not isinstance(n, int) or n < 1 for n in self.shape):
            raise InputError(f"input shape must be (height, width, channels), each at least 1, not {self.shape}")
        if not self.scale > 0:
            raise InputError(f"input scale must be positive, not {self.scale}")
        if self.form != PIXEL or self.zero_point != 0 or self.preprocessing != "none":
            raise InputError(
                f"input must be raw uint8 pixels (zero point 0, preprocessing none), "
                f"not {self.form}, zero point {self.zero_point}, preprocessing {self.preprocessing!r}"
            )

    @property
    def size(self) -> int:
        """Pixels in one image, channels included."""
        return int(np.prod(self.shape))


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
        _freeze(self, "multiplier", np.int64)
        _freeze(self, "shift", np.int64)
        _check_range("multiplier", self.multiplier, 1, (1 << MULTIPLIER_BITS) - 1)
        _check_range("shift", self.shift, 0, SHIFT_LIMIT)
        if not 2 <= self.form.bits <= 8:
            raise InputError(f"activations must have 2..8 bits, not {self.form.bits}")
        if not self.scale > 0:
            raise InputError(f"activation scale must be positive, not {self.scale}")


@dataclass(frozen=True, eq=False)
class Dense:
    """Fully connected layer on integers: accumulator = bias + weight @ activation.

    Parameters
    ----------
    weight: (outputs, inputs) ints within ±(2^(weight_bits-1) - 1).
    bias: (outputs,) ints, in units of the accumulator.
    weight_bits: 2..8.
    requantize: how the sums become activations; None in the last layer, whose raw accumulators are the logits.
    weight_scale: (outputs,) floats, real value of one unit of weight; for exports, no part of inference.
    """

    weight: np.ndarray
    bias: np.ndarray
    weight_bits: int
    requantize: Requantize | None
    weight_scale: np.ndarray = field(default=None)

    kind = "dense"

    def __post_init__(self):
        _freeze(self, "weight", np.int64)
        _freeze(self, "bias", np.int64)
        if self.weight.ndim != 2 or 0 in self.weight.shape:
            raise InputError(f"dense weight must have shape (outputs, inputs), not {self.weight.shape}")
        if self.weight_scale is None:
            object.__setattr__(self, "weight_scale", np.ones(self.outputs))
        _freeze(self, "weight_scale", np.float64)
        if not 2 <= self.weight_bits <= 8:
            raise InputError(f"weight_bits must be 2..8, not {self.weight_bits}")
        limit = weight_limit(self.weight_bits)
        _check_range(f"{self.weight_bits}-bit weight", self.weight, -limit, limit)
        _check_range("bias", self.bias, -(1 << (ACCUMULATOR_BITS - 1)), (1 << (ACCUMULATOR_BITS - 1)) - 1)
        vectors = {"bias": self.bias, "weight_scale": self.weight_scale}
        if self.requantize is not None:
            vectors |= {"multiplier": self.requantize.multiplier, "shift": self.requantize.shift}
        for name, vector in vectors.items():
            if vector.shape != (self.outputs,):
                raise InputError(f"{name} must have shape ({self.outputs},), one per output, not {vector.shape}")
        if not (np.isfinite(self.weight_scale) & (self.weight_scale > 0)).all():
            raise InputError("weight_scale must be positive and finite")

    @property
    def outputs(self) -> int:
        """Number of output channels."""
        return self.weight.shape[0]

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.weight.shape[1]

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.weight.size

    @property
    def parameters(self) -> int:
        """Trained numbers: weights and biases."""
        return self.weight.size + self.bias.size

    def accumulator_range(self, source: Format) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest partial sum per output channel; see sw.fixed.accumulator_range."""
        return accumulator_range(self.weight, self.bias, source)

    def accumulator_bits(self, source: Format) -> int:
        """Width in bits that no partial sum of this layer can overflow."""
        low, high = self.accumulator_range(source)
        return signed_bits(int(low.min()), int(high.max()))


@dataclass(frozen=True, eq=False)
class Network:
    """A quantized network: input contract, layers in order, and notes that travel with it.

    Parameters
    ----------
    name: what reports call it.
    input: the input contract.
    layers: at least one; the last one, and only it, has no requantization.
    notes: JSON object for reports (float accuracy, recipe, seed); no part of inference.

    Raises InputError with the layer's number where a rule is broken.
    """

    name: str
    input: InputContract
    layers: tuple[Dense, ...]
    notes: dict = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise InputError("a network must have at least one layer")
        inputs = self.input.size
        for index, (layer, source) in enumerate(zip(self.layers, self.source_formats, strict=True)):
            if layer.inputs != inputs:
                raise InputError(f"layer {index} takes {layer.inputs} inputs, but {inputs} arrive; they must agree")
            inputs = layer.outputs
            is_last = index == len(self.layers) - 1
            if is_last != (layer.requantize is None):
                raise InputError(
                    f"layer {index} must {'not ' if is_last else ''}requantize: only the last layer's sums leave raw"
                )
            self._check_bounds(index, layer, source)

    def _check_bounds(self, index: int, layer: Dense, source: Format) -> None:
        bits = layer.accumulator_bits(source)
        if bits > ACCUMULATOR_BITS:
            raise InputError(f"layer {index} needs a {bits}-bit accumulator; the greatest width is {ACCUMULATOR_BITS}")
        if layer.requantize is None:
            return
        product = bits + int(layer.requantize.multiplier.max()).bit_length()
        if product > SHIFT_LIMIT:
            raise InputError(
                f"layer {index} needs {product} bits for accumulator times multiplier; the limit is {SHIFT_LIMIT}"
            )

    @property
    def source_formats(self) -> tuple[Format, ...]:
        """Format of the activations that each layer reads."""
        hidden = [layer.requantize.form if layer.requantize else None for layer in self.layers[:-1]]
        if None in hidden:
            raise InputError(f"layer {hidden.index(None)} must requantize: only the last layer's sums leave raw")
        return (self.input.form, *hidden)

    @property
    def classes(self) -> int:
        """Number of logits."""
        return self.layers[-1].outputs

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Trained numbers: weights and biases."""
        return sum(layer.parameters for layer in self.layers)


def _freeze(instance, name: str, dtype) -> None:
    """Replace an array field by a read-only copy of `dtype`; refuse what does not convert exactly."""
    given = np.asarray(getattr(instance, name))
    if np.issubdtype(dtype, np.integer) and not np.issubdtype(given.dtype, np.integer):
        raise TypeError(f"{name} must hold integers, not {given.dtype}")
    array = np.array(given, dtype=dtype)
    array.setflags(write=False)
    object.__setattr__(instance, name, array)


def _check_range(name: str, array: np.ndarray, low: int, high: int) -> None:
    if array.size and not (low <= array.min() and array.max() <= high):
        raise InputError(f"{name} must be {low}..{high}, but ranges over {array.min()}..{array.max()}")
