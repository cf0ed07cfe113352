"""Reduction: from one loss per element or example to the loss of a batch, the same way for every loss."""

import numpy as np

from sw.errors import InputError
from sw.nn.tensor import Gradient, Tensor, node

REDUCTIONS = {
    "none": None,
    "sum": lambda weights: 1,
    "mean": lambda weights: weights.sum(),
    "sum_by_nonzero_weights": lambda weights: int(np.count_nonzero(weights)),
}
"""By name, what the sum of w · l is divided by, for weights w of the shape of the losses l; "none" does not sum.

So "mean" is the weighted mean, Σ w·l / Σ w. Where all weights are 0, so is each reduction.
Source: `tf.compat.v1.losses.Reduction` of TensorFlow.
"""


def reduced(operation: str, losses: np.ndarray, weights, reduction: str, *edges: tuple[Tensor, Gradient]) -> Tensor:
    """The node of a loss: `losses`, weighted and reduced.

    Parameters
    ----------
    operation, edges: as for `node`; an edge takes the gradient of `losses`, before weighting and reduction.
    losses: one for each element or each example.
    weights: how much each counts, at least 0, in a shape that broadcasts to that of the losses; None is all 1.
    reduction: a name of REDUCTIONS; all but "none" give the shape ().

    Raises InputError for weights or a reduction that are not as above.
    """
    if reduction not in REDUCTIONS:
        raise InputError(f"reduction must be one of {', '.join(REDUCTIONS)}, not {reduction!r}")
    weights = _checked_weights(weights, losses)
    weighted = losses * weights
    if reduction == "none":
        return node(operation, weighted, *((parent, lambda g, f=f: f(g * weights)) for parent, f in edges))
    divisor = REDUCTIONS[reduction](weights) or 1
    # each f is linear, so that the division may come last
    backward = ((parent, lambda g, f=f: f(g * weights) / divisor) for parent, f in edges)
    return node(operation, weighted.sum() / divisor, *backward)


def checked_target(target, prediction: Tensor) -> np.ndarray:
    """The target in the prediction's dtype.

    Raises InputError where the shapes differ: (n, 1) against (n,) would broadcast to (n, n), silently.
    """
    target = np.asarray(target, prediction.data.dtype)
    if target.shape != prediction.shape:
        raise InputError(f"the target must have the shape of the prediction, {prediction.shape}, not {target.shape}")
    return target


def _checked_weights(weights, losses: np.ndarray) -> np.ndarray:
    if weights is None:
        return np.ones_like(losses)
    weights = np.asarray(weights, losses.dtype)
    if not (weights >= 0).all() or np.isinf(weights).any():
        raise InputError(f"weights must be finite and at least 0, not {weights.min():g} to {weights.max():g}")
    try:
        return np.broadcast_to(weights, losses.shape)
    except ValueError:
        raise InputError(f"weights must broadcast to the losses' shape {losses.shape}, not {weights.shape}") from None
