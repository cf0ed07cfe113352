"""Losses: how wrong a batch is. All of them by one import; see the modules for what each is."""

from sw.nn.classification_losses import (
    cosine_distance,
    hinge,
    log_loss,
    one_hot_cross_entropy,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)
from sw.nn.reduction import REDUCTIONS
from sw.nn.regression_losses import (
    absolute_difference,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_pairwise_squared_error,
    mean_squared_error,
    quantile,
    root_mean_squared_error,
)

__all__ = [
    "REDUCTIONS",
    "absolute_difference",
    "cosine_distance",
    "hinge",
    "huber",
    "log_cosh",
    "log_loss",
    "mean_absolute_error",
    "mean_pairwise_squared_error",
    "mean_squared_error",
    "one_hot_cross_entropy",
    "quantile",
    "root_mean_squared_error",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
]
