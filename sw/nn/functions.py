"""Functions of one tensor: forward and backward side by side."""

import numpy as np

from sw.errors import InputError
from sw.nn.tensor import Tensor, node


def relu(x: Tensor) -> Tensor:
    """max(x, 0); its derivative at 0 is taken as 0."""
    return node("relu", np.maximum(x.data, 0), (x, lambda g: g * (x.data > 0)))


def leaky_relu(x: Tensor, slope: float = 0.01) -> Tensor:
    """x where x > 0, else slope · x: unlike ReLU's, its gradient never vanishes. The derivative at 0 is the slope.

    Maas et al., "Rectifier nonlinearities improve neural network acoustic models", 2013.
    Raises InputError unless 0 ≤ slope ≤ 1.
    """
    if not 0 <= slope <= 1:
        raise InputError(f"the slope of a leaky ReLU must be within 0..1, not {slope!r}")
    return node("leaky relu", np.maximum(x.data, slope * x.data), (x, lambda g: np.where(x.data > 0, g, slope * g)))


def step(x: Tensor) -> Tensor:
    """1 where x ≥ 0, else 0; its derivative is 0 everywhere. Rosenblatt, "The perceptron", 1958."""
    return node("step", (x.data >= 0).astype(x.data.dtype), (x, np.zeros_like))


def sigmoid(x: Tensor) -> Tensor:
    """σ(x) = 1 / (1 + e^-x), of derivative σ (1 - σ): at most 1/4, so that it fades from layer to layer."""
    value = logistic(x.data)
    return node("sigmoid", value, (x, lambda g: g * value * (1 - value)))


def tanh(x: Tensor) -> Tensor:
    """2 σ(2x) - 1, of derivative 1 - tanh²: 1 at 0, and the values have no bias to one sign. LeCun et al., 1998."""
    value = np.tanh(x.data)
    return node("tanh", value, (x, lambda g: g * (1 - value**2)))


def softmax(x: Tensor) -> Tensor:
    """e^x / Σ e^x over the last axis, the greatest x subtracted first.

    The derivative of s_i by x_j is s_i (δ_ij - s_j). Goodfellow et al., "Deep Learning", 2016, section 6.2.2.3.
    """
    exponentials = np.exp(x.data - x.data.max(axis=-1, keepdims=True))
    value = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return node("softmax", value, (x, lambda g: value * (g - (g * value).sum(axis=-1, keepdims=True))))


def logistic(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x) of an array; the only exponential is of -|x|, so that nothing overflows."""
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, np.ones_like(small)) / (1 + small)


def exp(x: Tensor) -> Tensor:
    """e^x."""
    value = np.exp(x.data)
    return node("exp", value, (x, lambda g: g * value))


def log(x: Tensor) -> Tensor:
    """Natural logarithm; x must be positive."""
    return node("log", np.log(x.data), (x, lambda g: g / x.data))


def root(x: Tensor) -> Tensor:
    """Square root; x must not be negative. The derivative at 0, which does not exist, is taken as 0."""
    value = np.sqrt(x.data)
    return node("root", value, (x, lambda g: np.divide(g, 2 * value, out=np.zeros_like(value), where=value > 0)))


def total(x: Tensor, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Sum over `axis`, over all axes where it is None; the summed axes stay, with size 1."""
    return node("sum", x.data.sum(axis=axis, keepdims=True), (x, lambda g: np.broadcast_to(g, x.shape)))


def mean(x: Tensor, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Mean over `axis`, over all axes where it is None; the summed axes stay, with size 1."""
    summed = total(x, axis)
    return summed / (x.data.size / summed.data.size)


def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The same elements in another shape, in the same (C) order."""
    return node("reshape", x.data.reshape(shape), (x, lambda g: g.reshape(x.shape)))
