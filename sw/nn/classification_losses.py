"""Losses of classification.

Each gives one loss per example or per element, reduced as sw.nn.reduction says; `weights` and
`reduction` have the meaning and the errors that are stated there. Logits are numbers of any size, before a
softmax or sigmoid: these are done here, together with the logarithm, so that nothing overflows.
"""

import numpy as np

from sw.errors import InputError
from sw.nn.functions import logistic
from sw.nn.reduction import checked_target, reduced
from sw.nn.tensor import Tensor


def softmax_cross_entropy(logits: Tensor, labels: np.ndarray, weights=None, reduction: str = "mean") -> Tensor:
    """-log softmax(logits)[label] per example.

    logits: (n, classes); labels: (n,) integers 0..classes-1, so "sparse": no one-hot vectors. The greatest
    logit is subtracted first, which changes nothing but keeps every exponential at most 1. The gradient is
    softmax - one_hot: Goodfellow et al., "Deep Learning", 2016, section 6.2.2.3.
    Raises InputError for other labels.
    """
    labels = _checked_labels(labels, logits)
    rows = np.arange(len(labels))
    shifted = logits.data - logits.data.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    losses = np.log(sums[:, 0]) - shifted[rows, labels]  # (n,)

    def gradient(g: np.ndarray) -> np.ndarray:
        result = exponentials / sums
        result[rows, labels] -= 1
        return g[:, None] * result

    return reduced("cross-entropy", losses, weights, reduction, (logits, gradient))


def one_hot_cross_entropy(logits: Tensor, target, weights=None, reduction: str = "mean") -> Tensor:
    """-Σ target · log softmax(logits) per example; both (n, classes).

    A row of the target is a distribution: one-hot, smoothed, or what another network says. The gradient is
    softmax - target. Goodfellow et al., "Deep Learning", 2016, section 6.2.2.3.
    Raises InputError unless the rows of the target are at least 0 and sum to 1.
    """
    target = checked_target(target, logits)
    if target.ndim != 2 or not (target >= 0).all() or not np.allclose(target.sum(axis=1), 1, atol=1e-4):
        raise InputError("each row of a one-hot target must be at least 0 and sum to 1, in the shape (n, classes)")
    shifted = logits.data - logits.data.max(axis=1, keepdims=True)
    logarithms = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # log softmax
    losses = -(target * logarithms).sum(axis=1)  # (n,)
    edge = (logits, lambda g: g[:, None] * (np.exp(logarithms) - target))
    return reduced("cross-entropy", losses, weights, reduction, edge)


def sigmoid_cross_entropy(logits: Tensor, target, weights=None, reduction: str = "mean") -> Tensor:
    """-t log σ(x) - (1 - t) log(1 - σ(x)) per element: classes that do not exclude each other, t in 0..1.

    Computed as max(x, 0) - x t + log(1 + exp(-|x|)), whose exponential is at most 1. The gradient is σ(x) - t.
    Source: `tf.nn.sigmoid_cross_entropy_with_logits`.
    """
    target = _checked_share("target", checked_target(target, logits))
    x = logits.data
    losses = np.maximum(x, 0) - x * target + np.log1p(np.exp(-np.abs(x)))
    return reduced("sigmoid cross-entropy", losses, weights, reduction, (logits, lambda g: g * (logistic(x) - target)))


def log_loss(probability: Tensor, target, epsilon: float = 1e-7, weights=None, reduction: str = "mean") -> Tensor:
    """-t log(p + epsilon) - (1 - t) log(1 - p + epsilon) per element, for probabilities p and targets t in 0..1.

    epsilon bounds the loss of a wrong certainty by -log(epsilon). Where logits are at hand, `sigmoid_cross_entropy`
    needs no such bound. Source: `tf.compat.v1.losses.log_loss`. Raises InputError for p or t outside 0..1.
    """
    target = _checked_share("target", checked_target(target, probability))
    p = _checked_share("probability", probability.data)
    yes, no = p + epsilon, 1 - p + epsilon
    losses = -target * np.log(yes) - (1 - target) * np.log(no)
    edge = (probability, lambda g: g * ((1 - target) / no - target / yes))
    return reduced("log loss", losses, weights, reduction, edge)


def hinge(prediction: Tensor, target, weights=None, reduction: str = "mean") -> Tensor:
    """max(0, 1 - t · x) per element, for targets t of -1 and +1: nothing to gain beyond a margin of 1.

    The derivative at the margin is taken as 0. Cortes and Vapnik, "Support-vector networks", 1995.
    Raises InputError for other targets.
    """
    target = checked_target(target, prediction)
    if not (np.abs(target) == 1).all():
        raise InputError(f"targets of the hinge loss must be -1 or +1, not {target.min():g} to {target.max():g}")
    short = 1 - target * prediction.data  # of the margin
    return reduced("hinge", np.maximum(short, 0), weights, reduction, (prediction, lambda g: g * -target * (short > 0)))


def cosine_distance(prediction: Tensor, target, weights=None, reduction: str = "mean") -> Tensor:
    """1 - cos of the angle between prediction and target along the last axis: (..., k) → (...) losses.

    0 where they point the same way, 2 where opposite, whatever their lengths. A vector of length 0 is at
    distance 1, with gradient 0. The gradient is -(t - cos · p) / |prediction|, with p and t the unit vectors.
    Salton et al., "A vector space model for automatic indexing", 1975.
    """
    p, inverse_length = _unit(prediction.data)
    t, _ = _unit(checked_target(target, prediction))
    cos = (p * t).sum(axis=-1, keepdims=True)
    edge = (prediction, lambda g: g[..., None] * (cos * p - t) * inverse_length)
    return reduced("cosine distance", 1 - cos[..., 0], weights, reduction, edge)


def _unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vectors along the last axis at length 1, and 1 / length; both 0 for a vector of length 0."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    inverse = np.divide(1, length, out=np.zeros_like(length), where=length > 0)
    return vectors * inverse, inverse


def _checked_labels(labels: np.ndarray, logits: Tensor) -> np.ndarray:
    labels = np.asarray(labels)
    if logits.data.ndim != 2 or labels.shape != logits.shape[:1] or labels.dtype.kind not in "iu":
        raise InputError(
            "labels must be integers (n,) for logits (n, classes), "
            f"not {labels.dtype} {labels.shape} for {logits.shape}"
        )
    if labels.size and not 0 <= labels.min() <= labels.max() < logits.shape[1]:
        raise InputError(f"labels must be 0..{logits.shape[1] - 1}, not {labels.min()} to {labels.max()}")
    return labels


def _checked_share(name: str, values: np.ndarray) -> np.ndarray:
    if not ((values >= 0) & (values <= 1)).all():
        raise InputError(f"each {name} must be within 0..1, not {values.min():g} to {values.max():g}")
    return values
