"""sw/nn/regularization.py: value and gradient of the penalties."""

import numpy as np
import pytest

from sw.errors import InputError
from sw.nn.gradient_check import gradient_error
from sw.nn.regularization import l1, l2
from sw.nn.tensor import Tensor


def parameters(dtype=np.float64):
    return [Tensor(np.array(values, dtype), requires_grad=True) for values in ([[1.0, -2.0]], [3.0, -4.0])]


@pytest.mark.parametrize(("penalty", "value"), [(l1, 1.0), (l2, 1.5)])
def test_value_and_gradient(penalty, value):
    np.testing.assert_allclose(penalty(parameters(), 0.1).data, value)
    assert gradient_error(lambda *p: penalty(p, 0.1), *parameters()) < 1e-6


@pytest.mark.parametrize("penalty", [l1, l2])
def test_adds_to_a_loss_in_float32(penalty):
    first, second = parameters(np.float32)
    loss = penalty([first, second], 0.1) + penalty([first], 0.1)
    loss.backward()
    assert loss.shape == ()
    assert loss.data.dtype == first.grad.dtype == np.float32
    alone, _ = parameters(np.float32)
    penalty([alone], 0.2).backward()
    np.testing.assert_allclose(first.grad, alone.grad)


def test_l1_leaves_a_zero_alone():
    zero = Tensor(np.zeros(1), requires_grad=True)
    l1([zero], 1.0).backward()
    assert zero.grad == 0


@pytest.mark.parametrize("penalty", [l1, l2])
@pytest.mark.parametrize("strength", [-1, float("inf"), float("nan")])
def test_refuses_a_strength(penalty, strength):
    with pytest.raises(InputError, match="finite and at least 0, not"):
        penalty(parameters(), strength)
