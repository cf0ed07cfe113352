"""First values of weights: drawn so that signals neither grow nor fade from layer to layer."""

from collections.abc import Callable

import numpy as np

Initializer = Callable[[np.random.Generator, tuple[int, ...], int, int], np.ndarray]
"""(generator, shape, fan_in, fan_out) → float64 array; the fans are a neuron's inputs and an input's readers."""


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
