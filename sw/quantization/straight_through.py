"""Rounding and clipping with a gradient: the straight-through estimator.

Forward, a value becomes an integer; backward, the gradient passes as if it had only been scaled, and stops where
the value has saturated: Bengio et al., "Estimating or propagating gradients through stochastic neurons for
conditional computation", 2013, section 4; with the stop, Hubara et al., "Binarized neural networks", 2016,
section 1.3. Integers are held in floats. float64 holds every integer of a Network exactly, float32 up to 2^24.
"""

import numpy as np

from sw.network import Requantize
from sw.nn.tensor import Tensor, node
from sw.quantization.scales import weight_codes


def rounded(x: Tensor, factor: float = 1.0) -> Tensor:
    """The integer nearest to x · factor."""
    return node("round", np.rint(x.data * factor), (x, lambda g: g * factor))


def coded_weight(weight: Tensor, scale: np.ndarray, bits: int, coding: str, dtype) -> Tensor:
    """Integer weights of `dtype`; see sw.quantization.scales.weight_codes.

    The gradient stops at a weight that is beyond the range and would be moved further away from it.
    """
    real = weight.data.astype(np.float64) / scale
    codes = weight_codes(weight.data.astype(np.float64), scale, bits, coding)
    beyond = np.sign(real) * (np.abs(real) > np.abs(codes).max() + 0.5)

    def gradient(g: np.ndarray) -> np.ndarray:
        return (g / scale * (g * beyond >= 0)).astype(weight.data.dtype)  # a step goes against the gradient

    return node("codes", codes.astype(dtype), (weight, gradient))


def coded_bias(bias: Tensor, unit: np.ndarray, dtype) -> Tensor:
    """Integer bias of `dtype`, in units of the accumulator."""
    codes = np.rint(bias.data.astype(np.float64) / unit)
    return node("codes", codes.astype(dtype), (bias, lambda g: (g / unit).astype(bias.data.dtype)))


def requantized(accumulator: Tensor, requantize: Requantize) -> Tensor:
    """clip(⌊accumulator · m · 2^-s + 1/2⌋), as sw.fixed.requantize; the gradient passes where nothing was clipped.

    Exact in float64 as long as accumulator · m is below 2^53: the sum with 1/2 then needs no more than 53 bits,
    unless it lies between 1/2 and 1, where rounding cannot reach 1.
    """
    factor = np.ldexp(requantize.multiplier.astype(np.float64), -requantize.shift)
    factor = factor.astype(accumulator.data.dtype)
    value = np.floor(accumulator.data * factor + accumulator.data.dtype.type(0.5))
    low, high = requantize.form.low, requantize.form.high

    def gradient(g: np.ndarray) -> np.ndarray:
        return g * ((value >= low) & (value <= high)) * factor

    return node("requantize", np.clip(value, low, high), (accumulator, gradient))
