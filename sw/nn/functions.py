"""Functions of one tensor: forward and backward side by side."""

import numpy as np

from sw.nn.tensor import Tensor, node


def relu(x: Tensor) -> Tensor:
    """max(x, 0); its derivative at 0 is taken as 0."""
    return node(np.maximum(x.data, 0), (x, lambda g: g * (x.data > 0)))


def exp(x: Tensor) -> Tensor:
    """e^x."""
    value = np.exp(x.data)
    return node(value, (x, lambda g: g * value))


def log(x: Tensor) -> Tensor:
    """Natural logarithm; x must be positive."""
    return node(np.log(x.data), (x, lambda g: g / x.data))


def total(x: Tensor, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Sum over `axis`, over all axes where it is None; the summed axes stay, with size 1."""
    return node(x.data.sum(axis=axis, keepdims=True), (x, lambda g: np.broadcast_to(g, x.shape)))


def mean(x: Tensor, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Mean over `axis`, over all axes where it is None; the summed axes stay, with size 1."""
    summed = total(x, axis)
    return summed / (x.data.size / summed.data.size)


def reshape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The same elements in another shape, in the same (C) order."""
    return node(x.data.reshape(shape), (x, lambda g: g.reshape(x.shape)))
