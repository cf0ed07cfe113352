"""sw/nn/layers.py: what layers compute and how parameters are named."""

import numpy as np

from sw.nn.layers import Dense, Flatten, ReLU, Sequential
from sw.nn.tensor import Tensor


def model(dtype=np.float64):
    generator = np.random.default_rng(0)
    return Sequential(Flatten(), Dense(6, 4, generator, dtype=dtype), ReLU(), Dense(4, 2, generator, dtype=dtype))


def test_sequential_computes_the_chain():
    net = model()
    p = {name: parameter.data for name, parameter in net.parameters().items()}
    x = np.random.default_rng(1).normal(size=(5, 2, 3, 1))
    expected = np.maximum(x.reshape(5, 6) @ p["1.weight"] + p["1.bias"], 0) @ p["3.weight"] + p["3.bias"]
    np.testing.assert_allclose(net(Tensor(x)).data, expected)


def test_parameters_are_named_by_position():
    shapes = {name: parameter.shape for name, parameter in model().parameters().items()}
    assert shapes == {"1.weight": (6, 4), "1.bias": (4,), "3.weight": (4, 2), "3.bias": (2,)}


def test_names_in_messages():
    assert [str(layer) for layer in model().layers] == ["Flatten", "Dense 6→4", "ReLU", "Dense 4→2"]


def test_float32_stays_float32():
    net = model(np.float32)
    y = net(Tensor(np.ones((1, 6), np.float32)))
    assert y.data.dtype == np.float32
    assert {parameter.data.dtype for parameter in net.parameters().values()} == {np.dtype(np.float32)}


def test_flatten_is_height_width_channel():
    x = np.arange(12.0).reshape(1, 2, 3, 2)
    assert Flatten()(Tensor(x)).data.tolist() == [list(range(12))]
