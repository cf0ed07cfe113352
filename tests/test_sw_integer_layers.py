"""sw/integer_layers.py: shapes, bounds, and a message for every check."""

import numpy as np
import pytest

from sw.errors import InputError
from sw.fixed import Format
from sw.integer_layer import Requantize
from sw.integer_layers import KINDS, Add, AvgPool, Conv2d, Dense, MaxPool

UINT8, INT8 = Format(8, signed=False), Format(8, signed=True)


def requantize(outputs, **changes):
    fields = {"multiplier": np.ones(outputs, int), "shift": np.full(outputs, 3), "form": UINT8} | changes
    return Requantize(**fields)


def dense(outputs, inputs, **changes):
    fields = {
        "weight": np.ones((outputs, inputs), int),
        "bias": np.zeros(outputs, int),
        "weight_bits": 8,
        "requantize": requantize(outputs),
    }
    return Dense(**fields | changes)


def conv(shape, **changes):
    fields = {"weight": np.ones(shape, int), "bias": np.zeros(shape[0], int), "weight_bits": 8}
    return Conv2d(**fields | {"requantize": requantize(shape[0])} | changes)


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


def test_kinds():
    assert list(KINDS) == ["dense", "conv2d", "maxpool", "avgpool", "add"]
    assert [kind.sums for kind in KINDS.values()] == [True, True, False, True, True]


@pytest.mark.parametrize(
    ("layer", "given", "expected"),
    [
        (dense(3, 24), (2, 3, 4), (1, 1, 3)),
        (conv((5, 3, 2, 4)), (7, 6, 4), (5, 5, 5)),
        (conv((5, 3, 2, 4), stride=2), (8, 6, 4), (3, 3, 5)),
        (conv((5, 3, 3, 4), stride=2, padding=1), (8, 7, 4), (4, 4, 5)),
        (conv((6, 3, 3, 1), groups=3), (3, 3, 3), (1, 1, 6)),
        (conv((1, 3, 3, 1), padding=1), (1, 1, 1), (1, 1, 1)),
        (MaxPool(2), (7, 6, 3), (3, 3, 3)),
        (MaxPool(3, 2), (7, 6, 3), (3, 2, 3)),
        (AvgPool(2, requantize=requantize(3)), (7, 6, 3), (3, 3, 3)),
        (AvgPool(2, 1), (7, 6, 3), (6, 5, 3)),
        (AvgPool(None), (7, 6, 3), (1, 1, 3)),
        (Add(0, [1, 1], 2, requantize(3)), (7, 6, 3), (7, 6, 3)),
    ],
)
def test_output_shape(layer, given, expected):
    assert layer.output_shape(given) == expected


def test_strides_that_are_not_given():
    assert (MaxPool(3).stride, AvgPool(4).stride, AvgPool(None).stride) == (3, 4, 1)


def test_accumulator_range_of_a_convolution_is_that_of_all_its_terms():
    weight = np.arange(-4, 4).reshape(2, 2, 1, 2)
    low, high = conv(weight.shape, weight=weight, bias=[10, -10]).accumulator_range(UINT8)
    assert low.tolist() == [-10 * 255, -10]
    assert high.tolist() == [10, 6 * 255]


def test_accumulator_range_of_sums():
    low, high = AvgPool(2).accumulator_range(INT8, input_shape=(4, 4, 2))
    assert (low.tolist(), high.tolist()) == ([-512] * 2, [508] * 2)
    low, high = AvgPool(None).accumulator_range(UINT8, input_shape=(3, 5, 1))
    assert (low.tolist(), high.tolist()) == ([0], [15 * 255])
    low, high = Add(0, [3, 7], 4, None).accumulator_range(UINT8, INT8, input_shape=(3, 5, 2))
    assert (low.tolist(), high.tolist()) == ([7 * -128] * 2, [3 * 255 + 7 * 127] * 2)


