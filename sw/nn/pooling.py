"""Pooling: many pixels become one, channel by channel."""

import numpy as np

from sw.nn.functions import mean, reshape
from sw.nn.layer import Layer
from sw.nn.tensor import Tensor, node
from sw.nn.windows import checked_size, places, to_images, to_planes, window_count


class _Pool(Layer):
    """What both pools share: the windows."""

    def __init__(self, size: int = 2, stride: int | None = None):
        self.size = checked_size("size", size, 1)
        self.stride = self.size if stride is None else checked_size("stride", stride, 1)

    def __str__(self) -> str:
        """Name with size."""
        return f"{type(self).__name__} {self.size}x{self.size}"


class MaxPool(_Pool):
    """Greatest value of each window: whether a feature is there, not just where. The first of equals gets the gradient.

    (n, h, w, c) → (n, (h - size) // stride + 1, likewise for w, c); what remains at the edges is left out.

    Parameters
    ----------
    size: height and width of the window.
    stride: step from window to window; the size where it is None.

    Raises InputError for other numbers, and for images smaller than the window.
    """

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (n, h, w, c)."""
        windows = self.size, self.stride, window_count(x.data, self.size, self.stride)
        planes = to_planes(x.data)
        first, *others = places(planes, *windows)
        value = first.copy()
        for seen in others:
            np.maximum(value, seen, out=value)

        def gradient(g: np.ndarray) -> np.ndarray:
            rest, result = to_planes(g), np.zeros_like(planes)
            for seen, sums in zip(places(planes, *windows), places(result, *windows), strict=True):
                found = rest * (seen == value)
                sums += found
                rest = rest - found  # of the windows whose greatest value is not yet found
            return to_images(result)

        return node("max pool", to_images(value), (x, gradient))


class AvgPool(_Pool):
    """Mean of each window; shapes, parameters and errors as for MaxPool."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (n, h, w, c)."""
        windows = self.size, self.stride, window_count(x.data, self.size, self.stride)
        planes = to_planes(x.data)
        first, *others = places(planes, *windows)
        value = first.copy()
        for seen in others:
            value += seen
        value /= self.size**2

        def gradient(g: np.ndarray) -> np.ndarray:
            result, share = np.zeros_like(planes), to_planes(g) / self.size**2
            for sums in places(result, *windows):
                sums += share
            return to_images(result)

        return node("mean pool", to_images(value), (x, gradient))


class GlobalAvgPool(Layer):
    """Mean over the whole image: (n, h, w, c) → (n, c). Lin et al., "Network in network", 2014, section 3.2."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (n, h, w, c)."""
        return reshape(mean(x, axis=(1, 2)), (x.shape[0], x.shape[3]))
