"""Losses of regression: functions of the error, prediction - target.

All take `prediction` and `target` of one shape, and give a loss per element, reduced as sw.nn.reduction
says. `weights` and `reduction` have the meaning and the errors that are stated there.
"""

import math

import numpy as np

from sw.errors import InputError
from sw.nn.functions import root
from sw.nn.reduction import checked_target, reduced
from sw.nn.tensor import Tensor


def mean_squared_error(prediction: Tensor, target, weights=None, reduction: str = "mean") -> Tensor:
    """MSE or L2 loss: e². Least where the prediction is the mean of the targets. Gauss, 1809."""
    error = prediction.data - checked_target(target, prediction)
    return reduced("mse", error**2, weights, reduction, (prediction, lambda g: g * 2 * error))


def root_mean_squared_error(prediction: Tensor, target, weights=None, reduction: str = "mean") -> Tensor:
    """RMSE: the root of the reduced e², so in the unit of the target.

    The gradient where the root is 0, which does not exist, is taken as 0.
    Hyndman and Koehler, "Another look at measures of forecast accuracy", 2006, section 2.1.
    """
    return root(mean_squared_error(prediction, target, weights, reduction))


def mean_absolute_error(prediction: Tensor, target, weights=None, reduction: str = "mean") -> Tensor:
    """MAE or L1 loss: |e|; its derivative at 0 is taken as 0. Least where the prediction is the median. Laplace, 1774.

    An outlier pulls no harder than any other point.
    """
    error = prediction.data - checked_target(target, prediction)
    return reduced("mae", np.abs(error), weights, reduction, (prediction, lambda g: g * np.sign(error)))


def absolute_difference(prediction: Tensor, target, weights=None, reduction: str = "sum_by_nonzero_weights") -> Tensor:
    """|e|, as MAE, but reduced as `tf.compat.v1.losses.absolute_difference` does where nothing is said."""
    return mean_absolute_error(prediction, target, weights, reduction)


def huber(prediction: Tensor, target, delta: float = 1.0, weights=None, reduction: str = "mean") -> Tensor:
    """½ e² where |e| ≤ delta, delta · (|e| - ½ delta) beyond: a square near 0 with straight, bounded arms.

    Huber, "Robust estimation of a location parameter", 1964. Raises InputError unless delta is above 0.
    """
    if not delta > 0:
        raise InputError(f"delta of the Huber loss must be above 0, not {delta!r}")
    error = prediction.data - checked_target(target, prediction)
    clipped = np.clip(error, -delta, delta)
    losses = clipped * (error - clipped / 2)  # both pieces: where nothing is clipped it is e · e/2
    return reduced("huber", losses, weights, reduction, (prediction, lambda g: g * clipped))


def log_cosh(prediction: Tensor, target, weights=None, reduction: str = "mean") -> Tensor:
    """log(cosh(e)): about ½ e² near 0, |e| - log 2 far away, smooth all over. Its derivative is tanh(e).

    Computed as |e| + log(1 + exp(-2|e|)) - log 2, for cosh itself overflows at e = 89 in float32.
    Saleh and Saleh, "Statistical properties of the log-cosh loss function", 2022.
    """
    error = prediction.data - checked_target(target, prediction)
    size = np.abs(error)
    losses = size + np.log1p(np.exp(-2 * size)) - math.log(2)
    return reduced("log-cosh", losses, weights, reduction, (prediction, lambda g: g * np.tanh(error)))


def quantile(prediction: Tensor, target, gamma: float = 0.5, weights=None, reduction: str = "mean") -> Tensor:
    """Pinball loss: gamma · (target - prediction) where the target is above, (1 - gamma) · (prediction - target) below.

    Least where the share gamma of the targets lies below the prediction, so that gammas of 0.05 and 0.95
    bound an interval that holds 90 % of them. The derivative at 0 is taken as 0.
    Koenker and Bassett, "Regression quantiles", 1978. Raises InputError unless 0 < gamma < 1.
    """
    if not 0 < gamma < 1:
        raise InputError(f"gamma of the quantile loss must be between 0 and 1, not {gamma!r}")
    error = prediction.data - checked_target(target, prediction)
    slope = np.where(error < 0, -gamma, np.where(error > 0, 1 - gamma, 0)).astype(error.dtype)
    return reduced("quantile", slope * error, weights, reduction, (prediction, lambda g: g * slope))


def mean_pairwise_squared_error(prediction: Tensor, target, weights=None, reduction: str = "mean") -> Tensor:
    """For each example the mean of (e_i - e_j)² over all pairs of its elements: a shift of the whole costs nothing.

    (n, ...) of at least two elements each → n losses. The sum over k(k - 1)/2 pairs is k · Σ (e_i - mean e)²,
    so that no pair need be formed. Source: `tf.compat.v1.losses.mean_pairwise_squared_error`.
    """
    error = prediction.data - checked_target(target, prediction)
    if error.ndim < 2 or error[0].size < 2:
        raise InputError(f"pairwise errors need at least two elements per example, (n, k), not {error.shape}")
    rows = error.reshape(len(error), -1)  # (n, k)
    centred = rows - rows.mean(axis=1, keepdims=True)
    factor = 2 / (rows.shape[1] - 1)
    losses = factor * (centred**2).sum(axis=1)  # (n,)
    edge = (prediction, lambda g: (g[:, None] * 2 * factor * centred).reshape(error.shape))
    return reduced("pairwise", losses, weights, reduction, edge)
