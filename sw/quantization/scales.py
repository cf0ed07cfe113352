"""The choice of scales: how much a unit of a weight, of an activation and of an operand is worth.

All scales of weights are arrays, one per output channel; weights are in the float model's layout, outputs last.
"""

import numpy as np

from sw.fixed import weight_limit
from sw.network import MULTIPLIER_BITS
from sw.quantization.stages import Stage

SMALLEST_CHANNEL = 2.0**-8
"""No channel's weight scale is less than this part of the layer's greatest, for its bias would need more bits."""
OCTAVES = 2.0 ** -np.arange(4)
FRACTIONS = 2.0 ** -(np.arange(25) / 8)
"""How much finer than fitting a scale may be: by whole powers of two, and by eighths of one."""


def weight_codes(weight: np.ndarray, scale: np.ndarray, bits: int, coding: str) -> np.ndarray:
    """Integers, as float64: the nearest multiple of the scale within the range; for "binary" the sign, with 0 as 1."""
    if coding == "binary":
        return np.where(weight < 0, -1.0, 1.0)
    limit = weight_limit(bits)
    return np.clip(np.rint(weight / scale), -limit, limit)


def fitting_scales(weight: np.ndarray, bits: int, per_channel: bool) -> np.ndarray:
    """Scales with which the greatest weight, of each channel or of the layer, just fits."""
    return _scales(np.abs(weight).reshape(-1, weight.shape[-1]).max(axis=0), per_channel) / weight_limit(bits)


def coarse_scales(weight: np.ndarray, coding: str, per_channel: bool) -> np.ndarray:
    """Scales of ternary or binary weights, with which Σ (w - α t)² is least.

    That is the mean magnitude of the weights that do not become 0. Binary: of all; Rastegari et al., "XNOR-Net",
    2016, equation 6. Ternary: of the k greatest, where k makes (their sum)² / k greatest; Li et al., "Ternary weight
    networks", 2016, equation 5, solved exactly. Those k are the weights nearer to ±α than to 0.
    """
    magnitude = np.abs(weight).reshape(-1, weight.shape[-1])
    if not per_channel:
        magnitude = magnitude.reshape(-1, 1)
    count = np.arange(1, len(magnitude) + 1)[:, None]
    means = np.cumsum(-np.sort(-magnitude, axis=0), axis=0) / count  # of the k greatest
    chosen = np.argmax(means**2 * count, axis=0) if coding == "ternary" else np.full(means.shape[1], -1)
    scale = means[chosen, np.arange(means.shape[1])]
    return _scales(np.broadcast_to(scale, weight.shape[-1]), per_channel)


def finer_scales(
    stage: Stage, moments: np.ndarray, fitting: np.ndarray, factors: np.ndarray, bits: int, per_channel: bool
) -> np.ndarray:
    """Those of fitting · factors that leave the least squared error in the sums, given the moments of the inputs.

    The mean of (eᵀx)² is eᵀ (mean of x xᵀ) e. A scale finer than the fitting one saturates the few greatest weights
    and rounds all others better, which pays off when bits are few. With one scale per layer the error is that of the
    whole layer.
    """
    groups, terms, _ = moments.shape
    errors = []
    for factor in factors:
        codes = weight_codes(stage.weight, fitting * factor, bits, "integer")
        error = (codes * (fitting * factor) - stage.weight).reshape(terms, groups, -1).swapaxes(0, 1)
        errors.append(((moments @ error) * error).sum(axis=1).reshape(-1))
    errors = np.stack(errors)  # (factors, outputs)
    if not per_channel:
        errors = np.broadcast_to(errors.sum(axis=1, keepdims=True), errors.shape)
    return fitting * factors[errors.argmin(axis=0)]


def operand_weights(
    scales: tuple[float, float], moments: np.ndarray, s_out: float | None, limit: int, power_of_two: bool
) -> tuple[np.ndarray, float, float | None]:
    """Integers (a, b) of 1..limit that bring the operands of a sum to one unit: a · unit ≈ scales[0], likewise b.

    The units tried are those that one of the two operands meets exactly, scales[0] / a and scales[1] / b. The
    error of a unit is that of the sum, rᵀ moments r with r = (a · unit / scales[0] - 1, likewise for b), and of the
    result's rounding, s_out² / 12. With power_of_two s_out becomes the least unit · 2^k, k ≥ 0, that is not less.
    s_out is None where sums leave raw. Returns (a, b), the unit and s_out.
    """
    scale = np.array(scales)
    units = (scale / np.arange(1, limit + 1)[:, None]).reshape(-1)
    weights = np.clip(np.rint(scale / units[:, None]), 1, limit)  # (units, 2)
    relative = weights * units[:, None] / scale - 1
    errors = ((relative @ moments) * relative).sum(axis=1)
    results = np.full(units.shape, s_out or 1.0)
    if s_out is not None and power_of_two:
        results = units * 2.0 ** np.maximum(octaves_up(s_out / units), 0)
        errors += results**2 / 12
    best = int(errors.argmin())
    return weights[best].astype(np.int64), float(units[best]), None if s_out is None else float(results[best])


def octaves_up(ratio):
    """The least k with 2^k ≥ ratio, up to rounding of the ratio itself."""
    return np.ceil(np.log2(ratio) - 1e-9)


def rounded_octaves(ratio):
    """The k with 2^k nearest to the ratio, as a ratio."""
    return np.rint(np.log2(ratio))


def octaves_down(ratio):
    """The greatest k with 2^k ≤ ratio, up to rounding of the ratio itself."""
    return np.floor(np.log2(ratio) + 1e-9)


def multiplier_and_shift(ratio: np.ndarray, power_of_two: bool) -> tuple[np.ndarray, np.ndarray]:
    """(m, s) with m · 2^-s nearest to each ratio: m normalized into 2^15 .. 2^16 - 1, or 1 for powers of two."""
    if power_of_two:
        return np.ones(ratio.shape, np.int64), -np.rint(np.log2(ratio)).astype(np.int64)
    mantissa, exponent = np.frexp(ratio)  # ratio = mantissa · 2^exponent, mantissa in [0.5, 1)
    multiplier = np.minimum(np.rint(mantissa * 2.0**MULTIPLIER_BITS), 2**MULTIPLIER_BITS - 1).astype(np.int64)
    return multiplier, MULTIPLIER_BITS - exponent.astype(np.int64)


def _scales(channels: np.ndarray, per_channel: bool) -> np.ndarray:
    """One for each channel, none too small; or the greatest for all."""
    whole = channels.max() or 1.0  # where all weights are 0, any scale will do
    return np.maximum(channels, whole * SMALLEST_CHANNEL) if per_channel else np.full(channels.shape, whole)
