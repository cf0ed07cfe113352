"""sw/nn/losses.py: value against the definition, gradient against finite differences, stability."""

import math

import numpy as np

from sw.nn.losses import softmax_cross_entropy
from sw.nn.tensor import Tensor

LOGITS = np.random.default_rng(0).normal(size=(4, 3))
LABELS = np.array([0, 2, 1, 1])


def test_value():
    expected = [-math.log(math.exp(row[k]) / sum(map(math.exp, row))) for row, k in zip(LOGITS, LABELS, strict=True)]
    np.testing.assert_allclose(softmax_cross_entropy(Tensor(LOGITS), LABELS).data, sum(expected) / 4)


def test_gradient():
    x = Tensor(LOGITS.copy(), requires_grad=True)
    softmax_cross_entropy(x, LABELS).backward()
    for place in np.ndindex(LOGITS.shape):
        step = np.zeros_like(LOGITS)
        step[place] = 1e-6
        above, below = (float(softmax_cross_entropy(Tensor(LOGITS + s), LABELS).data) for s in (step, -step))
        np.testing.assert_allclose(x.grad[place], (above - below) / 2e-6, atol=1e-8)


def test_huge_logits_do_not_overflow():
    x = Tensor(np.array([[1e4, -1e4, 0.0]], np.float32), requires_grad=True)
    loss = softmax_cross_entropy(x, np.array([1]))
    loss.backward()
    assert loss.data == 2e4
    assert x.grad.tolist() == [[1, -1, 0]]


def test_even_logits_cost_the_logarithm_of_the_classes():
    np.testing.assert_allclose(softmax_cross_entropy(Tensor(np.zeros((2, 10))), np.array([3, 9])).data, math.log(10))
