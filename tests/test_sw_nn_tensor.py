"""sw/nn/tensor.py and functions.py: every gradient against finite differences, and the walk over the graph."""

import numpy as np
import pytest

from sw.errors import InputError
from sw.nn import functions
from sw.nn.gradient_check import gradient_error, numeric_gradient
from sw.nn.tensor import Tensor, node


def leaf(*shape, seed=0, low=-2.0, high=2.0):
    return Tensor(np.random.default_rng(seed).uniform(low, high, shape), requires_grad=True)


BINARY = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / (b * b + 1.0),
}


@pytest.mark.parametrize(
    "shapes", [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1), (1, 4)), ((2, 3, 4), (3, 1)), ((), (2,))]
)
@pytest.mark.parametrize("name", BINARY)
def test_binary_operation_with_broadcasting(name, shapes):
    assert gradient_error(BINARY[name], leaf(*shapes[0], seed=1), leaf(*shapes[1], seed=2)) < 1e-6


@pytest.mark.parametrize("shapes", [((3, 4), (4, 2)), ((5, 3, 4), (5, 4, 2)), ((5, 3, 4), (4, 2)), ((3, 4), (5, 4, 2))])
def test_matrix_product(shapes):
    assert gradient_error(lambda a, b: a @ b, leaf(*shapes[0], seed=1), leaf(*shapes[1], seed=2)) < 1e-6


UNARY = {
    "negate": lambda a: -a,
    "relu": functions.relu,
    "exp": functions.exp,
    "log": lambda a: functions.log(a * a + 1.0),
    "root": lambda a: functions.root(a * a + 1.0),
    "total": functions.total,
    "total of one axis": lambda a: functions.total(a, axis=1),
    "total of two axes": lambda a: functions.total(a, axis=(0, 2)),
    "mean": functions.mean,
    "mean of one axis": lambda a: functions.mean(a, axis=0),
    "reshape": lambda a: functions.reshape(a, (4, -1)),
    "number on the left": lambda a: 2.0 - 3.0 * a + 1.0 / (a + 5.0) + (1.0 + a),
    "array on the left": lambda a: np.ones((3, 4)) * a + np.full((2, 1, 1), 2.0) / (a + 5.0),
    "used twice": lambda a: a * a + a,
}


@pytest.mark.parametrize("name", UNARY)
def test_unary_operation(name):
    assert gradient_error(UNARY[name], leaf(2, 3, 4, seed=3)) < 1e-6


def test_derivative_of_relu_at_zero_is_zero():
    x = Tensor(np.zeros(1), requires_grad=True)
    functions.relu(x).backward()
    assert x.grad == 0


def test_derivative_of_root_at_zero_is_zero():
    x = Tensor(np.zeros(1), requires_grad=True)
    functions.root(x).backward()
    assert x.grad == 0


def test_a_tensor_reached_by_two_ways_gets_both_gradients_once():
    x = leaf(1)
    y = x * 3.0
    (y * y + y).backward()  # 9x² + 3x
    np.testing.assert_allclose(x.grad, 18 * x.data + 3)


def test_a_deep_graph_needs_no_recursion():
    x = y = leaf(1)
    for _ in range(5000):
        y = y + 1.0
    y.backward()
    assert x.grad == 1


def test_gradients_add_up_over_calls():
    x = leaf(1)
    (x * 2.0).backward()
    (x * 3.0).backward()
    assert x.grad == 5


def test_edges_are_recorded_only_where_a_gradient_is_required():
    constant, x = Tensor(np.ones(2)), leaf(2)
    assert (constant * constant).edges == ()
    assert [parent for parent, _ in (constant * x).edges] == [x]


def test_dtype_is_kept():
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    y = functions.mean(1.0 / (2.0 * x + 1))
    y.backward()
    assert y.data.dtype == x.grad.dtype == np.float32


def test_refusals():
    with pytest.raises(TypeError, match="float32 or float64, not int64"):
        Tensor(np.arange(3))
    with pytest.raises(ValueError, match=r"scalar, not from shape \(3,\)"):
        leaf(3).backward()
    with pytest.raises(ValueError, match=r"two axes on both sides, not \(3,\) and \(3, 2\)"):
        leaf(3) @ leaf(3, 2)


def test_the_gradient_check_finds_a_wrong_gradient():
    def wrong(x):
        return node("wrong", x.data**2, (x, lambda g: g * 2.001 * x.data))

    x = Tensor(np.array([1.0, 0.0]), requires_grad=True)
    assert gradient_error(lambda x: x * x, x) < 1e-6 < 1e-4 < gradient_error(wrong, x)


def test_finite_differences():
    x = np.array([[1.0, -2.0]])
    np.testing.assert_allclose(numeric_gradient(lambda: float((x**3).sum()), x), 3 * x**2)
    assert x.tolist() == [[1, -2]]
    with pytest.raises(InputError, match="needs float64, not float32"):
        numeric_gradient(lambda: 0.0, np.zeros(1, np.float32))
