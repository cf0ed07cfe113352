"""The fully connected layer, and what leads to it from images."""

import numpy as np

from sw.nn import functions
from sw.nn.initializers import Initializer, he
from sw.nn.layer import Layer
from sw.nn.tensor import Tensor


class Dense(Layer):
    """Fully connected: x @ weight + bias, (n, inputs) → (n, outputs).

    Parameters
    ----------
    inputs, outputs: sizes.
    generator: source of the first weights; the bias starts at 0.
    initializer: how they are drawn; see sw.nn.initializers.
    dtype: float32 for training, float64 for gradient checks.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        generator: np.random.Generator,
        initializer: Initializer = he,
        dtype=np.float32,
    ):
        weight = initializer(generator, (inputs, outputs), inputs, outputs).astype(dtype)
        self.weight = Tensor(weight, requires_grad=True)
        self.bias = Tensor(np.zeros(outputs, dtype), requires_grad=True)

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the layer to (n, inputs)."""
        return x @ self.weight + self.bias

    def parameters(self) -> dict[str, Tensor]:
        """`weight` (inputs, outputs) and `bias` (outputs,)."""
        return {"weight": self.weight, "bias": self.bias}

    def __str__(self) -> str:
        """Name with sizes."""
        return "Dense {}→{}".format(*self.weight.shape)


class Flatten(Layer):
    """(n, ...) → (n, product of the rest), in C order: height, width, channel."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return functions.reshape(x, (x.shape[0], -1))
