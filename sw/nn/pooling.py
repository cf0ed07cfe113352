"""Pooling: many pixels become one, channel by channel."""

from sw.nn.functions import greatest, mean, reshape
from sw.nn.layer import Layer
from sw.nn.tensor import Tensor
from sw.nn.windows import checked_size, windows


class _Pool(Layer):
    """What both pools share: the windows, and the channels of each."""

    def __init__(self, size: int = 2, stride: int | None = None):
        self.size = checked_size("size", size, 1)
        self.stride = self.size if stride is None else checked_size("stride", stride, 1)

    def _windows(self, x: Tensor) -> Tensor:
        return windows(x, (self.size, self.size), self.stride)

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
        seen = greatest(self._windows(x), axis=3)
        return reshape(seen, (*seen.shape[:3], seen.shape[4]))


class AvgPool(_Pool):
    """Mean of each window; shapes, parameters and errors as for MaxPool."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (n, h, w, c)."""
        seen = mean(self._windows(x), axis=3)
        return reshape(seen, (*seen.shape[:3], seen.shape[4]))


class GlobalAvgPool(Layer):
    """Mean over the whole image: (n, h, w, c) → (n, c). Lin et al., "Network in network", 2014, section 3.2."""

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to (n, h, w, c)."""
        return reshape(mean(x, axis=(1, 2)), (x.shape[0], x.shape[3]))
