"""sw/nn/losses.py: each loss against its definition in plain Python, its gradient, its stability; all reductions."""

import math

import numpy as np
import pytest

from sw.errors import InputError
from sw.nn import losses
from sw.nn.gradient_check import gradient_error
from sw.nn.tensor import Tensor

GENERATOR = np.random.default_rng(0)
X = GENERATOR.uniform(-3, 3, (4, 3))
Y = GENERATOR.uniform(-3, 3, (4, 3))
LABELS = np.array([0, 2, 1, 1])
SHARES = GENERATOR.uniform(0, 1, (4, 3))
DISTRIBUTIONS = SHARES / SHARES.sum(axis=1, keepdims=True)
SIGNS = np.array([[1.0, -1, 1], [1, 1, -1], [-1, -1, 1], [-1, 1, 1]])


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def log_softmax(row):
    return [x - math.log(sum(map(math.exp, row))) for x in row]


def of_elements(formula):
    return lambda x, y: [[formula(a, b) for a, b in zip(*rows, strict=True)] for rows in zip(x, y, strict=True)]


def of_rows(formula):
    return lambda x, y: [formula(*rows) for rows in zip(x, y, strict=True)]


def pairwise(p, t):
    pairs = [(i, j) for i in range(3) for j in range(i)]
    return sum(((p[i] - p[j]) - (t[i] - t[j])) ** 2 for i, j in pairs) / len(pairs)


def cosine(p, t):
    return 1 - sum(a * b for a, b in zip(p, t, strict=True)) / math.hypot(*p) / math.hypot(*t)


def pinball(p, t):
    return 0.9 * (t - p) if t > p else 0.1 * (p - t)


def huber(p, t):
    return (p - t) ** 2 / 2 if abs(p - t) <= 1.5 else 1.5 * (abs(p - t) - 0.75)


CASES = {  # name: loss, prediction, target, its value per element or example
    "mse": (losses.mean_squared_error, X, Y, of_elements(lambda p, t: (p - t) ** 2)),
    "rmse": (losses.root_mean_squared_error, X, Y, None),
    "mae": (losses.mean_absolute_error, X, Y, of_elements(lambda p, t: abs(p - t))),
    "absolute difference": (losses.absolute_difference, X, Y, of_elements(lambda p, t: abs(p - t))),
    "huber": (lambda *a, **k: losses.huber(*a, delta=1.5, **k), X, Y, of_elements(huber)),
    "log-cosh": (losses.log_cosh, X, Y, of_elements(lambda p, t: math.log(math.cosh(p - t)))),
    "quantile": (lambda *a, **k: losses.quantile(*a, gamma=0.9, **k), X, Y, of_elements(pinball)),
    "pairwise": (losses.mean_pairwise_squared_error, X, Y, of_rows(pairwise)),
    "softmax": (losses.softmax_cross_entropy, X, LABELS, of_rows(lambda p, k: -log_softmax(p)[k])),
    "one-hot": (
        losses.one_hot_cross_entropy,
        X,
        DISTRIBUTIONS,
        of_rows(lambda p, t: -sum(a * b for a, b in zip(log_softmax(p), t, strict=True))),
    ),
    "sigmoid": (
        losses.sigmoid_cross_entropy,
        X,
        SHARES,
        of_elements(lambda p, t: -t * math.log(sigmoid(p)) - (1 - t) * math.log(1 - sigmoid(p))),
    ),
    "log loss": (
        losses.log_loss,
        DISTRIBUTIONS,
        SHARES,
        of_elements(lambda p, t: -t * math.log(p + 1e-7) - (1 - t) * math.log(1 - p + 1e-7)),
    ),
    "hinge": (losses.hinge, X, SIGNS, of_elements(lambda p, t: max(0, 1 - t * p))),
    "cosine": (losses.cosine_distance, X, Y, of_rows(cosine)),
}
PER_ELEMENT = {name: case for name, case in CASES.items() if case[3] is not None}


@pytest.mark.parametrize("name", PER_ELEMENT)
def test_value(name):
    loss, prediction, target, reference = CASES[name]
    expected = reference(prediction.tolist(), target.tolist())
    np.testing.assert_allclose(loss(Tensor(prediction), target, reduction="none").data, expected, rtol=1e-12)


