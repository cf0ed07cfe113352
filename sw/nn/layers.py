"""Layers: functions of a tensor with named parameters."""

import numpy as np

from sw.nn import functions
from sw.nn.initializers import Initializer, he
from sw.nn.tensor import Tensor


class Layer:
    """What a layer offers; one without parameters need only define `__call__`."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply the layer to a batch; the first axis counts the examples."""
        raise NotImplementedError

    def parameters(self) -> dict[str, Tensor]:
        """The tensors that training changes, by name."""
        return {}

    def __str__(self) -> str:
        """What messages call the layer."""
        return type(self).__name__


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


class ReLU(Layer):
    """max(x, 0), element by element."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return functions.relu(x)


class Flatten(Layer):
    """(n, ...) → (n, product of the rest), in C order: height, width, channel."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return functions.reshape(x, (x.shape[0], -1))


class Sequential(Layer):
    """Layers one after the other.

    Parameters
    ----------
    layers: in the order of the signal. Their parameters are named by position: `0.weight`, `0.bias`, ...
    """

    def __init__(self, *layers: Layer):
        self.layers = layers

    def __call__(self, x: Tensor) -> Tensor:
        """Apply all layers."""
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self) -> dict[str, Tensor]:
        """All layers' parameters."""
        return {f"{i}.{name}": p for i, layer in enumerate(self.layers) for name, p in layer.parameters().items()}
