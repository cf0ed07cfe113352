"""First values of weights: random, for equal neurons would learn the same and stay equal.

How large they are decides whether signals and gradients grow, fade or keep their size from layer to layer.
"""

from collections.abc import Callable

import numpy as np

Initializer = Callable[[np.random.Generator, tuple[int, ...], int, int], np.ndarray]
"""(generator, shape, fan_in, fan_out) → float64 array; the fans are a neuron's inputs and an input's readers."""


def uniform(
    generator: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, limit: float = 0.05
) -> np.ndarray:
    """Uniform within ±limit: small, bounded, and blind to the fans. Enough for one layer or two.

    With the variance limit² / 3 a layer changes the size of a signal by limit · root(fan_in / 3), so that in a deep
    network it fades or explodes; Xavier and He choose the variance by the fans instead.
    """
    return generator.uniform(-limit, limit, shape)


def normal(
    generator: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int, deviation: float = 0.05
) -> np.ndarray:
    """Normal with a fixed deviation: as `uniform`, with a few weights that are larger.

    A layer changes the size of a signal by deviation · root(fan_in).
    """
    return generator.normal(0.0, deviation, shape)


def he(generator: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
    """Normal, of variance 2 / fan_in: for layers before a ReLU.

    A sum of fan_in terms has fan_in times the variance of one, and ReLU takes away half of it; the
    factor makes up for both. He et al., "Delving Deep into Rectifiers", 2015, equation 10.
    """
    return generator.normal(0.0, np.sqrt(2 / fan_in), shape)


def xavier(generator: np.random.Generator, shape: tuple[int, ...], fan_in: int, fan_out: int) -> np.ndarray:
    """Uniform, of variance 2 / (fan_in + fan_out): for layers with nothing, or a symmetric function, after them.

    It is the compromise between keeping the variance forward (1 / fan_in) and of the gradients backward
    (1 / fan_out). Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", 2010, equation 16.
    """
    limit = np.sqrt(6 / (fan_in + fan_out))
    return generator.uniform(-limit, limit, shape)
