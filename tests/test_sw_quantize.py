"""sw/quantize.py: scales that fit together exactly, small errors, and a message for each refusal."""

import json

import numpy as np
import pytest

from sw import golden, network_file
from sw.errors import InputError
from sw.fixed import Format, weight_limit
from sw.nn.layers import Dense, Flatten, ReLU, Sequential
from sw.quantize import Settings, quantize, quantize_model
from sw.recipe import Recipe
from sw.train import TrainedModel, as_input

SHAPE = (4, 5, 1)
IMAGES = np.random.default_rng(0).integers(0, 256, (300, *SHAPE), dtype=np.uint8)


def model(seed=1, relu=True):
    generator = np.random.default_rng(seed)
    first, second, last = Dense(20, 12, generator), Dense(12, 8, generator), Dense(8, 5, generator)
    for layer in (first, second, last):
        layer.bias.data = generator.normal(0, 0.3, layer.bias.shape).astype(np.float32)
    first.weight.data[:, 3] *= 0.05  # a channel that gains from a scale of its own
    middle = (ReLU(),) if relu else ()
    return Sequential(Flatten(), first, *middle, second, ReLU(), last)


def run(net, settings, images=IMAGES):
    return quantize_model(net, images, settings, name="test")


def errors(net, settings):
    """Greatest error of the logits in real units, over the greatest logit."""
    network = run(net, settings)
    last = network.layers[-1]
    unit = last.weight_scale * network.layers[-2].requantize.scale
    exact = net(as_input(IMAGES)).data
    return float(np.abs(golden.infer(network, IMAGES).logits * unit - exact).max() / np.abs(exact).max())


ALL = [
    Settings(scales=scales, per_channel=per_channel, weight_bits=bits)
    for scales in ("power-of-two", "multiplier")
    for per_channel in (True, False)
    for bits in (8, 5, 2)
]


@pytest.mark.parametrize("settings", ALL)
def test_scales_fit_together(settings):
    network = run(model(), settings)
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
        assert settings.per_channel == (len(set(layer.weight_scale.tolist())) > 1)
        s_in = layer.requantize.scale
    assert len(set(network.layers[-1].weight_scale.tolist())) == 1


@pytest.mark.parametrize("settings", ALL)
def test_weights_use_their_range(settings):
    limit = weight_limit(settings.weight_bits)
    for layer in run(model(), settings).layers:
        peaks = np.abs(layer.weight).max(axis=1)
        used = peaks if settings.per_channel and layer.requantize else peaks.max()
        assert (used >= limit // 2 + 1).all()
        assert (peaks <= limit).all()


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(("scales", "bound"), [("power-of-two", 0.04), ("multiplier", 0.03)])
def test_eight_bits_stay_close_to_the_float_model(scales, per_channel, relu, bound):
    assert errors(model(relu=relu), Settings(scales=scales, per_channel=per_channel)) < bound


def test_more_bits_are_better():
    by_bits = [errors(model(), Settings(weight_bits=bits)) for bits in (2, 4, 8)]
    assert by_bits == sorted(by_bits, reverse=True)
    by_bits = [errors(model(), Settings(activation_bits=bits)) for bits in (4, 6, 8)]
    assert by_bits == sorted(by_bits, reverse=True)


def test_bias_makes_up_for_the_mean_error_of_coarse_weights():
    net = Sequential(Flatten(), model().layers[1])
    layer = (network := run(net, Settings(weight_bits=2))).layers[0]
    unit = layer.weight_scale * network.input.scale
    error = golden.infer(network, IMAGES).logits * unit - net(as_input(IMAGES)).data
    assert np.abs(error).max() > 0.1
    assert (np.abs(error.mean(axis=0)) < unit).all()


def test_layers_without_relu_are_signed():
    forms = [layer.requantize.form for layer in run(model(relu=False), Settings(activation_bits=6)).layers[:-1]]
    assert forms == [Format(6, signed=True), Format(6, signed=False)]


@pytest.mark.parametrize("relu", [True, False])
def test_calibration_maximum_becomes_the_greatest_integer(relu):
    net = model(relu=relu)
    network = run(net, Settings())
    activation = Sequential(*net.layers[: 3 if relu else 2])(as_input(IMAGES)).data
    form = network.layers[0].requantize.form
    np.testing.assert_allclose(network.layers[0].requantize.scale * form.high, np.abs(activation).max())


def test_percentile_takes_a_smaller_scale():
    by_maximum, by_percentile = (
        run(model(), Settings(calibration=how, percentile=95.0)).layers[0].requantize.scale
        for how in ("max", "percentile")
    )
    assert by_percentile < by_maximum


def test_scales_are_calibrated_on_the_images_given():
    dark = run(model(), Settings(), IMAGES // 8).layers[0].requantize.scale
    assert dark < run(model(), Settings()).layers[0].requantize.scale


def test_dead_channel_and_dead_layer():
    net = model()
    net.layers[1].weight.data[:, 2] = 0
    net.layers[3].weight.data[:] = 0
    net.layers[3].bias.data[:] = -1
    network = run(net, Settings())
    assert (network.layers[0].weight[2] == 0).all()
    assert (golden.infer(network, IMAGES).taps[1] == 0).all()


def test_same_model_gives_the_same_network():
    assert network_file.digest(run(model(), Settings())) == network_file.digest(run(model(), Settings()))


def test_notes_tell_where_the_network_comes_from():
    recipe = Recipe(seed=5)
    trained = TrainedModel(recipe, model(), [], 0.875)
    network = quantize(trained, IMAGES, Settings(weight_bits=6))
    notes = json.loads(json.dumps(network.notes))
    assert notes["float_accuracy"] == 0.875
    assert notes["seed"] == 5
    assert notes["recipe"] == recipe.to_dict()
    assert notes["quantization"]["weight_bits"] == 6
    assert notes["quantization"]["calibration_images"] == 300
    assert network.name == "mlp"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight_bits": 1}, r"weight_bits must be an integer 2\.\.8, not 1"),
        ({"weight_bits": 8.0}, "weight_bits must be an integer"),
        ({"activation_bits": 3}, r"activation_bits must be an integer 4\.\.8, not 3"),
        ({"scales": "float"}, "scales must be one of power-of-two, multiplier, not 'float'"),
        ({"calibration": "mean"}, "calibration must be one of max, percentile, not 'mean'"),
        ({"per_channel": 1}, "per_channel must be true or false, not 1"),
        ({"percentile": 0}, "percentile must be above 0 and at most 100, not 0"),
        ({"percentile": "99"}, "percentile must be above 0 .*, not '99'"),
        ({"percentile": 100.5}, "percentile must be above 0 and at most 100, not 100.5"),
    ],
)
def test_refuses_settings(settings, message):
    with pytest.raises(InputError, match=message):
        Settings(**settings)


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
        run(model(), Settings(), images)


def test_refuses_models():
    generator = np.random.default_rng(0)
    dense = Dense(20, 5, generator)
    broken = Dense(20, 5, generator)
    broken.weight.data[0, 0] = np.nan
    for layers, message in [
        ((Flatten(),), "the last layer must be a Dense"),
        ((Flatten(), dense, ReLU()), "the last layer must be a Dense without ReLU"),
        ((Flatten(), ReLU(), dense), r"layer 1 \(ReLU\) cannot be quantized"),
        ((Flatten(), Sequential(), dense), r"layer 1 \(Sequential\) cannot be quantized"),
        ((Flatten(), broken), r"layer 1 \(Dense 20→5\) has weights that are not finite"),
    ]:
        with pytest.raises(InputError, match=message):
            run(Sequential(*layers), Settings())
