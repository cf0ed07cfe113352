"""Regions: how a tensor lies in an activation memory, its border of zeros included.

Element (y, x, c) lies at origin + y·pitch + x·channels + c. Where readers pad, each row has a border of
zeros on its left; the border of the next row serves as its right one. Nobody writes a border, so it
keeps the zeros of the memory's initial content.
"""

from dataclasses import dataclass

import numpy as np

from sw.network import Shape


@dataclass(frozen=True)
class Region:
    """A tensor's place, relative to its base address; all lengths in elements.

    Parameters
    ----------
    shape: (height, width, channels). border: zeros around it, in pixels.
    """

    shape: Shape
    border: int = 0

    @property
    def height(self) -> int:
        """Rows."""
        return self.shape[0]

    @property
    def channels(self) -> int:
        """Elements of one pixel."""
        return self.shape[2]

    @property
    def row(self) -> int:
        """Elements of one row, without its border."""
        return self.shape[1] * self.shape[2]

    @property
    def pitch(self) -> int:
        """Distance from row to row."""
        return self.row + self.border * self.channels

    @property
    def origin(self) -> int:
        """Address of the first element."""
        return self.border * (self.pitch + self.channels)

    @property
    def size(self) -> int:
        """Elements from the base to the end of the border behind the last row."""
        return self.origin + (self.height - 1 + self.border) * self.pitch + self.row + self.border * self.channels

    @property
    def contiguous(self) -> bool:
        """Whether row follows row without a gap."""
        return self.border == 0

    @property
    def elements(self) -> np.ndarray:
        """(size,) whether a place holds an element of the tensor; all others are border."""
        place = np.arange(self.size) - self.origin
        return (place >= 0) & (place < self.height * self.pitch) & (place % self.pitch < self.row)
