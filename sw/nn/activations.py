"""Activations: the functions between layers, without which many layers would be no more than one."""

from sw.nn import functions
from sw.nn.layer import Layer
from sw.nn.tensor import Tensor


class ReLU(Layer):
    """max(x, 0), element by element."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return functions.relu(x)


class Step(Layer):
    """1 where x ≥ 0, else 0: the perceptron. No gradient passes it, so nothing before it learns."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return functions.step(x)


class Sigmoid(Layer):
    """1 / (1 + e^-x), element by element: 0..1."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return functions.sigmoid(x)


class Tanh(Layer):
    """tanh(x), element by element: -1..1."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return functions.tanh(x)


class LeakyReLU(Layer):
    """x where x > 0, else slope · x, element by element.

    Parameters
    ----------
    slope: 0..1, of the negative side; 0 would be ReLU.
    """

    def __init__(self, slope: float = 0.01):
        self.slope = slope

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        return functions.leaky_relu(x, self.slope)

    def __str__(self) -> str:
        """Name with slope."""
        return f"LeakyReLU {self.slope:g}"


class Softmax(Layer):
    """e^x / Σ e^x over the last axis: probabilities. Not to be put before a loss that takes logits."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (..., classes)."""
        return functions.softmax(x)
