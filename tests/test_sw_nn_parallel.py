"""sw/nn/parallel.py: any number of threads gives the results of one."""

import threading

import numpy as np
import pytest

from sw.errors import InputError
from sw.nn import normalization
from sw.nn.layers import BatchNorm, Conv2d, Flatten, MaxPool, ReLU, Sequential
from sw.nn.losses import softmax_cross_entropy
from sw.nn.parallel import in_parts, threads
from sw.nn.tensor import Tensor

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(6, 9, 8, 2)).astype(np.float32)
LABELS = RNG.integers(0, 6, 6)


def gradients():
    """Logits and all gradients of a small network."""
    generator = np.random.default_rng(1)
    layers = Conv2d(2, 4, 3, generator, padding=1), BatchNorm(4), ReLU(), MaxPool(3, 1)
    model = Sequential(*layers, Conv2d(4, 6, 3, generator, stride=2, groups=2), MaxPool(2, 1), Flatten())
    x = Tensor(IMAGES, requires_grad=True)
    logits = model(x)
    softmax_cross_entropy(logits, LABELS).backward()
    return [logits.data, x.grad, *(p.grad for p in model.parameters().values())]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_results_depend_neither_on_threads_nor_on_the_run(count, monkeypatch):
    monkeypatch.setattr(normalization, "BLOCK", 1000)  # 2 of the 4 channels at once
    alone = gradients()
    with threads(count):
        first, second = gradients(), gradients()
    for a, b, c in zip(alone, first, second, strict=True):
        np.testing.assert_array_equal(b, a)
        np.testing.assert_array_equal(b, c)


@pytest.mark.parametrize(("count", "length"), [(1, 7), (2, 7), (3, 2), (4, 0)])
def test_parts_make_up_the_whole(count, length):
    seen = np.zeros(length, int)

    def visit(part):
        seen[part] += 1

    with threads(count):
        in_parts(visit, length)
    assert (seen == 1).all()


def test_parts_run_at_once():
    barrier = threading.Barrier(3)
    with threads(3):
        in_parts(lambda part: barrier.wait(timeout=60), 3)
    assert not barrier.broken


def test_one_thread_outside_the_context():
    parts = []
    with threads(2):
        pass
    in_parts(parts.append, 4)
    assert parts == [slice(0, 4)]


def test_parts_heed_what_numpy_was_told_about_overflow():
    def overflow(part):
        np.full(3, 1e30, np.float32) ** 2

    with threads(2), np.errstate(over="ignore"):
        in_parts(overflow, 2)
    with threads(2), np.errstate(over="raise"), pytest.raises(FloatingPointError):
        in_parts(overflow, 2)


@pytest.mark.parametrize("count", [0, 1.5])
def test_refuses_a_number_of_threads(count):
    with pytest.raises(InputError, match=f"threads must be an integer of at least 1, not {count}"), threads(count):
        pass