@pytest.mark.parametrize("name", PER_ELEMENT)
def test_reductions_with_weights(name):
    loss, prediction, target, _ = CASES[name]
    each = loss(Tensor(prediction), target, reduction="none").data
    weights = np.array([0.5, 0, 2, 1]).reshape(4, *[1] * (each.ndim - 1))
    total, per_row = (each * weights).sum(), each[0].size
    expected = {"sum": total, "mean": total / (3.5 * per_row), "sum_by_nonzero_weights": total / (3 * per_row)}
    for reduction, value in expected.items():
        reduced = loss(Tensor(prediction), target, weights=weights, reduction=reduction)
        np.testing.assert_allclose(reduced.data, value)
        assert reduced.shape == ()
    unreduced = loss(Tensor(prediction), target, weights=weights, reduction="none")
    np.testing.assert_allclose(unreduced.data, each * weights)


@pytest.mark.parametrize("reduction", losses.REDUCTIONS)
@pytest.mark.parametrize("weights", [None, 0.5, np.array([[0.5], [0], [2], [1]])], ids=["unweighted", "scalar", "rows"])
@pytest.mark.parametrize("name", CASES)
def test_gradient(name, weights, reduction):
    loss, prediction, target, _ = CASES[name]
    if np.ndim(weights) and loss(Tensor(prediction), target, reduction="none").data.ndim == 1:
        weights = weights[:, 0]
    x = Tensor(prediction.copy(), requires_grad=True)
    assert gradient_error(lambda x: loss(x, target, weights=weights, reduction=reduction), x) < 1e-6


@pytest.mark.parametrize("name", CASES)
def test_the_default_is_the_mean(name):
    loss, prediction, target, _ = CASES[name]
    expected = loss(Tensor(prediction), target, weights=1.0, reduction="mean").data
    np.testing.assert_allclose(loss(Tensor(prediction), target).data, expected)


@pytest.mark.parametrize("reduction", ["sum", "mean", "sum_by_nonzero_weights"])
@pytest.mark.parametrize("name", CASES)
def test_no_weight_at_all_costs_nothing(name, reduction):
    loss, prediction, target, _ = CASES[name]
    x = Tensor(prediction.copy(), requires_grad=True)
    value = loss(x, target, weights=0.0, reduction=reduction)
    value.backward()
    assert value.data == 0
    assert not x.grad.any()


BIG = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], np.float32)
OTHER = np.array([[-1e4, 1e4, 0.0], [-1e4, -1e4, 0]], np.float32)
STABLE = {  # name: prediction, target, value per element or example, by hand
    "mse": (BIG, OTHER, [[4e8, 4e8, 0], [0, 4e8, 1e8]]),
    "rmse": (BIG, OTHER, [[2e4, 2e4, 0], [0, 2e4, 1e4]]),
    "mae": (BIG, OTHER, [[2e4, 2e4, 0], [0, 2e4, 1e4]]),
    "absolute difference": (BIG, OTHER, [[2e4, 2e4, 0], [0, 2e4, 1e4]]),
    "huber": (BIG, OTHER, [[29998.875, 29998.875, 0], [0, 29998.875, 14998.875]]),
    "log-cosh": (BIG, OTHER, [[2e4 - math.log(2)] * 2 + [0], [0, 2e4 - math.log(2), 1e4 - math.log(2)]]),
    "quantile": (BIG, OTHER, [[2e3, 1.8e4, 0], [0, 2e3, 1e3]]),
    "pairwise": (BIG, OTHER, [8e8, (4e8 + 1e8 + 1e8) / 3]),
    "softmax": (BIG, np.array([1, 0]), [2e4, 2e4 + math.log(2)]),
    "one-hot": (BIG, np.array([[0, 1, 0], [0, 0.5, 0.5]]), [2e4, math.log(2)]),
    "sigmoid": (BIG, np.array([[1, 0, 1], [1, 1, 0]]), [[0, 0, math.log(2)], [1e4, 0, 1e4]]),
    "log loss": (np.array([[1, 0]], np.float32), np.array([[0, 1]]), [[-math.log(1e-7)] * 2]),
    "hinge": (BIG, np.array([[1, 1, 1], [1, -1, 1]]), [[0, 10001, 1], [10001, 10001, 0]]),
    "cosine": (BIG, OTHER, [2, 1]),
}


@pytest.mark.parametrize("name", STABLE)
def test_stable_in_float32_at_10000(name):
    prediction, target, expected = STABLE[name]
    x = Tensor(prediction.copy(), requires_grad=True)
    each = CASES[name][0](x, target, reduction="none")
    np.testing.assert_allclose(each.data, expected, rtol=1e-6, atol=1e-6)
    reduced = CASES[name][0](x, target)
    reduced.backward()
    assert np.isfinite(x.grad).all()
    assert each.data.dtype == reduced.data.dtype == x.grad.dtype == np.float32


