"""Windows of images: what convolution and pooling have in common.

Images have the shape (n, height, width, channels). What these layers compute lies in memory as *planes*, (height,
channels, width, n), of which the images are a transposed view: each number of a window then stands beside those of all
windows to the right, in all examples, so that the innermost loops are long and their data contiguous.
"""

from collections.abc import Iterator

import numpy as np

from sw.errors import InputError


def to_planes(images: np.ndarray) -> np.ndarray:
    """(n, h, w, c) → (h, c, w, n), contiguous; a view where the images lie so already."""
    return np.ascontiguousarray(images.transpose(1, 3, 2, 0))


def to_images(planes: np.ndarray) -> np.ndarray:
    """(h, c, w, n) → (n, h, w, c), a view."""
    return planes.transpose(3, 0, 2, 1)


def window_count(images: np.ndarray, size: int, stride: int, margin: int = 0) -> tuple[int, int]:
    """Rows and columns of square windows, `stride` apart, that fit into images with a margin on each side.

    What remains at the right and the bottom is left out.
    Raises InputError where the images are not of rank 4, or smaller than the window.
    """
    if images.ndim != 4 or min(images.shape[1:3]) + 2 * margin < size:
        raise InputError(
            f"images must be (n, height, width, channels), at least as large as the window {size, size}"
            f"{f' with padding {margin}' if margin else ''}, not {images.shape}"
        )
    rows, columns = ((length + 2 * margin - size) // stride + 1 for length in images.shape[1:3])
    return rows, columns


def places(planes: np.ndarray, size: int, stride: int, count: tuple[int, int]) -> Iterator[np.ndarray]:
    """For each place in the window, row by row, what all windows see there: a view (rows, c, columns, n)."""
    rows, columns = count
    for top, left in np.ndindex(size, size):
        yield planes[top : top + stride * rows : stride, :, left : left + stride * columns : stride]


def checked_size(name: str, value, low: int) -> int:
    """The value, where it is an integer of at least `low`. Raises InputError otherwise."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise InputError(f"{name} must be an integer of at least {low}, not {value!r}")
    return value
