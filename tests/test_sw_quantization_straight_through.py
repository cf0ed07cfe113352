"""sw/quantization/straight_through.py: exact integers forward, the scaled gradient backward where nothing saturates."""

import numpy as np
import pytest

from sw import fixed
from sw.fixed import Format
from sw.network import Requantize
from sw.nn.functions import total
from sw.nn.tensor import Tensor
from sw.quantization.straight_through import coded_bias, coded_weight, requantized, rounded

GENERATOR = np.random.default_rng(0)


def gradient(operation, x, upstream):
    """Of Σ upstream · operation(x)."""
    leaf = Tensor(x, requires_grad=True)
    total(operation(leaf) * upstream).backward()
    return leaf.grad


def test_rounded():
    x = np.array([-0.6, 0.2, 1.4])
    assert rounded(Tensor(x), 2).data.tolist() == [-1, 0, 3]
    assert gradient(lambda x: rounded(x, 2), x, np.array([1.0, 2, 3])).tolist() == [2, 4, 6]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [2, 8])
def test_requantized_is_that_of_the_number_contract(signed, bits):
    accumulator = np.concatenate([GENERATOR.integers(-(2**36), 2**36, 4000), np.arange(-1000, 1000)])[:, None]
    multiplier = np.array([1, 1, 1, 3, 40000, 65535, 65535, 1])
    shift = np.array([0, 1, 30, 4, 44, 43, 62, 62])
    scale = Requantize(multiplier, shift, Format(bits, signed))
    expected = fixed.requantize(accumulator, multiplier, shift, scale.form)
    np.testing.assert_array_equal(requantized(Tensor(accumulator.astype(np.float64)), scale).data, expected)


def test_requantized_rounds_halves_up():
    scale = Requantize([1], [1], Format(8, signed=True))
    assert requantized(Tensor(np.array([-3.0, -1, 1, 3])), scale).data.tolist() == [-1, 0, 1, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradient_of_requantized_stops_where_it_saturates(dtype):
    scale = Requantize([3], [2], Format(4, signed=False))  # 0..15
    x = np.array([-2, -1, 0, 5, 20, 21], dtype)  # times 3/4, rounded: -1, -1, 0, 4, 15, 16
    found = gradient(lambda x: requantized(x, scale), x, np.array([1, 1, 1, 2, 1, 1], dtype))
    assert found.tolist() == [0, 0, 0.75, 1.5, 0.75, 0]
    assert found.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_coded_weight(dtype):
    weight, scale = np.array([[-0.9, -0.2], [0.31, 0.9]], np.float32), np.array([0.1, 0.2])
    codes = coded_weight(Tensor(weight), scale, 3, "integer", dtype)
    assert codes.data.tolist() == [[-3, -1], [3, 3]]
    assert codes.data.dtype == dtype


def test_weight_beyond_the_range_may_only_come_back():
    weight, scale = np.array([-0.9, -0.9, 0.9, 0.9, 0.1], np.float32), np.array([0.25])
    upstream = np.array([1, -1, 1, -1, -1], np.float32)  # a step goes against it
    found = gradient(lambda w: coded_weight(w, scale, 2, "integer", np.float32), weight, upstream)
    assert found.tolist() == [0, -4, 4, 0, -4]


def test_coded_bias():
    bias, unit = np.array([1.0, -0.26], np.float32), np.array([0.5, 0.1])
    assert coded_bias(Tensor(bias), unit, np.float64).data.tolist() == [2, -3]
    found = gradient(lambda b: coded_bias(b, unit, np.float64), bias, np.array([1.0, 2]))
    np.testing.assert_allclose(found, [2, 20])
    assert found.dtype == np.float32
