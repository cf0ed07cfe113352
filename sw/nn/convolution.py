"""The convolutional layer."""

import numpy as np

from sw.errors import InputError
from sw.nn.functions import reshape, transpose
from sw.nn.initializers import Initializer, he
from sw.nn.layer import Layer
from sw.nn.tensor import Tensor
from sw.nn.windows import checked_size, pad, windows


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
        """Apply the layer to (n, h, w, inputs): one matrix product per group."""
        inputs, outputs = self.weight.shape[2:]
        if x.data.ndim != 4 or x.shape[3] != inputs * self.groups:
            raise InputError(f"{self} reads images (n, height, width, {inputs * self.groups}), not {x.shape}")
        seen = windows(pad(x, self.padding), (self.size, self.size), self.stride)
        n, rows, columns, places, _ = seen.shape
        pixels, terms = n * rows * columns, places * inputs
        seen = reshape(seen, (pixels, places, self.groups, inputs))
        seen = reshape(transpose(seen, (2, 0, 1, 3)), (self.groups, pixels, terms))
        weight = transpose(reshape(self.weight, (terms, self.groups, outputs // self.groups)), (1, 0, 2))
        product = transpose(seen @ weight, (1, 0, 2))  # (pixels, groups, outputs per group)
        return reshape(product, (n, rows, columns, outputs)) + self.bias

    def parameters(self) -> dict[str, Tensor]:
        """`weight` (size, size, inputs / groups, outputs) and `bias` (outputs,)."""
        return {"weight": self.weight, "bias": self.bias}

    def __str__(self) -> str:
        """Name with sizes."""
        inputs, outputs = self.weight.shape[2:]
        return f"Conv2d {self.size}x{self.size} {inputs * self.groups}→{outputs}"
