"""sw/nn/dense.py and containers.py: what layers compute, how parameters are named, who is told about training."""

import numpy as np
import pytest

from sw.errors import InputError
from sw.nn.gradient_check import gradient_error
from sw.nn.layers import Add, BatchNorm, Dense, Dropout, Flatten, ReLU, Sequential
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


def test_gradients_of_a_network():
    net, x = model(), Tensor(np.random.default_rng(1).normal(size=(5, 6)), requires_grad=True)
    assert gradient_error(lambda x, *_: net(x), x, *net.parameters().values()) < 1e-6


def residual(shortcut=True):
    generator = np.random.default_rng(0)
    body = Sequential(Dense(6, 4, generator, dtype=np.float64), ReLU(), BatchNorm(4, dtype=np.float64))
    return Add(body, Dense(6, 4, generator, dtype=np.float64) if shortcut else None)


def test_add_is_the_sum_of_both_sides():
    block, x = residual(), Tensor(np.random.default_rng(1).normal(size=(5, 6)), requires_grad=True)
    np.testing.assert_allclose(block(x).data, block.body(x).data + block.shortcut(x).data)
    assert gradient_error(lambda x, *_: block(x), x, *block.parameters().values()) < 1e-6


def test_add_without_shortcut_adds_its_input():
    block, x = Add(Sequential(ReLU())), Tensor(np.array([[2.0, -3.0]]), requires_grad=True)
    assert block(x).data.tolist() == [[4, -3]]
    assert gradient_error(block, x) < 1e-6


def test_names_inside_of_containers():
    net = Sequential(ReLU(), residual())
    dense, norm, shortcut = ["0.weight", "0.bias"], ["2.scale", "2.shift"], ["weight", "bias"]
    names = [f"1.body.{name}" for name in dense + norm] + [f"1.shortcut.{name}" for name in shortcut]
    assert list(net.parameters()) == names
    assert list(net.state()) == ["1.body.2.running_mean", "1.body.2.running_variance"]


def test_all_layers_inside_are_told_about_training():
    dropout = Dropout(0.5, np.random.default_rng(0))
    net = Sequential(Flatten(), Add(Sequential(dropout)))
    assert dropout.training
    net.set_training(False)
    assert not dropout.training
    assert not net.training
    net.set_training(True)
    assert dropout.training


def test_add_refuses_two_shapes():
    with pytest.raises(InputError, match=r"one shape, not \(5, 4\) and \(5, 6\)"):
        residual(shortcut=False)(Tensor(np.ones((5, 6))))
