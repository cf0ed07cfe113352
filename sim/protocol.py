"""The accelerator's streams in plain Python: stall patterns, beats of pixels, beats of results.

Both testbenches, cocotb's and Amaranth's, use these, so that they stall, pack and unpack alike.
"""

from collections.abc import Callable, Iterable, Mapping
from random import Random

import numpy as np

from sw.errors import InputError

Stall = Callable[[bool], bool]
"""Called once a cycle with "is the other side waiting?"; True holds the next beat back. Never stalls for ever."""


def _none(rng: Random) -> Stall:
    return lambda waiting: False


def _random(rng: Random) -> Stall:
    return lambda waiting: rng.random() < 0.5


def _rare(rng: Random) -> Stall:
    return lambda waiting: rng.random() < 1 / 16


def _alternate(rng: Random) -> Stall:
    stalled = rng.random() < 0.5

    def stall(waiting):
        nonlocal stalled
        stalled = not stalled
        return stalled

    return stall


def _bursts(rng: Random) -> Stall:
    stalled, left = rng.random() < 0.5, rng.randint(1, 20)

    def stall(waiting):
        nonlocal stalled, left
        left -= 1
        if left < 0:
            stalled, left = not stalled, rng.randint(0, 19)
        return stalled

    return stall


def _late(rng: Random) -> Stall:
    return lambda waiting: not waiting


_PATTERNS = {
    "none": _none,
    "random": _random,
    "bursts": _bursts,
    "alternate": _alternate,
    "rare": _rare,
    "late": _late,
}
BACK_PRESSURE = tuple(_PATTERNS)
"""Patterns of the sink. "late" is ready only after it saw valid: a valid that waits for ready never leaves."""
IDLE = tuple(name for name in BACK_PRESSURE if name != "late")
"""Patterns of the source. Not "late": a valid must not wait for ready."""


def stall_pattern(name: str, known: Iterable[str], seed: str) -> Stall:
    """The pattern of that name; the same seed gives the same stalls. Raises InputError unless it is in `known`."""
    if name not in known:
        raise InputError(f"stall pattern must be one of {', '.join(known)}, not {name!r}")
    return _PATTERNS[name](Random(seed))


def pack(pixels: np.ndarray, taps: int, seed: int) -> np.ndarray:
    """Pixels (n, size) as uint8 beats (n, ceil(size / taps), taps); random numbers fill the last beat of an image."""
    count, size = pixels.shape
    beats = -(-size // taps)
    rng = np.random.default_rng(seed)
    packed = rng.integers(0, 256, (count, beats * taps), dtype=np.uint8)
    packed[:, :size] = pixels
    return packed.reshape(count, beats, taps)


def payloads(beats: np.ndarray) -> Iterable[int]:
    """The beats as integers, one after the other: pixel 0 in the lowest byte."""
    width, data = beats.shape[-1], beats.tobytes()
    return (int.from_bytes(data[at : at + width], "little") for at in range(0, len(data), width))


def load_payloads(image: bytes) -> Iterable[int]:
    """The beats of a load image as integers: a byte, and above it whether it is the last one."""
    return (byte | (index == len(image) - 1) << 8 for index, byte in enumerate(image))


def unpack(word: int, fields: Mapping[str, Mapping]) -> dict[str, int]:
    """The fields of one payload; each is described by its offset, width and signed."""
    values = {}
    for name, field in fields.items():
        value = word >> field["offset"] & (1 << field["width"]) - 1
        if field["signed"] and value >> field["width"] - 1:
            value -= 1 << field["width"]
        values[name] = value
    return values
