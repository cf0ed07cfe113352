"""The models that have a name."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sw.nn.initializers import xavier
from sw.nn.layers import Dense, Flatten, ReLU, Sequential


@dataclass(frozen=True)
class Model:
    """What a model reads, what it tells apart, and how to build it with fresh weights."""

    shape: tuple[int, int, int]
    classes: int
    build: Callable[[np.random.Generator], Sequential]


def mlp(generator: np.random.Generator) -> Sequential:
    """784-16-16-10 with ReLU: 13,002 parameters."""
    return Sequential(
        Flatten(),
        Dense(784, 16, generator),
        ReLU(),
        Dense(16, 16, generator),
        ReLU(),
        Dense(16, 10, generator, initializer=xavier),
    )


MODELS = {"mlp": Model((28, 28, 1), 10, mlp)}
"""Models by the name that a recipe gives."""


def parameter_count(model: Sequential) -> int:
    """Number of trained numbers."""
    return sum(math.prod(parameter.shape) for parameter in model.parameters().values())
