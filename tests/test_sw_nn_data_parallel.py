"""sw/nn/data_parallel.py: the gradient of a batch in parts is that of the batch."""

import threading

import numpy as np
import pytest

from sw.errors import InputError
from sw.nn.data_parallel import DataParallel
from sw.nn.layers import BatchNorm, Conv2d, Dense, Dropout, Flatten, MaxPool, ReLU, Sequential
from sw.nn.losses import softmax_cross_entropy
from sw.nn.optimizers import SGD, Adam
from sw.nn.tensor import Tensor

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(7, 9, 8, 2))
LABELS = RNG.integers(0, 6, 7)


def network(*more):
    """A small convolutional network in float64."""
    generator = np.random.default_rng(1)
    conv = Conv2d(2, 4, 3, generator, padding=1, dtype=np.float64)
    return Sequential(conv, *more, ReLU(), MaxPool(), Flatten(), Dense(64, 6, generator, dtype=np.float64))


def gradients(model):
    return [parameter.grad for parameter in model.parameters().values()]


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_gradients_of_the_parts_make_those_of_the_batch(count):
    whole, parts = network(), network()
    expected = softmax_cross_entropy(whole(Tensor(IMAGES)), LABELS)
    expected.backward()
    with DataParallel(parts, count) as parallel:
        loss = parallel.backward(softmax_cross_entropy, IMAGES, LABELS)
    np.testing.assert_allclose(loss, expected.data, rtol=1e-6)
    for mine, theirs in zip(gradients(parts), gradients(whole), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)


def test_one_thread_gives_the_bits_of_the_plain_step():
    whole, parts = network(), network()
    softmax_cross_entropy(whole(Tensor(IMAGES)), LABELS).backward()
    with DataParallel(parts, 1) as parallel:
        parallel.backward(softmax_cross_entropy, IMAGES, LABELS)
    for mine, theirs in zip(gradients(parts), gradients(whole), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def trained(count):
    """Parameters and running means after some steps."""
    model = network(BatchNorm(4, dtype=np.float64))
    optimizer = Adam(model.parameters().values())
    with DataParallel(model, count) as parallel:
        for _ in range(4):
            parallel.backward(softmax_cross_entropy, IMAGES, LABELS)
            optimizer.step(0.01)
    return [tensor.data for tensor in (*model.parameters().values(), *model.state().values())]


def test_a_training_repeats_bit_for_bit():
    for first, second in zip(trained(3), trained(3), strict=True):
        np.testing.assert_array_equal(first, second)


def test_several_steps_are_those_of_the_whole_batch():
    whole, parts = network(), network()
    optimizers = [SGD(model.parameters().values()) for model in (whole, parts)]
    with DataParallel(parts, 2) as parallel:
        for _ in range(3):
            softmax_cross_entropy(whole(Tensor(IMAGES)), LABELS).backward()
            parallel.backward(softmax_cross_entropy, IMAGES, LABELS)
            for optimizer in optimizers:
                optimizer.step(0.1)
    for mine, theirs in zip(parts.parameters().values(), whole.parameters().values(), strict=True):
        np.testing.assert_allclose(mine.data, theirs.data, rtol=1e-5, atol=1e-7)


def test_parts_run_at_once():
    barrier = threading.Barrier(3, timeout=60)

    def loss(outputs, labels):
        barrier.wait()
        return softmax_cross_entropy(outputs, labels)

    with DataParallel(network(), 3) as parallel:
        parallel.backward(loss, IMAGES, LABELS)
    assert not barrier.broken


def test_inference_in_parts():
    model = network()
    with DataParallel(model, 3) as parallel:
        np.testing.assert_allclose(parallel.infer(IMAGES), model(Tensor(IMAGES)).data, rtol=1e-12)


def test_refusals():
    with pytest.raises(InputError, match="threads must be an integer of at least 1, not 0"):
        DataParallel(network(), 0)
    with pytest.raises(InputError, match="Dropout must be trained without data parallelism"):
        DataParallel(network(Dropout(0.5, np.random.default_rng(0))), 2)
    with DataParallel(network(), 3) as parallel, pytest.raises(InputError, match="each thread: 3, not 2"):
        parallel.backward(softmax_cross_entropy, IMAGES[:2], LABELS[:2])
