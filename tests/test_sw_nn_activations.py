"""sw/nn/activations.py and their functions: values by the formula, gradients, stability."""

import math

import numpy as np
import pytest

from sw.errors import InputError
from sw.nn import functions
from sw.nn.gradient_check import gradient_error
from sw.nn.layers import LeakyReLU, ReLU, Sigmoid, Softmax, Step, Tanh
from sw.nn.tensor import Tensor

X = np.random.default_rng(0).uniform(-3, 3, (4, 5))
FORMULAS = {
    "relu": (ReLU(), lambda x: max(x, 0)),
    "leaky relu": (LeakyReLU(0.1), lambda x: x if x > 0 else 0.1 * x),
    "step": (Step(), lambda x: float(x >= 0)),
    "sigmoid": (Sigmoid(), lambda x: 1 / (1 + math.exp(-x))),
    "tanh": (Tanh(), lambda x: (math.exp(2 * x) - 1) / (math.exp(2 * x) + 1)),
}
LAYERS = {name: layer for name, (layer, _) in FORMULAS.items()} | {"softmax": Softmax()}


@pytest.mark.parametrize("name", FORMULAS)
def test_value(name):
    layer, formula = FORMULAS[name]
    np.testing.assert_allclose(layer(Tensor(X)).data, [[formula(x) for x in row] for row in X])


def test_value_of_softmax():
    expected = [[math.exp(x) / sum(map(math.exp, row)) for x in row] for row in X]
    np.testing.assert_allclose(Softmax()(Tensor(X)).data, expected)


@pytest.mark.parametrize("name", LAYERS)
def test_gradient(name):
    assert gradient_error(LAYERS[name], Tensor(X.copy(), requires_grad=True)) < 1e-6


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", [[1e4, 0, 0]]),
        ("leaky relu", [[1e4, -1e3, 0]]),
        ("step", [[1, 0, 1]]),
        ("sigmoid", [[1, 0, 0.5]]),
        ("tanh", [[1, -1, 0]]),
        ("softmax", [[1, 0, 0]]),
    ],
)
def test_stable_in_float32_at_10000(name, expected):
    x = Tensor(np.array([[1e4, -1e4, 0]], np.float32), requires_grad=True)
    y = LAYERS[name](x)
    functions.total(y * y).backward()
    np.testing.assert_allclose(y.data, expected)
    assert np.isfinite(x.grad).all()
    assert y.data.dtype == x.grad.dtype == np.float32


def test_sigmoid_keeps_its_digits_far_below_0():
    np.testing.assert_allclose(Sigmoid()(Tensor(np.array([-30.0]))).data, math.exp(-30), rtol=1e-12)


def test_derivatives_at_0():
    for function, expected in ((functions.step, 0), (functions.relu, 0), (functions.leaky_relu, 0.01)):
        x = Tensor(np.zeros(1), requires_grad=True)
        function(x).backward()
        assert x.grad == expected


def test_a_slope_is_within_0_and_1():
    with pytest.raises(InputError, match=r"slope of a leaky ReLU must be within 0\.\.1, not 2"):
        LeakyReLU(2)(Tensor(X))
    assert str(LeakyReLU(0.2)) == "LeakyReLU 0.2"
