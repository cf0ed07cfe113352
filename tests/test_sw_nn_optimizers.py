"""sw/nn/optimizers.py: the first steps against the published formulas in plain Python, and convergence."""

import math

import numpy as np
import pytest

from sw.nn import functions
from sw.nn.optimizers import SGD, Adam
from sw.nn.tensor import Tensor

GRADIENTS = [0.5, -2.0, 1.25, 0.0, 3.0]


def walk(make, rate=0.1):
    """Positions of a parameter that starts at 1 and meets GRADIENTS."""
    parameter = Tensor(np.array([1.0]), requires_grad=True)
    optimizer = make([parameter])
    for gradient in GRADIENTS:
        parameter.grad = np.array([gradient])
        optimizer.step(rate)
        assert parameter.grad is None
        yield float(parameter.data[0])


def test_sgd_with_momentum():
    position, velocity, expected = 1.0, 0.0, []
    for gradient in GRADIENTS:
        velocity = 0.8 * velocity + gradient
        position -= 0.1 * velocity
        expected.append(position)
    np.testing.assert_allclose(list(walk(lambda p: SGD(p, momentum=0.8))), expected)


def test_adam():
    position, mean, square, expected = 1.0, 0.0, 0.0, []
    for t, gradient in enumerate(GRADIENTS, start=1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        position -= 0.1 * (mean / (1 - 0.9**t)) / (math.sqrt(square / (1 - 0.999**t)) + 1e-8)
        expected.append(position)
    np.testing.assert_allclose(list(walk(Adam)), expected)


@pytest.mark.parametrize("make", [SGD, Adam])
def test_finds_the_minimum_of_a_parabola(make):
    x = Tensor(np.array([3.0, -2.0], np.float32), requires_grad=True)
    optimizer = make([x])
    for _ in range(1000):
        distance = x - np.array([1.0, 2.0])
        functions.reshape(functions.total(distance * distance), ()).backward()
        optimizer.step(0.02)
    np.testing.assert_allclose(x.data, [1, 2], atol=1e-2)
    assert x.data.dtype == np.float32
