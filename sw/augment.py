"""Augmentation: images moved by a few pixels, so that a model does not rely on exact places."""

import numpy as np


class Shifter:
    """Draws batches of images, each moved at random; what moves in from outside is 0, the background.

    Parameters
    ----------
    images: uint8 (n, height, width, channels).
    shift: greatest distance in pixels, on both axes, in both directions; 0 leaves the images as they are.
    """

    def __init__(self, images: np.ndarray, shift: int):
        self.shift = shift
        border = ((0, 0), (shift, shift), (shift, shift), (0, 0))
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(images, border), images.shape[1:], axis=(1, 2, 3))
        self.windows = windows[:, :, :, 0]  # (n, 2·shift+1, 2·shift+1, height, width, channels), a view

    def sample(self, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """The images of the given rows, each at its own random place: uint8 (len(rows), height, width, channels)."""
        y, x = generator.integers(0, 2 * self.shift + 1, (2, len(rows)))
        return self.windows[rows, y, x]