BAD = {
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
    "inputs": (lambda: dense(1, 5).output_shape((2, 2, 1)), "takes 5 inputs, but 4 arrive; they must agree"),
    "kernel of rank 2": (
        lambda: conv((2, 3, 3, 1), weight=np.ones((2, 9), int)),
        r"conv2d weight must have shape \(outputs, kernel height, kernel width, inputs // groups\), not \(2, 9\)",
    ),
    "ternary weight 2": (lambda: conv((1, 1, 1, 1), weight=[[[[2]]]], weight_bits=2), r"2-bit weight must be -1\.\.1"),
    "stride 0": (lambda: conv((1, 1, 1, 1), stride=0), "stride must be an integer of at least 1, not 0"),
    "stride of two": (lambda: conv((1, 1, 1, 1), stride=(1, 1)), r"stride must be an integer.*not \(1, 1\)"),
    "padding -1": (lambda: conv((1, 1, 1, 1), padding=-1), "padding must be an integer of at least 0, not -1"),
    "groups 0": (lambda: conv((1, 1, 1, 1), groups=0), "groups must be an integer of at least 1, not 0"),
    "groups true": (lambda: conv((1, 1, 1, 1), groups=True), "groups must be an integer of at least 1, not True"),
    "groups of outputs": (lambda: conv((3, 1, 1, 1), groups=2), "groups must divide the 3 outputs, but there are 2"),
    "channels": (
        lambda: conv((4, 1, 1, 2), groups=2).output_shape((3, 3, 2)),
        "takes 4 input channels, but 2 arrive; they must agree",
    ),
    "kernel beyond the image": (
        lambda: conv((1, 2, 5, 1), padding=1).output_shape((2, 2, 1)),
        "has a window of 2x5, which must fit into the image of 4x4, its padding included",
    ),
    "pool 0": (lambda: MaxPool(0), "size must be an integer of at least 1, not 0"),
    "pool of None": (lambda: MaxPool(None), "size must be an integer of at least 1, not None"),
    "pool stride": (lambda: MaxPool(2, 0), "stride must be an integer of at least 1, not 0"),
    "pool beyond the image": (lambda: MaxPool(3).output_shape((3, 2, 1)), "window of 3x3, which must fit .* 3x2"),
    "mean 0": (lambda: AvgPool(0), "size must be an integer of at least 1, not 0"),
    "mean stride": (lambda: AvgPool(2, 1.5), "stride must be an integer of at least 1, not 1.5"),
    "mean beyond the image": (lambda: AvgPool(3).output_shape((2, 3, 1)), "window of 3x3, which must fit .* 2x3"),
    "channels of a mean": (
        lambda: AvgPool(2, requantize=requantize(3)).output_shape((2, 2, 4)),
        r"multiplier must have shape \(4,\), one per output, not \(3,\)",
    ),
    "three operands": (
        lambda: Add(0, [1, 1, 1], 8, None),
        r"weight must have shape \(2,\), one per operand, not \(3,\)",
    ),
    "operand of weight 0": (lambda: Add(0, [0, 1], 8, None), r"8-bit weight must be 1\.\.127, but ranges over 0\.\.1"),
    "operand beyond its bits": (
        lambda: Add(0, [1, 8], 4, None),
        r"4-bit weight must be 1\.\.7, but ranges over 1\.\.8",
    ),
    "operands' weight bits": (lambda: Add(0, [1, 1], 1, None), r"weight_bits must be 2\.\.8, not 1"),
    "operands' shapes": (
        lambda: Add(0, [1, 1], 8, None).output_shape((2, 2, 1), (2, 2, 2)),
        r"adds \(2, 2, 1\) and \(2, 2, 2\); the shapes must agree",
    ),
    "channels of a sum": (
        lambda: Add(0, [1, 1], 8, requantize(1)).output_shape((2, 2, 2)),
        r"multiplier must have shape \(2,\), one per output",
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
