"""sw/quantization/post_training.py: scales that fit together exactly, and small errors."""

import dataclasses
import json

import numpy as np
import pytest
from quantized_models import IMAGES, cnn, small_mlp

from sw import golden, mnist, network_file
from sw.architecture import Architecture
from sw.data_record import DataRecord
from sw.errors import InputError
from sw.fixed import Format, weight_limit
from sw.nn.layers import Add, AvgPool, Conv2d, Dense, Flatten, GlobalAvgPool, MaxPool, ReLU, Sequential
from sw.quantization.post_training import quantize, quantize_model, scaled_stages
from sw.quantization.settings import Settings
from sw.recipe import Recipe
from sw.train import TrainedModel, as_input

DIGITS = mnist.load().train_images[:150]


def run(net, settings, images=IMAGES):
    return quantize_model(net, images, settings, name="test")


def errors(net, settings, images=IMAGES):
    """Greatest error of the logits in real units, over the greatest logit."""
    unit = scaled_stages(net, images, settings)[-1].unit
    exact = net(as_input(images)).data
    return float(np.abs(golden.infer(run(net, settings, images), images).logits * unit - exact).max() / exact.max())


ALL = [
    Settings(scales=scales, per_channel=per_channel, weight_bits=bits)
    for scales in ("power-of-two", "multiplier")
    for per_channel in (True, False)
    for bits in (8, 5, 2)
]
COARSE = [
    dataclasses.replace(settings, weights=weights)
    for settings in ALL
    if settings.weight_bits == 2
    for weights in ("ternary", "binary")
]


@pytest.mark.parametrize("settings", ALL + COARSE)
def test_scales_fit_together(settings):
    network = run(small_mlp(), settings)
    s_in = network.input.scale
    for layer in network.layers[:-1]:
        m, s = layer.requantize.multiplier, layer.requantize.shift
        ratio = s_in * layer.weight_scale / layer.requantize.scale
        if settings.scales == "power-of-two":
            assert (m == 1).all()
            np.testing.assert_allclose(ratio * 2.0**s, 1, rtol=1e-14)
        else:
            assert (m >= 2**15).all()
            np.testing.assert_allclose(ratio * 2.0**s, m, rtol=2**-15)
        if settings.weights == "integer":
            assert settings.per_channel == (len(set(layer.weight_scale.tolist())) > 1)
        s_in = layer.requantize.scale
    assert len(set(network.layers[-1].weight_scale.tolist())) == 1


@pytest.mark.parametrize("settings", ALL + COARSE)
def test_every_kind_of_layer_fits_together(settings):
    """The scales of all operands bring the result's scale out of accumulator · m · 2^-s."""
    network = run(cnn(), settings, DIGITS)
    scales, shapes = {-1: network.input.scale}, {-1: network.input.shape}
    for index, (layer, reads, shape) in enumerate(zip(network.layers, network.operands, network.shapes, strict=True)):
        s_in, scale, shapes[index] = scales[reads[0]], layer.requantize, shape
        if layer.kind == "maxpool" or scale is None:
            scales[index] = s_in
            continue
        scales[index] = scale.scale
        ratio = scale.scale * scale.multiplier * 2.0**-scale.shift  # real value of a unit of the accumulator
        if settings.scales == "power-of-two":
            assert (scale.multiplier == 1).all()
        exact = 1e-12 if settings.scales == "power-of-two" else 2**-15
        if layer.kind == "avgpool":
            np.testing.assert_allclose(ratio * np.prod(layer.window(shapes[reads[0]])), s_in, rtol=exact)
        elif layer.kind == "add":
            coarse = settings.weight_bits < 8  # then the ratio of the operands' scales is a power of two
            accuracy = exact if coarse else 0.02
            np.testing.assert_allclose(ratio * layer.weight[0], s_in, rtol=accuracy)
            np.testing.assert_allclose(ratio * layer.weight[1], scales[reads[1]], rtol=accuracy)
            assert layer.weight_bits == settings.weight_bits
        else:
            np.testing.assert_allclose(ratio, s_in * layer.weight_scale, rtol=exact)


