"""sw/nn/clipping.py: norms, directions, and gradients that need no clipping."""

import numpy as np
import pytest

from sw.errors import InputError
from sw.nn.clipping import clip_by_norm, clip_by_value
from sw.nn.tensor import Tensor


def parameters():
    result = [Tensor(np.zeros(shape, np.float32), requires_grad=True) for shape in ((2,), (1, 1))]
    result[0].grad, result[1].grad = np.array([3, -4], np.float32), np.array([[12]], np.float32)
    return result


def gradients(tensors):
    return np.concatenate([t.grad.ravel() for t in tensors])


def test_the_common_norm_is_bounded_and_the_direction_stays():
    tensors = parameters()
    assert clip_by_norm(tensors, 6.5) == 13
    np.testing.assert_allclose(gradients(tensors), [1.5, -2, 6])
    assert tensors[0].grad.dtype == np.float32
    assert tensors[1].grad.shape == (1, 1)


def test_small_gradients_stay():
    tensors = parameters()
    assert clip_by_norm(tensors, 13) == 13
    np.testing.assert_array_equal(gradients(tensors), [3, -4, 12])


def test_each_value_is_bounded():
    tensors = parameters()
    clip_by_value(tensors, 3.5)
    np.testing.assert_array_equal(gradients(tensors), [3, -3.5, 3.5])


@pytest.mark.parametrize("clip", [clip_by_norm, clip_by_value])
def test_refuses_a_limit(clip):
    with pytest.raises(InputError, match="limit of gradients must be above 0, not 0"):
        clip(parameters(), 0)
