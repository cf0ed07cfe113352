"""sw/golden.py: against a reference in plain Python integers that shares no code with it."""

from itertools import pairwise

import numpy as np
import pytest

from sw import golden
from sw.errors import InputError
from sw.fixed import Format
from sw.network import Dense, InputContract, Network, Requantize


def random_network(sizes, shape, seed, weight_bits=8, signed=False, multiplier=False, bits=8):
    """A network whose hidden activations spread over their range."""
    generator = np.random.default_rng(seed)
    limit = 2 ** (weight_bits - 1) - 1
    layers, last = [], len(sizes) - 2
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        typical = limit * 128 * np.sqrt(inputs) / 2 ** (bits - 1)  # shift that brings a usual sum into the range
        shift = np.full(outputs, max(int(np.log2(typical)), 0)) + generator.integers(0, 2, outputs)
        factor = generator.integers(2**15, 2**16, outputs) if multiplier else np.ones(outputs, int)
        requantize = Requantize(factor, shift + 15 * multiplier, Format(bits, signed))
        layers.append(
            Dense(
                generator.integers(-limit, limit + 1, (outputs, inputs)),
                generator.integers(-5000, 5000, outputs),
                weight_bits,
                None if index == last else requantize,
            )
        )
    return Network("random", InputContract(shape), tuple(layers))


def reference(network, image):
    """All taps of one image, in Python integers, straight from the formulas."""
    activations, taps = [int(pixel) for pixel in image.ravel()], []
    for layer in network.layers:
        result = []
        for channel in range(layer.outputs):
            total = int(layer.bias[channel])
            for weight, activation in zip(layer.weight[channel].tolist(), activations, strict=True):
                total += weight * activation
            if layer.requantize is not None:
                q = layer.requantize
                shift = int(q.shift[channel])
                half = 2 ** (shift - 1) if shift else 0
                total = (total * int(q.multiplier[channel]) + half) >> shift
                least, greatest = (
                    (-(2 ** (q.form.bits - 1)), 2 ** (q.form.bits - 1) - 1)
                    if q.form.signed
                    else (0, 2**q.form.bits - 1)
                )
                total = max(least, min(greatest, total))
            result.append(total)
        taps.append(result)
        activations = result
    return taps


def draw_images(count, shape, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


CASES = [
    {},
    {"signed": True},
    {"multiplier": True},
    {"multiplier": True, "signed": True, "bits": 4},
    {"weight_bits": 2},
    {"weight_bits": 3, "bits": 5},
]


@pytest.mark.parametrize("options", CASES)
def test_every_tap_equals_the_reference(options):
    network = random_network((24, 9, 7, 5), (4, 3, 2), seed=11, **options)
    images = draw_images(40, (4, 3, 2), seed=12)
    result = golden.infer(network, images)
    expected = [reference(network, image) for image in images]
    for index, tap in enumerate(result.taps):
        assert tap.tolist() == [taps[index] for taps in expected]
    spread = {value for taps in expected for layer in taps[:-1] for value in layer}
    form = network.layers[0].requantize.form
    assert {form.low, form.high} < spread  # both saturations and values between occur


def test_extreme_pixels_and_weights_are_exact():
    limit = np.full((2, 784), 127)
    limit[1] = -127
    network = Network("extreme", InputContract((28, 28, 1)), (Dense(limit, [2**51, -(2**51)], 8, None),))
    logits = golden.infer(network, np.full((1, 28, 28, 1), 255, np.uint8)).logits
    assert logits.tolist() == [[2**51 + 784 * 127 * 255, -(2**51) - 784 * 127 * 255]]


def test_sums_beyond_float32_are_exact():
    generator = np.random.default_rng(4)
    weight, images = generator.integers(120, 128, (9, 784)), generator.integers(250, 256, (20, 784))
    network = Network("large", InputContract((28, 28, 1)), (Dense(weight, np.zeros(9, int), 8, None),))
    logits = golden.infer(network, images).logits
    assert logits.min() > 2**24
    assert logits.tolist() == [reference(network, image)[0] for image in images]


def test_ties_go_to_the_lowest_index():
    weight = np.array([[0], [1], [1], [0]])
    network = Network("tie", InputContract((1, 1, 1)), (Dense(weight, np.zeros(4, int), 8, None),))
    assert golden.infer(network, np.array([[[[0]]], [[[9]]]], np.uint8)).labels.tolist() == [0, 1]


def test_ten_thousand_images_of_the_mlp_are_exact():
    network = random_network((784, 16, 16, 10), (28, 28, 1), seed=1)
    images = draw_images(10000, (28, 28, 1), seed=2)
    result = golden.infer(network, images)
    assert [tap.shape for tap in result.taps] == [(10000, 16), (10000, 16), (10000, 10)]
    x = images.reshape(10000, -1).astype(np.int64)
    for layer, tap in zip(network.layers, result.taps, strict=True):
        sums = np.einsum("ni,oi->no", x, layer.weight) + layer.bias  # integers all the way, no BLAS
        if layer.requantize is not None:
            half = (1 << layer.requantize.shift) >> 1
            sums = np.minimum(np.maximum((sums + half) >> layer.requantize.shift, 0), 255)
        assert (tap == sums).all()
        x = sums
    assert len(set(result.labels.tolist())) > 1
    for index in (0, 4999, 9999):
        assert [tap[index].tolist() for tap in result.taps] == reference(network, images[index])


def test_no_images():
    network = random_network((4, 3), (2, 2, 1), seed=0)
    assert golden.infer(network, np.zeros((0, 2, 2, 1), np.uint8)).logits.shape == (0, 3)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 2, 2, 1)), r"integer pixels 0\.\.255, not float64"),
        (np.zeros((1, 2, 3, 1), int), r"shape \(n, 2, 2, 1\), not \(1, 2, 3, 1\)"),
        (np.zeros(4, int), r"shape \(n, 2, 2, 1\), not \(4,\)"),
        (np.full((1, 2, 2, 1), 256), r"pixels must be 0\.\.255, but range over 256\.\.256"),
        (np.full((1, 2, 2, 1), -1), r"pixels must be 0\.\.255, but range over -1\.\.-1"),
    ],
)
def test_refuses_images(images, message):
    with pytest.raises(InputError, match=message):
        golden.infer(random_network((4, 3), (2, 2, 1), seed=0), images)