@pytest.mark.parametrize("settings", ALL)
def test_weights_use_their_range(settings):
    limit = weight_limit(settings.weight_bits)
    for layer in run(small_mlp(), settings).layers:
        peaks = np.abs(layer.weight).max(axis=1)
        used = peaks if settings.per_channel and layer.requantize else peaks.max()
        assert (used >= limit // 2 + 1).all()
        assert (peaks <= limit).all()


@pytest.mark.parametrize("settings", COARSE)
def test_ternary_and_binary_weights(settings):
    allowed = {"ternary": {-1, 0, 1}, "binary": {-1, 1}}[settings.weights]
    for layer in run(cnn(), settings, DIGITS).layers:
        if layer.kind in ("dense", "conv2d"):
            assert layer.weight_bits == 2
            assert set(np.unique(layer.weight).tolist()) == allowed


def test_mixed_precision():
    settings = Settings(weight_bits=(8, 2, 4), activation_bits=(6, 3), weights="binary")
    first, second, last = run(small_mlp(), settings).layers
    assert (first.weight_bits, second.weight_bits, last.weight_bits) == (8, 2, 4)
    assert (first.requantize.form.bits, second.requantize.form.bits) == (6, 3)
    assert np.abs(first.weight).max() > 1
    assert set(np.unique(second.weight)) == {-1, 1}
    for wrong, message in [
        ({"weight_bits": (8, 2)}, r"weight_bits has 2 entries, but 3 layers take one: layer 1 \(Dense 20→12\), "),
        ({"activation_bits": (8, 8, 8)}, "activation_bits has 3 entries, but 2 layers take one"),
    ]:
        with pytest.raises(InputError, match=message):
            run(small_mlp(), Settings(**wrong))


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(("scales", "bound"), [("power-of-two", 0.04), ("multiplier", 0.03)])
def test_eight_bits_stay_close_to_the_float_model(scales, per_channel, relu, bound):
    assert errors(small_mlp(relu=relu), Settings(scales=scales, per_channel=per_channel)) < bound


@pytest.mark.parametrize("calibration", ["max", "mse"])
@pytest.mark.parametrize("scales", ["power-of-two", "multiplier"])
def test_eight_bits_stay_close_for_every_kind_of_layer(scales, calibration):
    assert errors(cnn(), Settings(scales=scales, calibration=calibration), DIGITS) < 0.05


def test_more_bits_are_better():
    by_bits = [errors(small_mlp(), Settings(weight_bits=bits)) for bits in (2, 4, 8)]
    assert by_bits == sorted(by_bits, reverse=True)
    by_bits = [errors(small_mlp(), Settings(activation_bits=bits)) for bits in (2, 4, 6, 8)]
    assert by_bits == sorted(by_bits, reverse=True)


@pytest.mark.parametrize("settings", [Settings(weight_bits=2), Settings(weight_bits=2, weights="binary")])
def test_bias_makes_up_for_the_mean_error_of_coarse_weights(settings):
    net = small_mlp()
    logits = golden.infer(run(net, settings), IMAGES).logits * scaled_stages(net, IMAGES, settings)[-1].unit
    error = logits - net(as_input(IMAGES)).data
    assert np.abs(error).max() > 0.1
    assert (np.abs(error.mean(axis=0)) < scaled_stages(net, IMAGES, settings)[-1].unit).all()


def test_layers_without_relu_are_signed():
    forms = [layer.requantize.form for layer in run(small_mlp(relu=False), Settings(activation_bits=6)).layers[:-1]]
    assert forms == [Format(6, signed=True), Format(6, signed=False)]
    generator = np.random.default_rng(0)
    last = (GlobalAvgPool(), Dense(1, 3, generator))
    conv = Conv2d(1, 1, 3, generator, padding=1)
    signed = {
        "pixels": ((AvgPool(2),), [False]),
        "conv": ((conv, AvgPool(2)), [True, True]),
        "conv with relu": ((conv, ReLU(), MaxPool(2), AvgPool(2)), [False, False, False]),
        "sum": ((Add(conv),), [True, True]),
        "sum with relu": ((Add(conv), ReLU()), [True, False]),
        "sum of what is not negative": ((Add(Sequential(conv, ReLU())),), [False, False]),
    }
    for layers, expected in signed.values():
        formats = run(Sequential(*layers, *last), Settings()).formats[:-2]
        assert [form.signed for form in formats] == expected


@pytest.mark.parametrize("relu", [True, False])
def test_calibration_maximum_becomes_the_greatest_integer(relu):
    net = small_mlp(relu=relu)
    network = run(net, Settings())
    activation = Sequential(*net.layers[: 3 if relu else 2])(as_input(IMAGES)).data
    form = network.layers[0].requantize.form
    np.testing.assert_allclose(network.layers[0].requantize.scale * form.high, np.abs(activation).max())


@pytest.mark.parametrize("calibration", ["percentile", "mse"])
def test_other_calibrations_take_a_smaller_scale(calibration):
    settings = Settings(calibration=calibration, percentile=95.0, activation_bits=3)
    smaller, greatest = (
        run(small_mlp(), choice).layers[0].requantize.scale for choice in (settings, Settings(activation_bits=3))
    )
    assert smaller < greatest


def test_scales_are_calibrated_on_the_images_given():
    dark = run(small_mlp(), Settings(), IMAGES // 8).layers[0].requantize.scale
    assert dark < run(small_mlp(), Settings()).layers[0].requantize.scale


@pytest.mark.parametrize("settings", [Settings(calibration="mse"), Settings(weight_bits=2, weights="ternary")])
def test_dead_channel_and_dead_layer(settings):
    net = small_mlp()
    net.layers[1].weight.data[:, 2] = 0
    net.layers[3].weight.data[:] = 0
    net.layers[3].bias.data[:] = -1
    network = run(net, settings)
    assert (network.layers[0].weight[2] == 0).all()
    assert (golden.infer(network, IMAGES).taps[1] == 0).all()


def test_black_calibration_images():
    network = run(cnn(), Settings(calibration="mse"), DIGITS[:5] * 0)
    assert len(network.layers) == 12


def test_last_layers_that_only_add_up():
    generator = np.random.default_rng(0)
    for last in (
        (Conv2d(1, 3, 3, generator), GlobalAvgPool()),
        (Flatten(), Dense(20, 3, generator), Add(Dense(3, 3, generator))),
    ):
        assert errors(Sequential(*last), Settings()) < 0.03


def test_same_model_gives_the_same_network():
    digests = [network_file.digest(run(cnn(), Settings(calibration="mse"), DIGITS)) for _ in range(2)]
    assert digests[0] == digests[1]


def test_notes_tell_where_the_network_comes_from():
    recipe = Recipe(seed=5)
    architecture, data = Architecture("mlp", ()), DataRecord("noise", "0" * 64, (4, 5, 1), 5, None)
    trained = TrainedModel(architecture, recipe, data, small_mlp(), [], 0.875)
    network = quantize(trained, IMAGES, Settings(weight_bits=(6, 5, 4)))
    notes = json.loads(json.dumps(network.notes))
    assert notes["float_accuracy"] == 0.875
    assert notes["seed"] == 5
    assert notes["recipe"] == recipe.to_dict()
    assert notes["quantization"]["weight_bits"] == [6, 5, 4]
    assert notes["quantization"]["calibration_images"] == 300
    assert (network.name, network.data) == ("mlp", data)
    other = dataclasses.replace(data, name="silence")
    assert quantize(trained, IMAGES, Settings(), other).data == other


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES[:0], r"n at least 1, not uint8 \(0, 4, 5, 1\)"),
        (IMAGES / 255, "must be uint8 .* not float64"),
        (IMAGES[..., 0], r"not uint8 \(300, 4, 5\)"),
    ],
)
def test_refuses_images(images, message):
    with pytest.raises(InputError, match=message):
        run(small_mlp(), Settings(), images)
