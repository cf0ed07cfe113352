"""Augmentation: images moved, turned, scaled and sheared a little, so that a model does not rely on exact places."""

from dataclasses import dataclass

import numpy as np

from sw.errors import InputError

CHUNK = 256
"""Images at a time: what they need in between stays in the processor's cache."""


@dataclass(frozen=True)
class Distortion:
    """How far an image may be distorted; each image draws its own values, uniformly, in both directions.

    Parameters
    ----------
    shift: whole pixels on each axis, 0..8.
    rotate: degrees, 0..180.
    scale: change of size, on each axis for itself: 0.1 means 0.9 to 1.1 times; 0 to below 1.
    shear: pixels that a row slides per row, 0..1.

    Raises InputError where a value is out of range.
    """

    shift: int = 0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0

    def __post_init__(self):
        if not isinstance(self.shift, int) or isinstance(self.shift, bool) or not 0 <= self.shift <= 8:
            raise InputError(f"shift must be an integer 0..8, not {self.shift!r}")
        for name, limit in (("rotate", 180), ("scale", 0.9), ("shear", 1)):
            value = getattr(self, name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= limit:
                raise InputError(f"{name} must be a number 0..{limit}, not {value!r}")

    def apply(self, images: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Distort images uint8 (n, height, width, channels), each by its own random map; same shape and dtype.

        Bilinear interpolation; what comes in from outside is 0, the background. A shift alone moves pixels and
        changes none. Simard et al., "Best practices for convolutional neural networks", 2003, section 2.
        """
        if self == Distortion():
            return images
        shifts = generator.integers(-self.shift, self.shift + 1, (len(images), 2))
        if self == Distortion(self.shift):
            return _shifted(images, shifts, self.shift)
        chunks = [slice(start, start + CHUNK) for start in range(0, len(images), CHUNK)]
        return np.concatenate([self._apply(images[chunk], shifts[chunk], generator) for chunk in chunks])

    def _apply(self, images: np.ndarray, shifts: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        n, height, width, channels = images.shape
        y, x = _sources(self._maps(n, generator), shifts.astype(np.float32), height, width)
        # A border of zeros: 1 before and 2 behind, so that every pixel outside and its neighbours are 0.
        bordered = np.zeros((n, height + 3, width + 3, channels), np.uint8)
        bordered[:, 1:-2, 1:-2] = images
        pixels = bordered.reshape(-1) if channels == 1 else bordered.reshape(-1, channels)
        top, left = np.floor(y), np.floor(x)
        start = np.arange(n, dtype=np.int32)[:, None, None] * np.int32((height + 3) * (width + 3))
        corner = (top + 1).astype(np.int32) * np.int32(width + 3) + (left + 1).astype(np.int32) + start
        down, right = y - top, x - left
        if channels > 1:
            down, right = down[..., None], right[..., None]

        def row(offset: int) -> np.ndarray:
            one, other = (pixels.take(corner + np.int32(offset + i), axis=0, mode="wrap") for i in (0, 1))
            one = one.astype(np.float32)
            return one + right * (other - one)

        upper = row(0)
        value = upper + down * (row(width + 3) - upper)
        return (value + np.float32(0.5)).astype(np.uint8).reshape(images.shape)

    def _maps(self, n: int, generator: np.random.Generator) -> np.ndarray:
        """(n, 2, 2) from a place (y, x) in the result, seen from the centre, to the place in the image."""
        angle, slide = (generator.uniform(-a, a, n) for a in (np.deg2rad(self.rotate), self.shear))
        tall, wide = 1 / generator.uniform(1 - self.scale, 1 + self.scale, (2, n))
        cos, sin = np.cos(angle), np.sin(angle)
        rows = [[cos * tall, sin * tall], [(slide * cos - sin) * wide, (slide * sin + cos) * wide]]
        return np.moveaxis(np.array(rows), 2, 0).astype(np.float32)


def _shifted(images: np.ndarray, shifts: np.ndarray, limit: int) -> np.ndarray:
    """Each image moved by its (down, right), (n, 2) integers of at most `limit`: a copy from a window's place."""
    border = ((0, 0), (limit, limit), (limit, limit), (0, 0))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(images, border), images.shape[1:], axis=(1, 2, 3))
    down, right = shifts.T
    return windows[np.arange(len(images)), limit - down, limit - right, 0]


def _sources(maps: np.ndarray, shifts: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of the results comes from, y and x, each float32 (n, height, width); outside, the border."""
    centre = np.array([(height - 1) / 2, (width - 1) / 2], np.float32)
    down = np.arange(height, dtype=np.float32)[None, :] - centre[0] - shifts[:, :1]  # (n, height)
    right = np.arange(width, dtype=np.float32)[None, :] - centre[1] - shifts[:, 1:]  # (n, width)
    places = []
    for axis, size in enumerate((height, width)):
        place = (maps[:, axis, :1] * down)[:, :, None] + (maps[:, axis, 1:] * right + centre[axis])[:, None, :]
        places.append(np.clip(place, -1, size, out=place))
    return tuple(places)
