"""Gradient check: what `backward` computes against finite differences."""

from collections.abc import Callable

import numpy as np

from sw.errors import InputError
from sw.nn.functions import total
from sw.nn.tensor import Tensor

STEP = 1e-6
"""Near the cube root of the float64 rounding error, where central differences are most accurate."""


def numeric_gradient(function: Callable[[], float], array: np.ndarray) -> np.ndarray:
    """Central differences (f(x + h) - f(x - h)) / 2h for each element of `array`, which `function` reads.

    Raises InputError where the array is not float64: in float32 the difference drowns in rounding.
    """
    if array.dtype != np.float64:
        raise InputError(f"a gradient check needs float64, not {array.dtype}; build the graph of float64 tensors")
    result = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        value = array[place]
        array[place] = value + STEP
        above = function()
        array[place] = value - STEP
        below = function()
        array[place] = value
        result[place] = (above - below) / (2 * STEP)
    return result


def gradient_error(function: Callable[..., Tensor], *leaves: Tensor) -> float:
    """Greatest deviation of `backward` from finite differences, over all elements of all leaves.

    function(*leaves) may have any shape: what is derived is the sum of its elements, each with its own fixed
    factor, so that no two of them can make up for each other's errors. Deviations count relative to gradients
    above 1, absolutely below. It must give the same result at each call, so seed what is random in it.
    The leaves' `grad` is overwritten.
    """
    factors = np.random.default_rng(0).uniform(0.5, 1.5, function(*leaves).shape)

    def weighted_sum() -> Tensor:
        return total(function(*leaves) * factors)

    for leaf in leaves:
        leaf.grad = None
    weighted_sum().backward()
    worst = 0.0
    for leaf in leaves:
        expected = numeric_gradient(lambda: float(weighted_sum().data.sum()), leaf.data)
        deviation = np.abs(leaf.grad - expected) / np.maximum(np.abs(expected), 1)
        worst = max(worst, float(deviation.max()))
    return worst
