"""Regularization: what large weights cost; to be added to a loss."""

from collections.abc import Iterable

import numpy as np

from sw.errors import InputError
from sw.nn.tensor import Tensor, node


def l1(parameters: Iterable[Tensor], strength: float) -> Tensor:
    """strength · Σ|w|, of shape (): pulls every weight with the same force, so that small ones become 0.

    The derivative at 0 is taken as 0. Tibshirani, "Regression shrinkage and selection via the lasso", 1996.
    """
    strength, parameters = _checked(strength), list(parameters)
    value = sum(np.abs(p.data).sum() for p in parameters)
    return node("l1", strength * value, *((p, lambda g, p=p: g * strength * np.sign(p.data)) for p in parameters))


def l2(parameters: Iterable[Tensor], strength: float) -> Tensor:
    """½ · strength · Σ w², of shape (): pulls a weight in proportion to its size, so that none grows large.

    Krogh and Hertz, "A simple weight decay can improve generalization", 1991; Goodfellow et al., "Deep
    Learning", 2016, section 7.1.1.
    """
    strength, parameters = _checked(strength), list(parameters)
    value = sum((p.data**2).sum() for p in parameters)
    return node("l2", strength / 2 * value, *((p, lambda g, p=p: g * strength * p.data) for p in parameters))


def _checked(strength: float) -> float:
    if not 0 <= strength < np.inf:
        raise InputError(f"the strength of a regularization must be finite and at least 0, not {strength!r}")
    return strength
