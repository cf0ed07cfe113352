"""sw/nn/normalization.py: BatchNorm and Dropout, in training and after it."""

import numpy as np
import pytest

from sw.errors import InputError
from sw.nn.functions import total
from sw.nn.gradient_check import gradient_error
from sw.nn.layers import BatchNorm, Dropout
from sw.nn.tensor import Tensor

X = np.random.default_rng(0).normal(2, 3, (4, 3, 5, 2))


def batch_norm():
    layer = BatchNorm(2, dtype=np.float64)
    layer.scale.data, layer.shift.data = np.array([1.5, -0.5]), np.array([0.25, 3.0])
    return layer


def test_batch_norm_in_training():
    rows = X.reshape(-1, 2)
    expected = (X - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0) + 1e-5) * [1.5, -0.5] + [0.25, 3]
    np.testing.assert_allclose(batch_norm()(Tensor(X)).data, expected)


def test_batch_norm_remembers_and_uses_it_after_training():
    layer, (mean, variance) = batch_norm(), (np.zeros(2), np.ones(2))
    for batch in (X[:2], X[2:]):
        layer(Tensor(batch))
        rows = batch.reshape(-1, 2)
        mean, variance = 0.9 * mean + 0.1 * rows.mean(axis=0), 0.9 * variance + 0.1 * rows.var(axis=0, ddof=1)
    layer.set_training(False)
    expected = (X - mean) / np.sqrt(variance + 1e-5) * [1.5, -0.5] + [0.25, 3]
    np.testing.assert_allclose(layer(Tensor(X)).data, expected)
    np.testing.assert_allclose(layer(Tensor(X[:1])).data, expected[:1])
    np.testing.assert_allclose(layer.state()["running_mean"].data, mean)
    np.testing.assert_allclose(layer.state()["running_variance"].data, variance)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(7, 2), (2, 3, 1, 2)])
def test_gradients_of_batch_norm(training, shape):
    layer = batch_norm()
    layer.set_training(training)
    x = Tensor(np.random.default_rng(1).normal(1, 2, shape), requires_grad=True)
    assert gradient_error(lambda x, *_: layer(x), x, layer.scale, layer.shift) < 1e-6


def test_batch_norm_keeps_float32():
    layer, x = BatchNorm(2), Tensor(X.astype(np.float32), requires_grad=True)
    total(layer(x)).backward()
    assert {a.dtype for a in (x.grad, layer.scale.grad, layer.running_mean.data, layer.running_variance.data)} == {
        np.dtype(np.float32)
    }


def test_dropout_zeroes_its_share_and_keeps_the_mean():
    y = Dropout(0.3, np.random.default_rng(0))(Tensor(np.ones((100, 200), np.float32))).data
    np.testing.assert_allclose((y == 0).mean(), 0.3, atol=0.01)
    np.testing.assert_allclose(y[y != 0], 1 / 0.7, rtol=1e-6)
    assert y.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_multiplies_in_the_dtype_of_its_input(dtype):
    x = Tensor(np.ones((50, 20), dtype), requires_grad=True)
    total(dropout(1)(x)).backward()
    assert x.grad.dtype == dtype
    assert set(np.unique(x.grad)) == {0, 2}


def test_dropout_is_seeded_and_drawn_anew_at_each_call():
    (a, b), (c, d) = ([layer(Tensor(X)).data for _ in range(2)] for layer in map(dropout, (3, 3)))
    np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(b, d)
    assert (a != b).any()


def dropout(seed):
    return Dropout(0.5, np.random.default_rng(seed))


def test_dropout_does_nothing_after_training():
    layer = dropout(0)
    layer.set_training(False)
    np.testing.assert_array_equal(layer(Tensor(X)).data, X)


def test_gradient_of_dropout():
    assert gradient_error(lambda x: dropout(3)(x), Tensor(X.copy(), requires_grad=True)) < 1e-6


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BatchNorm(2, momentum=1), "momentum of BatchNorm must be at least 0 and below 1, not 1"),
        (lambda: BatchNorm(3)(Tensor(X)), r"BatchNorm 3 reads \(..., 3\), not \(4, 3, 5, 2\)"),
        (
            lambda: BatchNorm(2)(Tensor(X[:1, 0, 0])),
            "BatchNorm 2 needs at least 2 values per channel in training, not 1",
        ),
        (lambda: Dropout(1, None), "rate of Dropout must be at least 0 and below 1, not 1"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()
