"""sw/network.py: sizes, and a message for every check."""

import numpy as np
import pytest

from sw.errors import InputError
from sw.fixed import Format
from sw.network import Add, AvgPool, Conv2d, Dense, InputContract, MaxPool, Network, Requantize

UINT8 = Format(8, signed=False)


def requantize(outputs, **changes):
    fields = {"multiplier": np.ones(outputs, int), "shift": np.full(outputs, 3), "form": UINT8} | changes
    return Requantize(**fields)


def dense(outputs, inputs, last=False, **changes):
    fields = {
        "weight": np.ones((outputs, inputs), int),
        "bias": np.zeros(outputs, int),
        "weight_bits": 8,
        "requantize": None if last else requantize(outputs),
    }
    return Dense(**fields | changes)


def network(*layers, shape=(2, 2, 1)):
    return Network("test", InputContract(shape), layers)


def noted(notes):
    return Network("test", InputContract((1, 1, 4)), (dense(3, 4, last=True),), notes)


def conv(outputs, inputs, kernel=(1, 1), last=False, **changes):
    weight = np.ones((outputs, *kernel, inputs), int)
    return Conv2d(weight, np.zeros(outputs, int), 8, None if last else requantize(outputs), **changes)


def residual():
    """Two branches of stride 2 that meet, a pool of each kind, and a dense layer; one layer of each kind."""
    return network(
        conv(3, 2, (3, 3), stride=2, padding=1),
        conv(3, 2, stride=2, source=-1),
        Add(0, [2, 5], 4, requantize(3, form=Format(6, True))),
        MaxPool(2),
        AvgPool(None, requantize=requantize(3, form=Format(5, False))),
        dense(4, 3, last=True),
        shape=(8, 6, 2),
    )


def test_sizes_of_a_graph():
    net = residual()
    assert net.shapes == ((4, 3, 3), (4, 3, 3), (4, 3, 3), (2, 1, 3), (1, 1, 3), (1, 1, 4))
    assert net.sources == (-1, -1, 1, 2, 3, 4)
    assert net.operands == ((-1,), (-1,), (1, 0), (2,), (3,), (4,))
    assert net.source_shapes == ((8, 6, 2), (8, 6, 2), (4, 3, 3), (4, 3, 3), (2, 1, 3), (1, 1, 3))
    assert net.formats == (UINT8, UINT8, Format(6, True), Format(6, True), Format(5, False), None)
    assert net.source_formats == (UINT8, UINT8, UINT8, Format(6, True), Format(6, True), Format(5, False))
    assert net.layer_macs == (12 * 3 * 18, 12 * 3 * 2, 0, 0, 0, 12)
    assert net.macs == sum(net.layer_macs)
    assert net.parameters == (54 + 3) + (6 + 3) + (12 + 4)
    assert (net.classes, net.weight_bits, net.activation_bits) == (4, 8, 8)


def test_accumulator_ranges_of_a_graph():
    ranges = residual().accumulator_ranges
    assert ranges[3] is None
    ends = [(low.tolist(), high.tolist()) for low, high in (bounds for bounds in ranges if bounds is not None)]
    assert ends == [
        ([0] * 3, [18 * 255] * 3),
        ([0] * 3, [2 * 255] * 3),
        ([0] * 3, [7 * 255] * 3),
        ([2 * -32] * 3, [2 * 31] * 3),
        ([0] * 4, [3 * 31] * 4),
    ]


def test_bits_without_weights_or_hidden_activations():
    net = network(AvgPool(None), shape=(2, 3, 4))
    assert (net.classes, net.macs, net.parameters, net.weight_bits, net.activation_bits) == (4, 0, 0, 0, 8)


def test_sizes():
    net = network(dense(3, 4), dense(2, 3, last=True))
    assert (net.classes, net.macs, net.parameters, net.input.size) == (2, 18, 23, 4)
    assert net.source_formats == (UINT8, UINT8)


