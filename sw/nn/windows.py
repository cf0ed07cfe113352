"""Windows of images: what convolution and pooling have in common. Images are (n, height, width, channels)."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sw.errors import InputError
from sw.nn.tensor import Tensor, node


def pad(x: Tensor, margin: int) -> Tensor:
    """Zeros on all four sides of each image: (n, h, w, c) → (n, h + 2 margin, w + 2 margin, c)."""
    inside = (slice(None), slice(margin, margin + x.shape[1]), slice(margin, margin + x.shape[2]))
    sides = ((0, 0), (margin, margin), (margin, margin), (0, 0))
    return node("pad", np.pad(x.data, sides), (x, lambda g: g[inside]))


def windows(x: Tensor, size: tuple[int, int], stride: int) -> Tensor:
    """All windows of a size, `stride` apart: (n, h, w, c) → (n, rows, columns, height · width of the window, c).

    rows = (h - height) // stride + 1, columns likewise; what remains at the right and the bottom is left out.
    This is im2col: Chellapilla et al., "High performance convolutional neural networks for document processing",
    2006. Backward, each pixel gets the sum over the windows that show it (col2im).
    Raises InputError where x is not of rank 4, or smaller than the window.
    """
    if x.data.ndim != 4 or x.shape[1] < size[0] or x.shape[2] < size[1]:
        raise InputError(
            f"images must be (n, height, width, channels), at least as large as the window {size}, not {x.shape}"
        )
    view = sliding_window_view(x.data, size, axis=(1, 2))[:, ::stride, ::stride]  # (n, rows, columns, c, height, width)
    n, rows, columns, channels = view.shape[:4]
    value = view.transpose(0, 1, 2, 4, 5, 3).reshape(n, rows, columns, size[0] * size[1], channels)

    def gradient(g: np.ndarray) -> np.ndarray:
        result = np.zeros_like(x.data)
        for place, (top, left) in enumerate(np.ndindex(size)):
            seen = result[:, top : top + stride * rows : stride, left : left + stride * columns : stride]
            seen += g[:, :, :, place]
        return result

    return node("windows", value, (x, gradient))


def checked_size(name: str, value, low: int) -> int:
    """The value, where it is an integer of at least `low`. Raises InputError otherwise."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise InputError(f"{name} must be an integer of at least {low}, not {value!r}")
    return value
