"""The layers of a quantized network: their integers, shapes and bounds. sw/golden.py computes them.

A tensor has the shape (height, width, channels). A layer reads the output of the layer before it, or of the
one that its `source` names: the index of an earlier layer, or -1 for the network's input. Each has
`output_shape` and, if it sums, `accumulator_range`.
"""

import math
from dataclasses import dataclass

import numpy as np

from sw.errors import InputError
from sw.fixed import Format, accumulator_range, signed_bits
from sw.integer_layer import (
    ACCUMULATOR_BITS,
    Layer,
    Range,
    Requantize,
    Shape,
    check_int,
    check_range,
    check_vector,
    check_weight,
    freeze,
)
from sw.limits import PARAMETERS, check_most, check_windows


@dataclass(frozen=True, eq=False)
class _Weighted(Layer):
    """What Dense and Conv2d share: a weight whose first axis is the outputs, a bias, and their checks."""

    weight: np.ndarray
    bias: np.ndarray
    weight_bits: int
    requantize: Requantize | None
    weight_scale: np.ndarray | None = None

    axes = ()

    def __post_init__(self):
        check_most("weights of a layer", np.size(self.weight), PARAMETERS)
        freeze(self, "weight", np.int64)
        freeze(self, "bias", np.int64)
        if self.weight.ndim != len(self.axes) or 0 in self.weight.shape:
            expected = ", ".join(self.axes)
            raise InputError(f"{self.kind} weight must have shape ({expected}), not {self.weight.shape}")
        if self.weight_scale is None:
            object.__setattr__(self, "weight_scale", np.ones(self.outputs))
        freeze(self, "weight_scale", np.float64)
        check_weight(self.weight, self.weight_bits)
        check_range("bias", self.bias, -(1 << (ACCUMULATOR_BITS - 1)), (1 << (ACCUMULATOR_BITS - 1)) - 1)
        for name in ("bias", "weight_scale"):
            check_vector(name, getattr(self, name), self.outputs)
        if self.requantize is not None:
            self.requantize.check_channels(self.outputs)
        if not (np.isfinite(self.weight_scale) & (self.weight_scale > 0)).all():
            raise InputError("weight_scale must be positive and finite")

    @property
    def outputs(self) -> int:
        """Number of output channels."""
        return self.weight.shape[0]

    @property
    def parameters(self) -> int:
        """Trained numbers: weights and biases."""
        return self.weight.size + self.bias.size

    @property
    def position_macs(self) -> int:
        """Multiply-accumulates for one output position, all channels."""
        return self.weight.size

    def accumulator_range(self, source: Format, input_shape: Shape | None = None) -> Range:
        """Least and greatest partial sum per output channel; see sw.fixed.accumulator_range."""
        return accumulator_range(self.weight.reshape(self.outputs, -1), self.bias, source)

    def accumulator_bits(self, source: Format) -> int:
        """Width in bits that no partial sum of this layer can overflow."""
        low, high = self.accumulator_range(source)
        return signed_bits(int(low.min()), int(high.max()))