BAD = {
    "input of two axes": (lambda: InputContract((28, 28)), r"\(height, width, channels\).*not \(28, 28\)"),
    "input of size 0": (lambda: InputContract((28, 0, 1)), r"each at least 1, not \(28, 0, 1\)"),
    "input scale": (lambda: InputContract((1, 1, 1), scale=0.0), "input scale must be positive, not 0.0"),
    "input scale nan": (lambda: InputContract((1, 1, 1), scale=float("nan")), "input scale must be positive, not nan"),
    "input format": (lambda: InputContract((1, 1, 1), form=Format(4, False)), "raw uint8 pixels.*not uint4"),
    "zero point": (lambda: InputContract((1, 1, 1), zero_point=128), "raw uint8 pixels.*zero point 128"),
    "preprocessing": (lambda: InputContract((1, 1, 1), preprocessing="mean"), "preprocessing 'mean'"),
    "last layer pools": (
        lambda: network(dense(4, 4), MaxPool(1)),
        "layer 1 is the last and a maxpool; the last must be one that sums",
    ),
    "hidden mean does not requantize": (
        lambda: network(AvgPool(1), dense(2, 4, last=True)),
        "layer 0 must requantize: only the last",
    ),
    "logits of an image": (
        lambda: network(conv(3, 1, last=True)),
        r"layer 0 is the last and puts out \(2, 2, 3\); must be \(1, 1, classes\)",
    ),
    "reads itself": (
        lambda: network(dense(4, 4), dense(2, 4, last=True, source=1)),
        "layer 1 reads layer 1; must be an earlier layer's index, or -1 for the input",
    ),
    "reads before the input": (lambda: network(dense(2, 4, last=True, source=-2)), "layer 0 reads layer -2; must be"),
    "reads a text": (lambda: network(dense(2, 4, last=True, source="0")), "layer 0 reads layer '0'; must be"),
    "reads true": (
        lambda: network(dense(4, 4), dense(4, 4), dense(2, 4, last=True, source=True)),
        "layer 2 reads layer True; must be",
    ),
    "adds a later layer": (
        lambda: network(Add(0, [1, 1], 8, requantize(1)), dense(2, 4, last=True)),
        "layer 0 reads layer 0; must be",
    ),
    "unread": (
        lambda: network(dense(4, 4), dense(4, 4, source=-1), dense(2, 4, last=True)),
        "layer 0 is read by no layer; leave it out or name it as a source",
    ),
    "shapes of a sum": (
        lambda: network(conv(1, 1), Add(-1, [1, 1], 8, requantize(1)), MaxPool(2), Add(0, [1, 1], 8, None)),
        r"layer 3 \(add\): adds \(1, 1, 1\) and \(2, 2, 1\); the shapes must agree",
    ),
    "channels": (
        lambda: network(conv(2, 3), dense(2, 8, last=True)),
        r"layer 0 \(conv2d\): takes 3 input channels, but 1 arrive; they must agree",
    ),
    "channels of a mean": (
        lambda: network(conv(1, 1), AvgPool(2, requantize=requantize(2)), dense(2, 1, last=True)),
        r"layer 1 \(avgpool\): multiplier must have shape \(1,\), one per output, not \(2,\)",
    ),
    "no layers": (network, "at least one layer"),
    "no name": (lambda: Network("", InputContract((1, 1, 4)), ()), r"the name of a network must be 1\.\.100 printable"),
    "two lines": (lambda: Network("a\nb", InputContract((1, 1, 4)), ()), r"printable characters, not 'a\\nb'"),
    "notes": (lambda: noted("text"), "the notes of a network must be a JSON object, not str"),
    "notes too long": (lambda: noted({"a": "x" * 2**16}), "must be at most 65,536 bytes of JSON, not 65,544"),
    "notes of nan": (lambda: noted({"a": [float("nan")]}), "the notes of a network must be JSON values"),
    "accuracy": (lambda: noted({"float_accuracy": "good"}), r"float_accuracy .* must be 0\.\.1, not 'good'"),
    "accuracy above 1": (lambda: noted({"float_accuracy": 1.5}), r"float_accuracy .* must be 0\.\.1, not 1\.5"),
    "inputs of the first layer": (
        lambda: network(dense(2, 5, last=True)),
        r"layer 0 \(dense\): takes 5 inputs, but 4 arrive",
    ),
    "inputs of a later layer": (
        lambda: network(dense(3, 4), dense(2, 4, last=True)),
        r"layer 1 \(dense\): takes 4 inputs, but 3 arrive",
    ),
    "last layer requantizes": (lambda: network(dense(2, 4)), "layer 0 must not requantize"),
    "hidden layer does not": (
        lambda: network(dense(4, 4), dense(4, 4, last=True), dense(2, 4, last=True)),
        "layer 1 must requantize: only the last",
    ),
    "accumulator of 54 bits": (
        lambda: network(dense(1, 4, last=True, bias=[2**52 - 1])),
        "layer 0 needs a 54-bit accumulator; the greatest width is 53",
    ),
    "product of 63 bits": (
        lambda: network(
            dense(4, 4, bias=[2**45, 0, 0, 0], requantize=requantize(4, multiplier=[1, 1, 1, 65535])),
            dense(2, 4, last=True),
        ),
        "layer 0 needs 63 bits for accumulator times multiplier; the limit is 62",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses(name):
    make, message = BAD[name]
    with pytest.raises(InputError, match=message):
        make()


def test_accepts_the_widest_accumulator_and_product():
    network(dense(1, 4, last=True, bias=[2**52 - 1 - 4 * 255]))
    network(
        dense(4, 4, bias=[2**44] * 4, requantize=requantize(4, multiplier=[65535] * 4)),
        dense(2, 4, last=True),
    )
