"""sw/nn/optimizers.py: the first steps against the published formulas in plain Python, and convergence."""

import math

import numpy as np
import pytest

from sw.errors import InputError
from sw.nn import functions
from sw.nn.optimizers import SGD, AdaGrad, Adam, AdamW, Nesterov, RMSProp
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


def test_plain_gradient_descent():
    expected, position = [], 1.0
    for gradient in GRADIENTS:
        position -= 0.1 * gradient
        expected.append(position)
    np.testing.assert_allclose(list(walk(lambda p: SGD(p, momentum=0))), expected)


def test_nesterov_is_the_published_form_seen_from_the_place_ahead():
    rate, momentum = 0.1, 0.8
    position, velocity, expected = 1.0, 0.0, []
    for _ in range(6):
        velocity = momentum * velocity - rate * 3 * (position + momentum * velocity)  # of 1.5 x², looked ahead
        position += velocity
        expected.append(position + momentum * velocity)
    parameter = Tensor(np.array([1.0]), requires_grad=True)
    optimizer, found = Nesterov([parameter], momentum), []
    for _ in range(6):
        parameter.grad = 3 * parameter.data
        optimizer.step(rate)
        found.append(float(parameter.data[0]))
    np.testing.assert_allclose(found, expected)


def test_adagrad():
    position, squares, expected = 1.0, 0.0, []
    for gradient in GRADIENTS:
        squares += gradient**2
        position -= 0.1 * gradient / (math.sqrt(squares) + 1e-8)
        expected.append(position)
    np.testing.assert_allclose(list(walk(AdaGrad)), expected)


def test_rmsprop():
    position, square, expected = 1.0, 0.0, []
    for gradient in GRADIENTS:
        square = 0.7 * square + 0.3 * gradient**2
        position -= 0.1 * gradient / (math.sqrt(square) + 1e-8)
        expected.append(position)
    np.testing.assert_allclose(list(walk(lambda p: RMSProp(p, decay=0.7))), expected)


def test_adamw():
    position, mean, square, expected = 1.0, 0.0, 0.0, []
    for t, gradient in enumerate(GRADIENTS, start=1):
        mean = 0.8 * mean + 0.2 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        adam = (mean / (1 - 0.8**t)) / (math.sqrt(square / (1 - 0.99**t)) + 1e-8)
        position -= 0.1 * adam + 0.1 * 0.3 * position
        expected.append(position)
    np.testing.assert_allclose(list(walk(lambda p: AdamW(p, betas=(0.8, 0.99), weight_decay=0.3))), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: SGD(p, momentum=1), "momentum must be at least 0 and below 1, not 1"),
        (lambda p: RMSProp(p, decay=-0.1), "decay must be at least 0 and below 1, not -0.1"),
        (lambda p: Adam(p, betas=(0.9, 1.5)), "each of betas must be at least 0 and below 1, not 1.5"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make([])


OPTIMIZERS = [SGD, Nesterov, AdaGrad, RMSProp, Adam, AdamW]


def leaves(count=2):
    rng = np.random.default_rng(0)
    return [Tensor(rng.normal(size=(3, 2)).astype(np.float32), requires_grad=True) for _ in range(count)]


def make_steps(optimizer, first, last):
    """Steps number first..last-1, whose gradients depend on their number alone."""
    for number in range(first, last):
        rng = np.random.default_rng(number)
        for parameter in optimizer.parameters:
            parameter.grad = rng.normal(size=parameter.shape).astype(np.float32)
        optimizer.step(0.1)


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_fresh_optimizer_goes_on_from_a_state_bit_for_bit(make):
    unbroken, begun = make(leaves()), make(leaves())
    make_steps(unbroken, 0, 6)
    make_steps(begun, 0, 3)
    state = begun.state()
    resumed = make([Tensor(p.data, requires_grad=True) for p in begun.parameters])
    resumed.load_state(state)
    kept = {key: array.copy() for key, array in state.items()}
    make_steps(begun, 3, 5)
    make_steps(resumed, 3, 6)
    for a, b in zip(unbroken.parameters, resumed.parameters, strict=True):
        np.testing.assert_array_equal(a.data, b.data)
        assert a.data.dtype == np.float32
    for key, array in state.items():  # neither of the two goes on in the arrays that were handed out
        np.testing.assert_array_equal(array, kept[key])


@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_step_leaves_the_old_arrays_alone(make):
    parameters = leaves()
    optimizer, before, copies = make(parameters), [p.data for p in parameters], [p.data.copy() for p in parameters]
    make_steps(optimizer, 0, 2)
    for old, copy, parameter in zip(before, copies, parameters, strict=True):
        np.testing.assert_array_equal(old, copy)
        assert (parameter.data != copy).all()


def test_a_state_names_what_is_remembered():
    assert list(Adam(leaves()).state()) == ["steps", "means.0", "means.1", "squares.0", "squares.1"]
    assert list(SGD(leaves(1)).state()) == ["steps", "velocities.0"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (SGD(leaves(1)).state(), r"must hold steps, squares\.0; not steps, velocities\.0"),
        (RMSProp(leaves(2)).state(), r"must hold steps, squares\.0; not steps, squares\.0, squares\.1"),
        (RMSProp(leaves(1)).state() | {"squares.0": np.zeros((3, 2))}, "must be float32 .*, not float64"),
        (RMSProp(leaves(1)).state() | {"squares.0": np.zeros(3, np.float32)}, r"float32 \(3, 2\), not float32 \(3,\)"),
    ],
)
def test_refuses_the_state_of_something_else(state, message):
    optimizer = RMSProp(leaves(1))
    make_steps(optimizer, 0, 1)
    before = optimizer.state()
    with pytest.raises(InputError, match=message):
        optimizer.load_state(state)
    for key, array in optimizer.state().items():
        np.testing.assert_array_equal(array, before[key])


def test_refuses_a_parameter_without_gradient():
    parameters = leaves()
    optimizer = Adam(parameters)
    parameters[0].grad, before = np.ones((3, 2), np.float32), parameters[0].data
    with pytest.raises(InputError, match=r"parameter 1 of shape \(3, 2\) has no gradient; each must have one"):
        optimizer.step(0.1)
    assert parameters[0].data is before
    assert optimizer.steps == 0


@pytest.mark.parametrize("make", [SGD, Nesterov, RMSProp, Adam, lambda p: AdamW(p, weight_decay=0)])
def test_finds_the_minimum_of_a_parabola(make):
    x = Tensor(np.array([3.0, -2.0], np.float32), requires_grad=True)
    optimizer = make([x])
    for _ in range(1000):
        distance = x - np.array([1.0, 2.0])
        functions.reshape(functions.total(distance * distance), ()).backward()
        optimizer.step(0.02)
    np.testing.assert_allclose(x.data, [1, 2], atol=1e-2)
    assert x.data.dtype == np.float32
