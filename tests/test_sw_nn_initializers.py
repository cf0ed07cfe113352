"""sw/nn/initializers.py: the variances that their sources give."""

import numpy as np
import pytest

from sw.nn.initializers import he, normal, uniform, xavier


@pytest.mark.parametrize(
    ("draw", "variance"), [(he, 2 / 400), (xavier, 2 / 500), (uniform, 0.05**2 / 3), (normal, 0.05**2)]
)
def test_variance(draw, variance):
    weight = draw(np.random.default_rng(0), (400, 100), 400, 100)
    np.testing.assert_allclose(weight.var(), variance, rtol=0.03)
    np.testing.assert_allclose(weight.mean(), 0, atol=0.002)


def test_xavier_is_bounded():
    weight = xavier(np.random.default_rng(0), (400, 100), 400, 100)
    assert np.abs(weight).max() <= np.sqrt(6 / 500)


def test_uniform_is_bounded_and_fixed_scales_can_be_chosen():
    generator = np.random.default_rng(0)
    assert 0.199 < np.abs(uniform(generator, (400, 100), 400, 100, limit=0.2)).max() <= 0.2
    np.testing.assert_allclose(normal(generator, (400, 100), 400, 100, deviation=0.2).std(), 0.2, rtol=0.03)


@pytest.mark.parametrize("draw", [he, xavier, uniform, normal])
def test_same_seed_same_weights(draw):
    first, second = (draw(np.random.default_rng(5), (3, 4), 3, 4) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_he_keeps_the_size_of_a_signal_through_relu_layers():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(200, 256))
    before = (x**2).mean()
    for _ in range(10):
        x = np.maximum(x @ he(generator, (256, 256), 256, 256), 0)
    assert 0.5 < (x**2).mean() / before < 2


def test_a_fixed_scale_lets_the_signal_fade():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(200, 256))
    before = (x**2).mean()
    for _ in range(10):
        x = np.maximum(x @ normal(generator, (256, 256), 256, 256), 0)
    assert (x**2).mean() / before < 1e-3
