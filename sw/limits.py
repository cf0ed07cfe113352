"""How large networks and pictures may be: sizes are held against these limits before memory is taken for them.

All sizes are counted in Python's integers, which do not overflow.
"""

import math

from sw.errors import InputError

PIXELS = 1 << 24
"""Of a picture, its channels included."""
PARAMETERS = 1 << 26
"""Of a network: weights and biases."""
LAYERS = 1000
"""Of a network, those inside others included."""
CLASSES = 256
"""As many as a label of 8 bits can tell apart."""
ELEMENTS = 1 << 24
"""Of a tensor for one image, its padding included."""
ALL_ELEMENTS = 1 << 26
"""Of all layers' outputs for one image together, and of all windows of one layer side by side."""
WINDOW = 1 << 14
"""Places of a kernel or of a pool's window; and the step from window to window, which can be longer than the image."""
MACS = 1 << 34
"""Multiply-accumulates of one image."""


def check_most(what: str, value: int, most: int) -> None:
    """Raise InputError where the value is above the limit."""
    if value > most:
        raise InputError(f"{what} must be at most {most}, not {value}")


def check_shape(shape) -> None:
    """Raise InputError unless the value is (height, width, channels) of a picture."""
    if len(shape) != 3 or any(not isinstance(n, int) or isinstance(n, bool) or n < 1 for n in shape):
        raise InputError(f"an image's shape must be (height, width, channels), each at least 1, not {shape}")
    check_most("pixels of an image", math.prod(shape), PIXELS)


def check_classes(classes) -> None:
    """Raise InputError unless the value is a number of classes."""
    if not isinstance(classes, int) or isinstance(classes, bool) or not 1 <= classes <= CLASSES:
        raise InputError(f"classes must be 1..{CLASSES}, not {classes!r}")


def check_windows(shape: tuple[int, int, int], window: tuple[int, int], stride: int, padding: int = 0) -> None:
    """Raise InputError where windows that move over an image (height, width, channels) are too large or too many."""
    height, width, channels = shape
    padded = (height + 2 * padding, width + 2 * padding)
    check_most("elements of the image, its padding included,", math.prod(padded) * channels, ELEMENTS)
    check_most("places in a window", math.prod(window), WINDOW)
    check_most("stride", stride, WINDOW)
    counts = [(length - size) // stride + 1 for length, size in zip(padded, window, strict=True)]
    check_most("elements of all windows", math.prod(counts) * math.prod(window) * channels, ALL_ELEMENTS)
