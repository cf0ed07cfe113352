"""sw/nn/convolution.py and pooling.py: against loops over every pixel, and their gradients."""

import numpy as np
import pytest

from sw.errors import InputError
from sw.nn.functions import total
from sw.nn.gradient_check import gradient_error
from sw.nn.layers import AvgPool, Conv2d, GlobalAvgPool, MaxPool
from sw.nn.tensor import Tensor


def images(*shape):
    return np.random.default_rng(1).normal(size=shape)


def conv(inputs, outputs, size, dtype=np.float64, **options):
    layer = Conv2d(inputs, outputs, size, np.random.default_rng(0), dtype=dtype, **options)
    layer.bias.data = np.arange(outputs).astype(dtype) + 1
    return layer


def conv_reference(x, layer):
    """The definition, one multiplication at a time."""
    weight, (n, h, w, _), k, s, p = layer.weight.data, x.shape, layer.size, layer.stride, layer.padding
    inputs, outputs = weight.shape[2:]
    result = np.zeros((n, (h + 2 * p - k) // s + 1, (w + 2 * p - k) // s + 1, outputs))
    for image, row, column, output in np.ndindex(result.shape):
        first = output // (outputs // layer.groups) * inputs
        value = layer.bias.data[output]
        for i, j, channel in np.ndindex(k, k, inputs):
            y, z = row * s + i - p, column * s + j - p
            if 0 <= y < h and 0 <= z < w:
                value += x[image, y, z, first + channel] * weight[i, j, channel, output]
        result[image, row, column, output] = value
    return result


CONVOLUTIONS = [  # (image, (inputs, outputs, size), options)
    ((2, 5, 4, 1), (1, 2, 3), {}),
    ((1, 5, 7, 2), (2, 3, 3), {"stride": 2}),
    ((2, 4, 6, 2), (2, 3, 3), {"stride": 2, "padding": 1}),
    ((1, 3, 3, 2), (2, 2, 5), {"padding": 2}),
    ((2, 4, 5, 4), (4, 6, 2), {"groups": 2}),
    ((1, 5, 5, 3), (3, 3, 3), {"groups": 3, "stride": 3, "padding": 2}),
    ((1, 3, 4, 2), (2, 3, 1), {"stride": 2}),
]


@pytest.mark.parametrize(("image", "sizes", "options"), CONVOLUTIONS)
def test_convolution(image, sizes, options):
    layer, x = conv(*sizes, **options), images(*image)
    np.testing.assert_allclose(layer(Tensor(x)).data, conv_reference(x, layer), atol=1e-12)


@pytest.mark.parametrize(("image", "sizes", "options"), CONVOLUTIONS)
def test_gradients_of_convolution(image, sizes, options):
    layer, x = conv(*sizes, **options), Tensor(images(*image), requires_grad=True)
    assert gradient_error(lambda x, *_: layer(x), x, layer.weight, layer.bias) < 1e-6


def test_convolution_keeps_float32_and_names_its_parameters():
    layer, x = conv(2, 4, 3, np.float32, groups=2), Tensor(images(1, 5, 5, 2).astype(np.float32), requires_grad=True)
    total(layer(x)).backward()
    assert {name: p.shape for name, p in layer.parameters().items()} == {"weight": (3, 3, 1, 4), "bias": (4,)}
    assert {t.grad.dtype for t in (x, layer.weight, layer.bias)} == {np.dtype(np.float32)}
    assert str(layer) == "Conv2d 3x3 2→4"


def test_the_fans_count_what_a_group_connects():
    fans = []

    def spy(generator, shape, fan_in, fan_out):
        fans.append((fan_in, fan_out))
        return np.zeros(shape)

    conv(4, 6, 3, groups=2, initializer=spy)
    assert fans == [(18, 27)]


def pool_reference(x, size, stride, function):
    n, h, w, c = x.shape
    result = np.zeros((n, (h - size) // stride + 1, (w - size) // stride + 1, c))
    for image, row, column, channel in np.ndindex(result.shape):
        top, left = row * stride, column * stride
        result[image, row, column, channel] = function(x[image, top : top + size, left : left + size, channel])
    return result


POOLS = [((2, 4, 6, 3), 2, None), ((1, 5, 7, 2), 2, None), ((1, 5, 6, 2), 3, 1), ((2, 7, 5, 1), 2, 3)]


@pytest.mark.parametrize(("image", "size", "stride"), POOLS)
@pytest.mark.parametrize(("pool", "function"), [(MaxPool, np.max), (AvgPool, np.mean)])
def test_pool(image, size, stride, pool, function):
    x, layer = images(*image), pool(size, stride)
    np.testing.assert_allclose(layer(Tensor(x)).data, pool_reference(x, size, stride or size, function))
    assert gradient_error(layer, Tensor(x, requires_grad=True)) < 1e-6
    assert str(layer) == f"{pool.__name__} {size}x{size}"


def test_global_average_pool():
    x = images(2, 3, 5, 4)
    np.testing.assert_allclose(GlobalAvgPool()(Tensor(x)).data, x.mean(axis=(1, 2)))
    assert gradient_error(GlobalAvgPool(), Tensor(x, requires_grad=True)) < 1e-6


def test_the_first_of_equals_gets_the_gradient():
    x = Tensor(np.ones((1, 2, 2, 1)), requires_grad=True)
    total(MaxPool()(x)).backward()
    assert x.grad.ravel().tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: conv(1, 2, 0), "size must be an integer of at least 1, not 0"),
        (lambda: conv(1, 2, 3, stride=0), "stride must be an integer of at least 1, not 0"),
        (lambda: conv(1, 2, 3, padding=-1), "padding must be an integer of at least 0, not -1"),
        (lambda: conv(4, 6, 3, groups=4), "groups must divide inputs 4 and outputs 6, not be 4"),
        (
            lambda: conv(2, 2, 3)(Tensor(images(1, 5, 5, 3))),
            r"reads images \(n, height, width, 2\), not \(1, 5, 5, 3\)",
        ),
        (lambda: conv(1, 1, 3)(Tensor(images(1, 2, 5, 1))), r"as large as the window \(3, 3\), not \(1, 2, 5, 1\)"),
        (lambda: MaxPool(True), "size must be an integer of at least 1, not True"),
        (lambda: AvgPool(2)(Tensor(images(4, 4))), r"\(n, height, width, channels\), .* not \(4, 4\)"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()
