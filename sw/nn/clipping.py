"""Gradient clipping: one bad batch must not throw the weights far away. To be done between backward and step."""

from collections.abc import Iterable

import numpy as np

from sw.errors import InputError
from sw.nn.tensor import Tensor


def clip_by_norm(parameters: Iterable[Tensor], limit: float) -> float:
    """Scale all gradients by one factor, so that their common Euclidean norm is at most `limit`; its direction stays.

    Returns the norm before. Pascanu et al., "On the difficulty of training recurrent neural networks", 2013,
    algorithm 1. Raises InputError unless limit is above 0.
    """
    parameters = list(parameters)
    norm = float(np.sqrt(sum(float((p.grad.astype(np.float64) ** 2).sum()) for p in parameters)))
    if norm > _checked(limit):
        for parameter in parameters:
            parameter.grad = parameter.grad * (limit / norm)
    return norm


def clip_by_value(parameters: Iterable[Tensor], limit: float) -> None:
    """Bound every element of the gradients to ±limit; the direction may change.

    Mikolov, "Statistical language models based on neural networks", 2012, section 3.2.2.
    Raises InputError unless limit is above 0.
    """
    _checked(limit)
    for parameter in parameters:
        parameter.grad = np.clip(parameter.grad, -limit, limit)


def _checked(limit: float) -> float:
    if not limit > 0:
        raise InputError(f"the limit of gradients must be above 0, not {limit!r}")
    return limit
