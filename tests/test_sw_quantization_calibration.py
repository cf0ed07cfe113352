"""sw/quantization/calibration.py: the statistics are those of the float model, computed the plain way."""

import numpy as np
import pytest
from quantized_models import cnn

from sw import mnist
from sw.fixed import Format
from sw.nn.layers import Conv2d, Dense, Flatten, GlobalAvgPool, ReLU, Sequential
from sw.nn.tensor import Tensor
from sw.quantization import calibration
from sw.quantization.calibration import Statistics, calibrate
from sw.quantization.settings import Settings
from sw.quantization.stages import read_stages
from sw.train import as_input

DIGITS = mnist.load().train_images[:250]
SMALL = np.random.default_rng(0).integers(0, 256, (7, 5, 6, 4), dtype=np.uint8)


def statistics_of(*layers, images=SMALL):
    model = Sequential(*layers)
    return calibrate(read_stages(model, images.shape[1:]), images, 1 / 255)


def im2col(x, size, stride, padding):
    """By loops: (positions, size, size, channels)."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = ((length - size) // stride + 1 for length in x.shape[1:3])
    places = [(i, y * stride, z * stride) for i, y, z in np.ndindex(len(x), rows, columns)]
    return np.array([x[i, y : y + size, z : z + size] for i, y, z in places])


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2}, {"padding": 1}, {"groups": 2}, {"groups": 4, "stride": 2, "padding": 2}]
)
def test_moments_of_convolution(options):
    conv = Conv2d(4, 8, 3, np.random.default_rng(1), **options)
    found = statistics_of(conv, ReLU(), GlobalAvgPool(), Dense(8, 3, np.random.default_rng(1)))[0].moments
    x = im2col(SMALL / 255, 3, options.get("stride", 1), options.get("padding", 0))
    groups = options.get("groups", 1)
    for group, part in enumerate(np.split(x, groups, axis=3)):
        flat = part.reshape(len(x), -1)
        np.testing.assert_allclose(found[group], flat.T @ flat / len(flat), rtol=1e-5)


def test_statistics_of_dense():
    dense = Dense(120, 8, np.random.default_rng(1))
    found, _ = statistics_of(Flatten(), dense, ReLU(), Dense(8, 3, np.random.default_rng(1)))
    x = SMALL.reshape(7, -1) / 255
    sums = x @ dense.weight.data
    np.testing.assert_allclose(found.moments[0], x.T @ x / 7, rtol=1e-5)
    np.testing.assert_allclose(found.mean, sums.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(np.sort(found.results), np.sort(np.maximum(sums, 0).ravel()), rtol=1e-4)
    assert found.peak == found.results.max()


def test_samples_stand_for_all(monkeypatch):
    whole = statistics_of(*cnn().layers, images=DIGITS)
    monkeypatch.setattr(calibration, "POSITIONS", 5000)
    monkeypatch.setattr(calibration, "VALUES", 5000)
    parts, again = (statistics_of(*cnn().layers, images=DIGITS) for _ in range(2))
    for all_of_it, part, same in zip(whole, parts, again, strict=True):
        assert part.results.size <= 5000
        np.testing.assert_array_equal(part.results, same.results)
        assert part.peak == all_of_it.peak
        np.testing.assert_array_equal(part.mean, all_of_it.mean)
        if part.moments is not None:
            np.testing.assert_array_equal(part.moments, same.moments)
            assert np.linalg.norm(part.moments - all_of_it.moments) < 0.1 * np.linalg.norm(all_of_it.moments)


def test_mean_is_that_of_the_model():
    model = cnn()
    mean = statistics_of(*model.layers, images=DIGITS)[-1].mean
    np.testing.assert_allclose(mean, model(as_input(DIGITS)).data.mean(axis=0), rtol=1e-4)
    assert isinstance(model(Tensor(DIGITS[:1] / 255)), Tensor)


def greatest(results, calibration, bits=8, signed=False, percentile=50):
    results = np.asarray(results, np.float32)
    statistics = Statistics(results, float(np.abs(results).max()), results[:1], None)
    return statistics.greatest(Format(bits, signed), Settings(calibration=calibration, percentile=percentile))


def test_greatest():
    assert greatest([0, 1, 2, -9], "max") == 9
    assert greatest([0, 1, 2, -9], "percentile") == 1.5
    assert greatest([0, 0, 0, 4], "percentile") == 4  # at 0 nothing would be left
    assert [greatest([0, 0], way) for way in ("max", "percentile", "mse")] == [1, 1, 1]


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_mse_is_the_least_error(bits, signed):
    values = np.random.default_rng(0).standard_t(3, 3000).astype(np.float32)
    values = values if signed else np.maximum(values, 0)
    form = Format(bits, signed)

    def error(limit):
        scale = limit / form.high
        return np.mean((np.clip(np.floor(values / scale + 0.5), form.low, form.high) * scale - values) ** 2)

    found = greatest(values, "mse", bits, signed)
    candidates = np.abs(values).max() * np.linspace(0.02, 1, 500)
    assert error(found) <= 1.05 * min(map(error, candidates))
    assert bits == 8 or found < np.abs(values).max()
