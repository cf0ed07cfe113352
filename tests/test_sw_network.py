"""sw/network.py: sizes, and a message for every check."""

import numpy as np
import pytest

from sw.errors import InputError
from sw.fixed import Format
from sw.network import Dense, InputContract, Network, Requantize

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


def test_sizes():
    net = network(dense(3, 4), dense(2, 3, last=True))
    assert (net.classes, net.macs, net.parameters, net.input.size) == (2, 18, 23, 4)
    assert net.source_formats == (UINT8, UINT8)


def test_accumulator_bits():
    assert dense(1, 4).accumulator_bits(UINT8) == 11  # 0..1020
    assert dense(1, 4, weight=np.full((1, 4), -1)).accumulator_bits(UINT8) == 11  # -1020..0
    assert dense(1, 4, bias=np.array([4])).accumulator_bits(UINT8) == 12  # 0..1024


def test_arrays_are_read_only_copies():
    weight = np.ones((1, 4), int)
    layer = dense(1, 4, weight=weight)
    weight[0, 0] = 7
    assert layer.weight[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[0, 0] = 5


BAD = {
    "input of two axes": (lambda: InputContract((28, 28)), r"\(height, width, channels\).*not \(28, 28\)"),
    "input of size 0": (lambda: InputContract((28, 0, 1)), r"each at least 1, not \(28, 0, 1\)"),
    "input scale": (lambda: InputContract((1, 1, 1), scale=0.0), "input scale must be positive, not 0.0"),
    "input scale nan": (lambda: InputContract((1, 1, 1), scale=float("nan")), "input scale must be positive, not nan"),
    "input format": (lambda: InputContract((1, 1, 1), form=Format(4, False)), "raw uint8 pixels.*not uint4"),
    "zero point": (lambda: InputContract((1, 1, 1), zero_point=128), "raw uint8 pixels.*zero point 128"),
    "preprocessing": (lambda: InputContract((1, 1, 1), preprocessing="mean"), "preprocessing 'mean'"),
    "multiplier 0": (lambda: requantize(2, multiplier=[1, 0]), r"multiplier must be 1\.\.65535, but .* 0\.\.1"),
    "multiplier of 17 bits": (lambda: requantize(1, multiplier=[65536]), r"multiplier must be 1\.\.65535"),
    "shift below 0": (lambda: requantize(1, shift=[-1]), r"shift must be 0\.\.62, but ranges over -1\.\.-1"),
    "shift of 63": (lambda: requantize(1, shift=[63]), r"shift must be 0\.\.62"),
    "activation bits": (lambda: requantize(1, form=Format(9, False)), r"activations must have 2\.\.8 bits, not 9"),
    "activation scale": (lambda: requantize(1, scale=-1.0), "activation scale must be positive, not -1.0"),
    "weight of rank 1": (lambda: dense(1, 1, weight=np.ones(3, int)), r"shape \(outputs, inputs\), not \(3,\)"),
    "no outputs": (lambda: dense(0, 3), r"shape \(outputs, inputs\), not \(0, 3\)"),
    "weight bits": (lambda: dense(1, 1, weight_bits=9), r"weight_bits must be 2\.\.8, not 9"),
    "weight -128": (lambda: dense(1, 1, weight=[[-128]]), r"8-bit weight must be -127\.\.127"),
    "weight 4": (lambda: dense(1, 1, weight=[[4]], weight_bits=3), r"3-bit weight must be -3\.\.3, but .* 4\.\.4"),
    "bias of 54 bits": (lambda: dense(1, 1, bias=[2**52]), "bias must be -4503599627370496"),
    "bias that would overflow the bound": (lambda: dense(1, 1, bias=[2**63 - 1]), "bias must be -4503599627370496"),
    "length of bias": (lambda: dense(3, 1, bias=[1, 2]), r"bias must have shape \(3,\), one per output, not \(2,\)"),
    "length of shift": (lambda: dense(2, 1, requantize=requantize(2, shift=[1])), r"shift must have shape \(2,\)"),
    "length of multiplier": (
        lambda: dense(2, 1, requantize=requantize(2, multiplier=[1])),
        r"multiplier must have shape \(2,\)",
    ),
    "length of weight scale": (lambda: dense(2, 1, weight_scale=[1.0]), r"weight_scale must have shape \(2,\)"),
    "weight scale 0": (lambda: dense(1, 1, weight_scale=[0.0]), "weight_scale must be positive and finite"),
    "weight scale inf": (lambda: dense(1, 1, weight_scale=[np.inf]), "weight_scale must be positive and finite"),
    "no layers": (network, "at least one layer"),
    "inputs of the first layer": (lambda: network(dense(2, 5, last=True)), "layer 0 takes 5 inputs, but 4 arrive"),
    "inputs of a later layer": (
        lambda: network(dense(3, 4), dense(2, 4, last=True)),
        "layer 1 takes 4 inputs, but 3 arrive",
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


def test_refuses_floats_where_integers_belong():
    with pytest.raises(TypeError, match="weight must hold integers, not float64"):
        dense(1, 1, weight=[[1.0]])


def test_accepts_the_widest_accumulator_and_product():
    network(dense(1, 4, last=True, bias=[2**52 - 1 - 4 * 255]))
    network(
        dense(4, 4, bias=[2**44] * 4, requantize=requantize(4, multiplier=[65535] * 4)),
        dense(2, 4, last=True),
    )
