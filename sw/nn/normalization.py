"""Layers that compute otherwise in training: BatchNorm and Dropout."""

from collections.abc import Callable

import numpy as np

from sw.errors import InputError
from sw.nn.layer import Layer
from sw.nn.tensor import Tensor, node

BLOCK = 8
"""Channels that BatchNorm takes at once. How numpy rounds a sum depends on how many there are beside each other."""


class BatchNorm(Layer):
    """(x - mean) / root(variance + epsilon) · scale + shift, for each channel, the last axis.

    In training mean and variance (the mean square deviation) are those of the batch, and running means of both
    are kept; otherwise the running means are used, so that an example's result does not depend on the others. The
    running variance is kept without bias, times m / (m - 1) for m values. Ioffe and Szegedy, "Batch normalization",
    2015, algorithms 1 and 2; the gradients are those of section 3, in which the values of a batch depend on each other.

    Parameters
    ----------
    channels: size of the last axis.
    momentum: how much of the running means stays at each batch, at least 0 and below 1.
    epsilon: keeps the divisor from 0.
    dtype: float32 for training, float64 for gradient checks.

    Raises InputError for other numbers, other shapes, and a training batch of one value per channel.
    """

    def __init__(self, channels: int, momentum: float = 0.9, epsilon: float = 1e-5, dtype=np.float32):
        if not 0 <= momentum < 1:
            raise InputError(f"momentum of BatchNorm must be at least 0 and below 1, not {momentum!r}")
        self.momentum, self.epsilon = momentum, epsilon
        self.scale = Tensor(np.ones(channels, dtype), requires_grad=True)
        self.shift = Tensor(np.zeros(channels, dtype), requires_grad=True)
        self.running_mean = Tensor(np.zeros(channels, dtype))
        self.running_variance = Tensor(np.ones(channels, dtype))

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (..., channels)."""
        if x.shape[-1:] != self.scale.shape:
            raise InputError(f"{self} reads (..., {self.scale.shape[0]}), not {x.shape}")
        training, axes, count = self.training, tuple(range(x.data.ndim - 1)), x.data.size // x.shape[-1]
        average, variance = self.running_mean.data, self.running_variance.data
        if training:
            average, variance = np.empty_like(average), np.empty_like(variance)
        centred, value = np.empty_like(x.data), np.empty_like(x.data)

        def centre(part: slice) -> None:
            if training:
                average[part] = x.data[..., part].mean(axis=axes)
            np.subtract(x.data[..., part], average[part], out=centred[..., part])
            if training:
                variance[part] = _products(centred[..., part], centred[..., part]) / count

        _in_blocks(centre, x.shape[-1])
        if training:
            self._remember(average, variance, count)
        inverse = 1 / np.sqrt(variance + self.epsilon)
        factor, shift = self.scale.data * inverse, self.shift.data

        def scale(part: slice) -> None:
            np.multiply(centred[..., part], factor[part], out=value[..., part])
            value[..., part] += shift[part]

        _in_blocks(scale, x.shape[-1])

        def gradient(g: np.ndarray) -> np.ndarray:
            if not training:
                return g * factor
            result = np.empty_like(centred)

            def backward(part: slice) -> None:
                own, gradient, deviation = result[..., part], g[..., part], centred[..., part]
                through_variance = _products(gradient, deviation) * inverse[part] ** 2 / -count
                np.multiply(deviation, through_variance, out=own)
                own += gradient
                own -= gradient.mean(axis=axes)  # through the mean
                own *= factor[part]

            _in_blocks(backward, x.shape[-1])
            return result

        return node(
            "batch norm",
            value,
            (x, gradient),
            (self.scale, lambda g: _products(g, centred) * inverse),
            (self.shift, lambda g: g.sum(axis=axes)),
        )

    def _remember(self, average: np.ndarray, variance: np.ndarray, count: int) -> None:
        if count < 2:
            raise InputError(f"{self} needs at least 2 values per channel in training, not {count}")
        unbiased = variance * (count / (count - 1))
        for running, latest in ((self.running_mean, average), (self.running_variance, unbiased)):
            running.data = self.momentum * running.data + (1 - self.momentum) * latest

    def parameters(self) -> dict[str, Tensor]:
        """`scale` and `shift`, each (channels,)."""
        return {"scale": self.scale, "shift": self.shift}

    def state(self) -> dict[str, Tensor]:
        """`running_mean` and `running_variance`, each (channels,)."""
        return {"running_mean": self.running_mean, "running_variance": self.running_variance}

    def __str__(self) -> str:
        """Name with the number of channels."""
        return f"BatchNorm {self.scale.shape[0]}"


def _in_blocks(function: Callable[[slice], None], channels: int) -> None:
    """Call function for slices of BLOCK channels each."""
    for start in range(0, channels, BLOCK):
        function(slice(start, min(start + BLOCK, channels)))


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Σ a · b for each channel, the last axis."""
    axes = list(range(a.ndim))
    return np.einsum(a, axes, b, axes, axes[-1:])


class Dropout(Layer):
    """In training, each element is 0 with probability `rate`, else divided by 1 - rate: the mean stays. Else nothing.

    No neuron can rely on another one being there. Srivastava et al., "Dropout", 2014, section 10.

    Parameters
    ----------
    rate: at least 0, below 1.
    generator: draws what is dropped, anew at each call.

    Raises InputError for another rate.
    """

    def __init__(self, rate: float, generator: np.random.Generator):
        if not 0 <= rate < 1:
            raise InputError(f"the rate of Dropout must be at least 0 and below 1, not {rate!r}")
        self.rate, self.generator = rate, generator

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to any shape."""
        if not self.training:
            return x
        kept = self.generator.random(x.shape, x.data.dtype) >= self.rate
        return x * (kept.astype(x.data.dtype) / (1 - self.rate))

    def __str__(self) -> str:
        """Name with the rate."""
        return f"Dropout {self.rate:g}"
