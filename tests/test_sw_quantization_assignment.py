"""sw/quantization/assignment.py: the scales of a sum's operands, which coarse weights tie to each other."""

import numpy as np
import pytest

from sw import golden
from sw.nn.layers import Add, AvgPool, Conv2d, Dense, Flatten, MaxPool, ReLU, Sequential
from sw.quantization.post_training import scaled_stages, to_network
from sw.quantization.settings import Settings
from sw.train import as_input

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), dtype=np.uint8)


def conv(inputs, outputs=4, size=3, gain=1.0, **options):
    layer = Conv2d(inputs, outputs, size, np.random.default_rng(inputs + size), **options)
    layer.weight.data *= np.float32(gain)
    return layer


def same(gain):
    return conv(4, padding=1, gain=gain)


STARTS = {
    "conv": (conv(1),),
    "relu": (conv(1), ReLU()),
    "max pooling": (conv(1), ReLU(), MaxPool(2)),
    "mean": (conv(1), AvgPool(3, stride=1)),
    "sum": (conv(1), Add(same(0.3)), ReLU()),
}


def model(start, gain):
    after = () if start == "max pooling" else (MaxPool(2),)
    first = Sequential(*STARTS[start])
    layers = (first, Add(Sequential(same(gain), ReLU(), same(1.0))), ReLU(), *after)
    outputs = first(as_input(IMAGES)).shape[1] // (2 if after else 1)
    return Sequential(*layers, Flatten(), Dense(4 * outputs**2, 3, np.random.default_rng(0)))


def residual(stages):
    """The last sum, its operands' scales, and its result's."""
    found = [stage for stage in stages if stage.stage.kind == "add"][-1]
    scales = {-1: 1 / 255} | {index: stage.scale for index, stage in enumerate(stages)}
    return found, [scales[source] for source in found.stage.sources]


@pytest.mark.parametrize("weights", ["integer", "ternary"])
@pytest.mark.parametrize("scales", ["power-of-two", "multiplier"])
@pytest.mark.parametrize("gain", [0.05, 0.6, 7.0])
@pytest.mark.parametrize("start", STARTS)
def test_with_two_bits_both_operands_have_one_scale(start, gain, scales, weights):
    stages = scaled_stages(model(start, gain), IMAGES, Settings(weight_bits=2, scales=scales, weights=weights))
    add, operands = residual(stages)
    assert add.operands.tolist() == [1, 1]
    assert operands[0] == pytest.approx(operands[1], rel=1e-12)
    assert add.unit[0] == pytest.approx(operands[0], rel=1e-12)
    assert add.weight_bits == 2


@pytest.mark.parametrize("scales", ["power-of-two", "multiplier"])
@pytest.mark.parametrize("gain", [0.05, 0.6, 7.0])
def test_with_four_bits_the_ratio_is_a_power_of_two(gain, scales):
    add, operands = residual(scaled_stages(model("conv", gain), IMAGES, Settings(weight_bits=4, scales=scales)))
    a, b = add.operands
    np.testing.assert_allclose(operands, add.unit[0] * add.operands, rtol=1e-12)
    assert np.log2(a / b) == np.rint(np.log2(a / b))


@pytest.mark.parametrize(
    "settings", [Settings(), Settings(weight_bits=4, activation_bits=4), Settings(weight_bits=(2, 8, 2, 2))]
)
def test_with_enough_bits_scales_are_free(settings):
    stages = scaled_stages(model("conv", 0.6), IMAGES, settings)
    add, _ = residual(stages)
    images = as_input(IMAGES)
    first = STARTS["conv"][0](images).data
    assert stages[0].scale == pytest.approx(np.abs(first).max() / stages[0].requantize.form.high)
    assert add.weight_bits == max(np.atleast_1d(settings.weight_bits))


def test_the_input_may_be_an_operand():
    net = Sequential(Add(conv(1, 1, padding=1)), Flatten(), Dense(64, 3, np.random.default_rng(0)))
    for scales in ("power-of-two", "multiplier"):
        add, operands = residual(scaled_stages(net, IMAGES, Settings(weight_bits=2, scales=scales)))
        np.testing.assert_allclose(operands, add.unit[0], rtol=1e-12)


@pytest.mark.parametrize("window", [(2, 2), (3, 1), (8, 8)])
@pytest.mark.parametrize("relu", [True, False])
def test_means_divide_by_their_window_with_a_shift(window, relu):
    layers = (conv(1, padding=1), *([ReLU()] if relu else []), AvgPool(window[0], stride=window[1]), Flatten())
    size = (8 - window[0]) // window[1] + 1
    net = Sequential(*layers, Dense(4 * size**2, 3, np.random.default_rng(0)))
    stages = scaled_stages(net, IMAGES, Settings())
    mean = stages[1]
    assert (mean.requantize.multiplier == 1).all()
    np.testing.assert_allclose(mean.scale * 2.0**-mean.requantize.shift, stages[0].scale / window[0] ** 2, rtol=1e-12)
    exact = Sequential(*layers[:-1])(as_input(IMAGES)).data
    tap = golden.infer(to_network(stages, (8, 8, 1), "a", None), IMAGES).taps[1]
    assert np.abs(tap * mean.scale - exact).max() < mean.scale + stages[0].scale
