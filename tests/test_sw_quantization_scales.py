"""sw/quantization/scales.py: each choice is the best of those that a search over all of them finds."""

import numpy as np
import pytest

from sw.nn.layers import Conv2d
from sw.quantization.scales import (
    FRACTIONS,
    coarse_scales,
    finer_scales,
    fitting_scales,
    multiplier_and_shift,
    operand_weights,
    weight_codes,
)
from sw.quantization.stages import Stage

GENERATOR = np.random.default_rng(0)
WEIGHT = GENERATOR.normal(size=(3, 3, 4, 6)) * np.array([1, 2, 0.1, 1, 1e-9, 0])


def test_codes():
    assert weight_codes(np.array([-9.0, -1.4, 0.6, 9]), np.array(1.0), 3, "integer").tolist() == [-3, -1, 1, 3]
    assert weight_codes(np.array([-9.0, -0.4, 0.6, 9]), np.array(1.0), 2, "ternary").tolist() == [-1, 0, 1, 1]
    assert weight_codes(np.array([-9.0, -0.1, 0, 9]), np.array(1.0), 2, "binary").tolist() == [-1, -1, 1, 1]


def test_fitting_scales():
    peaks = np.abs(WEIGHT).max(axis=(0, 1, 2))
    scales = fitting_scales(WEIGHT, 5, per_channel=True) * 15
    np.testing.assert_allclose(scales[:4], peaks[:4])
    np.testing.assert_allclose(scales[4:], peaks.max() / 256)
    np.testing.assert_allclose(fitting_scales(WEIGHT, 5, per_channel=False) * 15, peaks.max())
    assert (fitting_scales(WEIGHT * 0, 5, per_channel=True) > 0).all()


@pytest.mark.parametrize("coding", ["ternary", "binary"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_coarse_scales_leave_the_least_squared_error(coding, per_channel):
    weight = WEIGHT[..., :4]
    scales = coarse_scales(weight, coding, per_channel)
    assert (len(set(scales.tolist())) == 4) == per_channel

    def error(factor):
        codes = weight_codes(weight, scales * factor, 2, coding) * scales * factor
        errors = ((codes - weight) ** 2).sum(axis=(0, 1, 2))
        return errors if per_channel else errors.sum()

    assert all((error(1.0) <= error(factor) + 1e-12).all() for factor in np.linspace(0.5, 1.5, 101))


def columns(x, size):
    """im2col by loops: (positions, size, size, channels)."""
    height, width = x.shape[1] - size + 1, x.shape[2] - size + 1
    return np.array([x[i, y : y + size, z : z + size] for i, y, z in np.ndindex(len(x), height, width)])


@pytest.mark.parametrize("per_channel", [True, False])
def test_finer_scales_leave_the_least_squared_error_of_the_sums(per_channel):
    x = GENERATOR.random((3, 6, 5, 8))
    seen = columns(x, 3).reshape(-1, 9, 2, 4).transpose(2, 0, 1, 3).reshape(2, -1, 36)  # two groups of four channels
    moments = seen.swapaxes(1, 2) @ seen / seen.shape[1]
    stage = Stage(Conv2d(8, 6, 3, GENERATOR, groups=2), (-1,), "conv", weight=WEIGHT, bias=np.zeros(6))
    fitting = fitting_scales(WEIGHT, 3, per_channel)
    found = finer_scales(stage, moments, fitting, FRACTIONS, 3, per_channel)
    errors = []
    for factor in FRACTIONS:
        codes = weight_codes(WEIGHT, fitting * factor, 3, "integer") * fitting * factor
        flat = (codes - WEIGHT).reshape(36, 6)
        errors.append([((seen[output // 3] @ flat[:, output]) ** 2).mean() for output in range(6)])
    errors = np.array(errors)
    best = errors.argmin(axis=0) if per_channel else np.full(6, errors.sum(axis=1).argmin())
    np.testing.assert_allclose(found, fitting * FRACTIONS[best])
    assert (best > 0).any()


@pytest.mark.parametrize("limit", [1, 3, 7, 127])
@pytest.mark.parametrize("power_of_two", [True, False])
def test_operand_weights(limit, power_of_two):
    moments = np.array([[2.0, 0.3], [0.3, 1.0]])
    for scales in [(0.02, 0.02), (0.03, 0.0071), (1.0, 3.3), (0.5, 0.001)]:
        weights, unit, s_out = operand_weights(scales, moments, 0.013, limit, power_of_two)
        assert 1 <= weights.min() <= weights.max() <= limit
        if power_of_two:
            shift = np.log2(s_out / unit)
            assert shift >= 0
            assert shift == np.rint(shift)
            assert s_out >= 0.013 * (1 - 1e-6)
        else:
            assert s_out == 0.013
            relative = weights * unit / scales - 1

            def error(relative):
                return relative @ moments @ relative

            others = [
                np.array([a, b]) * unit / scales - 1
                for a, b in np.ndindex(limit + 1, limit + 1)
                if a and b
                for unit in (scales[0] / a, scales[1] / b)
            ]
            assert error(relative) <= min(map(error, others)) + 1e-12


def test_operands_of_one_scale_are_exact():
    weights, unit, _ = operand_weights((0.02, 0.08), np.eye(2), 0.1, 7, power_of_two=True)
    assert weights[1] == 4 * weights[0]
    assert unit * weights[0] == pytest.approx(0.02)
    assert operand_weights((0.02, 0.08), np.eye(2), None, 7, power_of_two=True)[2] is None


def test_multiplier_and_shift():
    ratio = np.array([1.0, 0.3, 1e-6, 17.2])
    m, s = multiplier_and_shift(ratio, power_of_two=False)
    assert ((m >= 2**15) & (m < 2**16)).all()
    np.testing.assert_allclose(m * 2.0**-s, ratio, rtol=2**-15)
    m, s = multiplier_and_shift(np.array([1.0, 0.25]), power_of_two=True)
    assert m.tolist() == [1, 1]
    assert s.tolist() == [0, 2]
