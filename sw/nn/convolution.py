"""Convolution: the operation, as matrix products, and the layer.

The usual way is im2col: copy all windows side by side, then one product. Here only the windows' columns are copied,
`size` instead of size² numbers for each pixel: in planes of (row, channel, place in the window, column · n) the windows
of one row of the result are `size` successive rows, and so a matrix without further copies. One product for each row
of the result remains. Backward it is the same: `size` successive rows of the gradient are a matrix, too, of which the
flipped kernel makes the gradient of the copies. im2col: Chellapilla et al., "High performance convolutional neural
networks for document processing", 2006; half of it: Cho and Brand, "MEC: memory-efficient convolution", 2017.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from sw.errors import InputError
from sw.nn.initializers import Initializer, he
from sw.nn.layer import Layer
from sw.nn.tensor import Tensor, node
from sw.nn.windows import checked_size, to_images, to_planes, window_count


class Conv2d(Layer):
    """Each output pixel is the same weighted sum of the window around its place, plus a bias.

    (n, h, w, inputs) → (n, (h + 2 padding - size) // stride + 1, likewise for w, outputs). As everywhere in
    deep learning the window is not flipped, so mathematicians call it a cross-correlation: Goodfellow et al.,
    "Deep Learning", 2016, equation 9.6.

    Parameters
    ----------
    inputs, outputs: channels.
    size: height and width of the window.
    generator: source of the first weights; the bias starts at 0.
    stride: step from window to window, on both axes.
    padding: zeros added on each side.
    groups: into how many parts inputs and outputs are divided; an output sees only the inputs of its part.
        As many groups as inputs is a depthwise convolution.
    initializer: how weights are drawn; fan_in is what one output sums up, size² · inputs / groups.
    dtype: float32 for training, float64 for gradient checks.

    Raises InputError for numbers out of range, or groups that do not divide inputs and outputs.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        generator: np.random.Generator,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        initializer: Initializer = he,
        dtype=np.float32,
    ):
        for name, value in {"inputs": inputs, "outputs": outputs, "size": size, "stride": stride}.items():
            checked_size(name, value, 1)
        self.size, self.stride, self.padding = size, stride, checked_size("padding", padding, 0)
        self.groups = checked_size("groups", groups, 1)
        if inputs % groups or outputs % groups:
            raise InputError(f"groups must divide inputs {inputs} and outputs {outputs}, not be {groups}")
        shape = (size, size, inputs // groups, outputs)
        fans = (size * size * inputs // groups, size * size * outputs // groups)
        self.weight = Tensor(initializer(generator, shape, *fans).astype(dtype), requires_grad=True)
        self.bias = Tensor(np.zeros(outputs, dtype), requires_grad=True)

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the layer to (n, h, w, inputs)."""
        inputs = self.weight.shape[2] * self.groups
        if x.data.ndim != 4 or x.shape[3] != inputs:
            raise InputError(f"{self} reads images (n, height, width, {inputs}), not {x.shape}")
        return convolve(x, self.weight, self.bias, self.stride, self.padding, self.groups)

    def parameters(self) -> dict[str, Tensor]:
        """`weight` (size, size, inputs / groups, outputs) and `bias` (outputs,)."""
        return {"weight": self.weight, "bias": self.bias}

    def __str__(self) -> str:
        """Name with sizes."""
        inputs, outputs = self.weight.shape[2:]
        return f"Conv2d {self.size}x{self.size} {inputs * self.groups}→{outputs}"


def convolve(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    """The operation of Conv2d: x (n, h, w, inputs), weight (size, size, inputs / groups, outputs), bias (outputs,)."""
    size, _, inputs, outputs = weight.shape  # inputs and outputs of all that follows: of one group
    outputs //= groups
    rows, columns = window_count(x.data, size, stride, padding)
    n, height, width, _ = x.shape
    line = columns * n
    kernel = weight.data.reshape(size, size, inputs, groups, outputs)

    copies = np.empty((groups, height + 2 * padding, inputs, size, columns, n), x.data.dtype)
    copies[:, :padding] = copies[:, padding + height :] = 0
    inside = copies[:, padding : padding + height]
    value = np.empty((rows, groups, outputs, line), x.data.dtype)
    source = to_planes(x.data).reshape(height, groups, inputs, width, n).swapaxes(0, 1)
    shifts = [_shift(place - padding, stride, columns, width) for place in range(size)]
    windows = _successive(copies.reshape(groups, -1, inputs * size, line), size, stride)
    forward = kernel.transpose(3, 4, 0, 2, 1).reshape(groups, 1, outputs, -1)  # as the windows: row, input, column

    for place, (seen, there) in enumerate(shifts):
        inside[:, :, :, place, there] = source[:, :, :, seen]
        inside[:, :, :, place, : there.start] = inside[:, :, :, place, there.stop :] = 0
    np.matmul(forward, windows, out=value.swapaxes(0, 1))
    value += bias.data.reshape(groups, outputs, 1)

    def split(g: np.ndarray) -> np.ndarray:
        return to_planes(g).reshape(rows, groups, outputs, line).swapaxes(0, 1)

    def gradient_of_weight(g: np.ndarray) -> np.ndarray:
        result = (windows @ split(g).swapaxes(2, 3)).sum(axis=1)
        return result.reshape(groups, size, inputs, size, outputs).transpose(1, 3, 2, 0, 4).reshape(weight.shape)

    def gradient_of_x(g: np.ndarray) -> np.ndarray:
        spaced = np.zeros((groups, height + 2 * padding + size - 1, outputs, line), g.dtype)
        spaced[:, size - 1 : size - 1 + stride * rows : stride] = split(g)
        windows = _successive(spaced, size, 1)[:, padding:]  # row y: of the rows of the result that have seen y
        backward = kernel[::-1].transpose(3, 2, 1, 0, 4).reshape(groups, inputs * size, -1)
        result = np.zeros((height, groups, inputs, width, n), g.dtype)
        for row in range(height):
            parts = (backward @ windows[:, row]).reshape(groups, inputs, size, columns, n)
            for place, (seen, there) in enumerate(shifts):
                result[row, :, :, seen] += parts[:, :, place, there]
        return to_images(result.reshape(height, groups * inputs, width, n))

    edges = (x, gradient_of_x), (weight, gradient_of_weight), (bias, lambda g: g.sum(axis=(0, 1, 2)))
    return node("conv", to_images(value.reshape(rows, groups * outputs, columns, n)), *edges)


def _shift(first: int, stride: int, columns: int, width: int) -> tuple[slice, slice]:
    """Which pixels of a line the windows see that see pixel `first`, first + stride, ...; and which windows those are.

    Pixels outside 0..width-1 are left out.
    """
    start = max(0, -(first // stride))  # the first window that sees a pixel
    stop = max(start, min(columns, (width - 1 - first) // stride + 1))
    return slice(first + stride * start, first + stride * stop, stride), slice(start, stop)


def _successive(lines: np.ndarray, size: int, stride: int) -> np.ndarray:
    """(groups, rows, k, line) → (groups, windows, size · k, line), a view: each `size` successive rows."""
    groups, rows, k, line = lines.shape
    steps = lines.strides
    return as_strided(
        lines,
        (groups, (rows - size) // stride + 1, size * k, line),
        (steps[0], stride * steps[1], *steps[2:]),
        writeable=False,
    )
