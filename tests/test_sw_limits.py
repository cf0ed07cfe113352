"""sw/limits.py: a Network at a limit infers, and one beyond it is refused before memory is taken."""

import numpy as np
import pytest

from sw.errors import InputError
from sw.fixed import Format
from sw.golden import infer
from sw.limits import PARAMETERS
from sw.network import AvgPool, Conv2d, Dense, InputContract, MaxPool, Network, Requantize


def scaled(channels):
    return Requantize(np.ones(channels, int), np.full(channels, 8), Format(8, signed=False))


def dense(inputs, outputs=2):
    return Dense(np.ones((outputs, inputs), int), np.zeros(outputs, int), 8, None)


def conv(outputs, size, channels=1, **fields):
    weight = np.ones((outputs, size, size, channels), int)
    return Conv2d(weight, np.zeros(outputs, int), 8, scaled(outputs), **fields)


def corner(channels):
    """Two logits of the first pixel of an image."""
    return Conv2d(np.ones((2, 1, 1, channels), int), [0, 0], 8, None, stride=4096)


MEAN = AvgPool(None, requantize=scaled(1))
WITHIN = {
    "classes": ((1, 3, 1), [dense(3, 256)]),
    "layers": ((1, 1, 1), [*[MEAN] * 999, dense(1)]),
    "a window": ((128, 128, 1), [MEAN, dense(1)]),
    "windows": ((191, 191, 1), [conv(1, 64), corner(1)]),
    "padding": ((2, 2, 1), [conv(1, 1, padding=2047, stride=2048), MaxPool(2), dense(1)]),
    "a stride": ((2, 2, 1), [MaxPool(1, 1 << 14), dense(1)]),
}
BEYOND = {
    "pixels": ((4096, 4097, 1), [dense(3)], "pixels of an image must be at most 16777216, not 16781312"),
    "pixels that overflow 64 bits": ((2**32, 2**32, 1), [dense(3)], "pixels of an image must be at most 16777216"),
    "classes": ((1, 3, 1), [dense(3, 257)], r"classes must be 1\.\.256, not 257"),
    "layers": ((1, 1, 1), [*[MEAN] * 1000, dense(1)], "layers of a network must be at most 1000, not 1001"),
    "a window": ((129, 129, 1), [MEAN, dense(1)], r"layer 0 \(avgpool\): places in a window must be .* not 16641"),
    "windows": ((193, 193, 1), [conv(1, 64), corner(1)], "elements of all windows must be at most 67108864"),
    "padding": ((2, 2, 1), [conv(1, 1, padding=2048), corner(1)], "its padding included, must be at most 16777216"),
    "padding that overflows": (
        (2, 2, 1),
        [conv(1, 1, padding=2**31), corner(1)],
        "its padding included, must be at most 16777216",
    ),
    "a stride": ((2, 2, 1), [MaxPool(1, (1 << 14) + 1), dense(1)], "stride must be at most 16384, not 16385"),
    "a stride that overflows": ((2, 2, 1), [conv(1, 1, stride=1 << 63), dense(1)], "stride must be at most 16384"),
    "an output": ((1024, 1024, 1), [conv(17, 1), corner(17)], "must be at most 16777216, not 17825792"),
    "outputs": (
        (1024, 1024, 1),
        [conv(16, 1), *[conv(16, 1, 16)] * 4, corner(16)],
        "all layers' outputs must be at most",
    ),
    "products": (
        (64, 64, 1),
        [conv(1024, 1), *[conv(1024, 1, 1024)] * 4, corner(1024)],
        "multiply-accumulates of an image must be at most 17179869184, not 17184065536",
    ),
}


@pytest.mark.parametrize("name", WITHIN)
def test_a_network_up_to_a_limit_infers(name):
    shape, layers = WITHIN[name]
    network = Network("large", InputContract(shape), layers)
    assert infer(network, np.ones((1, *shape), np.uint8)).logits.shape == (1, network.classes)


@pytest.mark.parametrize("name", BEYOND)
def test_a_network_beyond_a_limit_is_refused(name):
    shape, layers, message = BEYOND[name]
    with pytest.raises(InputError, match=message):
        Network("large", InputContract(shape), layers)


def test_too_many_weights_are_refused_before_they_are_converted():
    weight = np.broadcast_to(np.int8(1), (2, PARAMETERS // 2 + 1))  # takes no memory
    with pytest.raises(InputError, match="weights of a layer must be at most 67108864, not 67108866"):
        Dense(weight, np.zeros(2, int), 8, None)