@dataclass(frozen=True, eq=False)
class Dense(_Weighted):
    """Fully connected layer on integers: accumulator = bias + weight @ activation.

    An image is flattened in the order height, width, channel. The output has the shape (1, 1, outputs).

    Parameters
    ----------
    weight: (outputs, inputs) ints within ±(2^(weight_bits-1) - 1).
    bias: (outputs,) ints, in units of the accumulator.
    weight_bits: 2..8.
    requantize: how the sums become activations; None in the last layer, whose raw accumulators are the logits.
    weight_scale: (outputs,) floats, real value of one unit of weight; for exports, no part of inference.
    source: what it reads, see the module.
    """

    source: int | None = None

    kind = "dense"
    axes = ("outputs", "inputs")

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.weight.shape[1]

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.weight.size

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output. Raises InputError where the number of inputs differs."""
        arriving = math.prod(input_shape)
        if arriving != self.inputs:
            raise InputError(f"takes {self.inputs} inputs, but {arriving} arrive; they must agree")
        return (1, 1, self.outputs)


@dataclass(frozen=True, eq=False)
class Conv2d(_Weighted):
    """Convolution on integers; strictly a cross-correlation, for the kernel is not mirrored.

    accumulator[y, x, o] = bias[o] + Σ_{i,j,c} weight[o, i, j, c] · activation[y·s + i - p, x·s + j - p, c']

    with stride s and padding p. The input's channels and the outputs are cut into `groups` equal parts, and each
    part of the outputs sees its own part of the input only: c' = c + inputs // groups · (o // (outputs // groups)).
    With as many groups as inputs it is depthwise. Activations outside of the image are the zero point, which is 0.
    Arithmetic of convolution: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016,
    section 2.

    Parameters
    ----------
    weight: (outputs, kernel height, kernel width, inputs // groups) ints within ±(2^(weight_bits-1) - 1).
    bias, weight_bits, requantize, weight_scale, source: as for Dense.
    stride: steps from window to window, in both directions.
    padding: rows and columns of zeros on each of the four sides.
    groups: 1 or more; divides inputs and outputs.
    """

    stride: int = 1
    padding: int = 0
    groups: int = 1
    source: int | None = None

    kind = "conv2d"
    axes = ("outputs", "kernel height", "kernel width", "inputs // groups")

    def __post_init__(self):
        super().__post_init__()
        for name, low in (("stride", 1), ("padding", 0), ("groups", 1)):
            check_int(name, getattr(self, name), low)
        if self.outputs % self.groups:
            raise InputError(f"groups must divide the {self.outputs} outputs, but there are {self.groups}")

    @property
    def inputs(self) -> int:
        """Number of input channels."""
        return self.weight.shape[3] * self.groups

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        return self.weight.shape[1:3]

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output. Raises InputError where channels differ or the kernel exceeds the padded image."""
        if input_shape[2] != self.inputs:
            raise InputError(f"takes {self.inputs} input channels, but {input_shape[2]} arrive; they must agree")
        return (*_window_places(input_shape, self.kernel, self.stride, self.padding), self.outputs)


@dataclass(frozen=True)
class MaxPool(Layer):
    """Greatest activation of each window, channel by channel; incomplete windows at right and bottom are dropped.

    Parameters
    ----------
    size: height and width of the window. stride: step from window to window; the size where it is None.
    source: what it reads, see the module.
    """

    size: int
    stride: int | None = None
    source: int | None = None

    kind = "maxpool"
    sums = False
    requantize = None
    weight_bits = None

    def __post_init__(self):
        check_int("size", self.size, 1)
        if self.stride is None:
            object.__setattr__(self, "stride", self.size)
        check_int("stride", self.stride, 1)

    def window(self, input_shape: Shape) -> tuple[int, int]:
        """Height and width of the window."""
        return (self.size, self.size)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output. Raises InputError where the window exceeds the image."""
        return (*_window_places(input_shape, self.window(input_shape), self.stride), input_shape[2])


@dataclass(frozen=True, eq=False)
class AvgPool(Layer):
    """Mean of each window: accumulator = sum over the window; requantize divides by its size.

    Parameters
    ----------
    size: height and width of the window; None for the whole image.
    stride: step from window to window; None for the size (for the whole image 1, there being one window).
    requantize: multiplier and shift per channel; None in the last layer.
    source: what it reads, see the module.
    """

    size: int | None
    stride: int | None = None
    requantize: Requantize | None = None
    source: int | None = None

    kind = "avgpool"
    weight_bits = None

    def __post_init__(self):
        if self.size is not None:
            check_int("size", self.size, 1)
        if self.stride is None:
            object.__setattr__(self, "stride", self.size or 1)
        check_int("stride", self.stride, 1)

    def window(self, input_shape: Shape) -> tuple[int, int]:
        """Height and width of the window."""
        return input_shape[:2] if self.size is None else (self.size, self.size)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of the output. Raises InputError where the window exceeds the image or channels differ."""
        shape = (*_window_places(input_shape, self.window(input_shape), self.stride), input_shape[2])
        if self.requantize is not None:
            self.requantize.check_channels(shape[2])
        return shape

    def accumulator_range(self, source: Format, input_shape: Shape) -> Range:
        """Least and greatest partial sum per channel."""
        ones = np.ones((input_shape[2], math.prod(self.window(input_shape))), np.int64)
        return accumulator_range(ones, np.zeros(len(ones), np.int64), source)


@dataclass(frozen=True, eq=False)
class Add(Layer):
    """Sum of two tensors of one shape, a residual connection: weight[0] · source + weight[1] · other.

    Parameters
    ----------
    other: the second operand, as `source` names the first.
    weight: (2,) ints 1 .. 2^(weight_bits-1) - 1, the accumulator's units in one unit of each operand.
    weight_bits: 2..8.
    requantize: multiplier and shift per channel; None in the last layer.
    source: what it reads, see the module.
    """

    other: int
    weight: np.ndarray
    weight_bits: int
    requantize: Requantize | None
    source: int | None = None

    kind = "add"

    def __post_init__(self):
        freeze(self, "weight", np.int64)
        check_vector("weight", self.weight, 2, "operand")
        check_weight(self.weight, self.weight_bits, low=1)

    @property
    def reads(self) -> tuple[int | None, ...]:
        """What it reads: source and other."""
        return (self.source, self.other)

    def output_shape(self, input_shape: Shape, other_shape: Shape | None = None) -> Shape:
        """Shape of the output. Raises InputError where the operands' shapes differ, or channels do."""
        if other_shape is not None and other_shape != input_shape:
            raise InputError(f"adds {input_shape} and {other_shape}; the shapes must agree")
        if self.requantize is not None:
            self.requantize.check_channels(input_shape[2])
        return input_shape

    def accumulator_range(self, source: Format, other: Format, input_shape: Shape) -> Range:
        """Least and greatest partial sum per channel."""
        ends = [
            (weight * form.low, weight * form.high) for weight, form in zip(self.weight, (source, other), strict=True)
        ]
        low, high = (sum(int(end) for end in side) for side in zip(*ends, strict=True))
        return np.full(input_shape[2], low), np.full(input_shape[2], high)


KINDS = {layer.kind: layer for layer in (Dense, Conv2d, MaxPool, AvgPool, Add)}
"""The layers by kind."""


def _window_places(shape: Shape, window: tuple[int, int], stride: int, padding: int = 0) -> tuple[int, int]:
    """Rows and columns of the windows that lie wholly in an image with its padding; see sw.limits.check_windows."""
    image = [length + 2 * padding for length in shape[:2]]
    if window[0] > image[0] or window[1] > image[1]:
        raise InputError(
            f"has a window of {window[0]}x{window[1]}, which must fit into the image of {image[0]}x{image[1]}, "
            "its padding included"
        )
    check_windows(shape, window, stride, padding)
    rows, columns = ((length - size) // stride + 1 for length, size in zip(image, window, strict=True))
    return rows, columns
