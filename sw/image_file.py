"""A picture in a file: .npy, or binary .pgm, as (height, width, channels) uint8 pixels.

PGM: Poskanzer, "pgm - Netpbm grayscale image format". P5, width, height and 255, with blanks and comments between
them, one blank, and the pixels.
"""

import re
from pathlib import Path

import numpy as np

from sw.errors import InputError
from sw.limits import PIXELS, check_shape
from sw.reading import array, read_bytes, refusing

MOST_HEADER = 1 << 16
"""Bytes before the pixels."""
_GAP = rb"(?:\s|#[^\n]*\n)+"
_PGM = re.compile(rb"P5" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})\s")


def read_image_file(path: Path) -> np.ndarray:
    """The pixels, read-only. The suffix is one of READERS.

    Raises InputError where the file holds no picture of 1..2^24 bytes; takes as much memory, for a moment twice.
    """
    path = Path(path)
    with refusing(f"read image {path}", f"a {path.suffix} file of a picture", "name one of uint8 pixels"):
        pixels = READERS[path.suffix](read_bytes(path, MOST_HEADER + PIXELS))
        if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
            raise InputError(
                f"it must hold (height, width) or (height, width, channels) uint8 pixels, "
                f"not {pixels.dtype} {pixels.shape}"
            )
        pixels = pixels if pixels.ndim == 3 else pixels[:, :, None]
        check_shape(pixels.shape)
        return pixels


def _pgm(data: bytes) -> np.ndarray:
    header = _PGM.match(data[:MOST_HEADER])
    if header is None:
        raise InputError("it must be a binary .pgm file, which begins with P5, width, height and 255")
    width, height, most = map(int, header.groups())
    found = len(data) - header.end()
    if most != 255 or found != width * height:
        raise InputError(f"it must have {width * height} pixels of 0..255, not {found} of 0..{most}")
    return np.frombuffer(data, np.uint8, offset=header.end()).reshape(height, width)


READERS = {".npy": array, ".pgm": _pgm}
"""By suffix, from bytes to pixels."""