def test_every_loss_is_tested():
    tested = {"huber", "quantile", "REDUCTIONS"} | {case[0].__name__ for case in CASES.values()}
    assert set(losses.__all__) <= tested
    assert set(STABLE) == set(CASES)


def test_rmse_is_the_root_of_the_reduced_square():
    x = Tensor(np.array([3.0, 4.0]))
    value = {r: losses.root_mean_squared_error(x, [0, 0], reduction=r).data.tolist() for r in losses.REDUCTIONS}
    assert value == {"none": [3, 4], "sum": 5, "mean": math.sqrt(12.5), "sum_by_nonzero_weights": math.sqrt(12.5)}


def test_absolute_difference_counts_what_has_a_weight():
    x = Tensor(np.array([3.0, 4.0]))
    assert losses.absolute_difference(x, [0, 0], weights=[2, 0]).data == 6
    assert losses.mean_absolute_error(x, [0, 0], weights=[2, 0]).data == 3


@pytest.mark.parametrize(("gamma", "best"), [(0.05, 5), (0.5, 50), (0.95, 95)])
def test_the_quantile_loss_is_least_at_the_quantile(gamma, best):
    targets = np.arange(101.0)
    costs = [float(losses.quantile(Tensor(np.full(101, p)), targets, gamma).data) for p in targets]
    assert int(np.argmin(costs)) == best


def test_a_shift_costs_nothing_by_pairs_and_a_length_nothing_by_angle():
    assert losses.mean_pairwise_squared_error(Tensor(X + 5), X).data < 1e-25
    assert abs(losses.cosine_distance(Tensor(X * 5), X).data) < 1e-15


def test_a_vector_of_length_0_is_at_distance_1():
    x = Tensor(np.zeros((1, 3)), requires_grad=True)
    value = losses.cosine_distance(x, X[:1])
    value.backward()
    assert value.data == 1
    assert not x.grad.any()


def test_even_logits_cost_the_logarithm_of_the_classes():
    np.testing.assert_allclose(
        losses.softmax_cross_entropy(Tensor(np.zeros((2, 10))), np.array([3, 9])).data, math.log(10)
    )


def test_sparse_and_one_hot_agree():
    first, second = (Tensor(X.copy(), requires_grad=True) for _ in range(2))
    losses.softmax_cross_entropy(first, LABELS).backward()
    losses.one_hot_cross_entropy(second, np.eye(3)[LABELS]).backward()
    np.testing.assert_allclose(first.grad, second.grad, atol=1e-15)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda x: losses.mean_squared_error(x, Y[:, :1]), r"shape of the prediction, \(4, 3\), not \(4, 1\)"),
        (lambda x: losses.mean_squared_error(x, Y, reduction="max"), "must be one of none, sum, mean, .* not 'max'"),
        (lambda x: losses.mean_squared_error(x, Y, weights=-1), "finite and at least 0, not -1 to -1"),
        (lambda x: losses.mean_squared_error(x, Y, weights=np.inf), "finite and at least 0, not inf to inf"),
        (lambda x: losses.mean_squared_error(x, Y, weights=np.ones(4)), r"losses' shape \(4, 3\), not \(4,\)"),
        (lambda x: losses.huber(x, Y, delta=0), "delta of the Huber loss must be above 0, not 0"),
        (lambda x: losses.quantile(x, Y, gamma=1), "gamma of the quantile loss must be between 0 and 1, not 1"),
        (lambda x: losses.mean_pairwise_squared_error(Tensor(X[:, :1]), Y[:, :1]), r"two elements .* not \(4, 1\)"),
        (lambda x: losses.softmax_cross_entropy(x, LABELS[:2]), r"not int64 \(2,\) for \(4, 3\)"),
        (lambda x: losses.softmax_cross_entropy(x, LABELS * 1.0), "labels must be integers .* not float64"),
        (lambda x: losses.softmax_cross_entropy(x, LABELS - 1), r"labels must be 0\.\.2, not -1 to 1"),
        (lambda x: losses.softmax_cross_entropy(x, LABELS + 1), r"labels must be 0\.\.2, not 1 to 3"),
        (lambda x: losses.one_hot_cross_entropy(x, SHARES), "each row of a one-hot target .* sum to 1"),
        (lambda x: losses.sigmoid_cross_entropy(x, SIGNS), r"each target must be within 0\.\.1, not -1 to 1"),
        (lambda x: losses.log_loss(x, SHARES), r"each probability must be within 0\.\.1"),
        (lambda x: losses.hinge(x, (SIGNS + 1) / 2), r"must be -1 or \+1, not 0 to 1"),
    ],
)
def test_refusals(loss, message):
    with pytest.raises(InputError, match=message):
        loss(Tensor(X))
