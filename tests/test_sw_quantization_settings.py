"""sw/quantization/settings.py: a message for each value out of range, and a round trip through JSON."""

import json

import pytest

from sw.errors import InputError
from sw.quantization.settings import Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight_bits": 1}, r"^weight_bits must be an integer 2\.\.8, not 1$"),
        ({"weight_bits": 8.0}, "weight_bits must be an integer"),
        ({"weight_bits": True}, "weight_bits must be an integer"),
        ({"weight_bits": [8, 9]}, r"each of weight_bits must be an integer 2\.\.8, not 9"),
        ({"activation_bits": 1}, r"activation_bits must be an integer 2\.\.8, not 1"),
        ({"activation_bits": "8"}, "activation_bits must be an integer .* not '8'"),
        ({"weights": "float"}, "weights must be one of integer, ternary, binary, not 'float'"),
        ({"weights": "ternary"}, "ternary weights need weight_bits 2, or a list with 2 .* not 8"),
        ({"weights": "binary", "weight_bits": [8, 3]}, r"binary weights need weight_bits 2, .* not \(8, 3\)"),
        ({"scales": "float"}, "scales must be one of power-of-two, multiplier, not 'float'"),
        ({"calibration": "mean"}, "calibration must be one of max, percentile, mse, not 'mean'"),
        ({"per_channel": 1}, "per_channel must be true or false, not 1"),
        ({"percentile": 0}, "percentile must be above 0 and at most 100, not 0"),
        ({"percentile": "99"}, "percentile must be above 0 .*, not '99'"),
        ({"percentile": 100.5}, "percentile must be above 0 and at most 100, not 100.5"),
        ({"bits": 8}, "the quantizer has no setting 'bits'; it has weight_bits, "),
    ],
)
def test_refuses_settings(settings, message):
    with pytest.raises(InputError, match=message):
        Settings.from_dict(settings)


def test_survives_json():
    settings = Settings(weight_bits=(8, 2), activation_bits=5, weights="ternary", scales="multiplier")
    values = json.loads(json.dumps(settings.to_dict()))
    assert values["weight_bits"] == [8, 2]
    assert Settings.from_dict(values) == settings
    assert Settings.from_dict({}) == Settings()


def test_bits_of_layers():
    settings = Settings(weight_bits=[8, 3], activation_bits=5)
    assert settings.bits_of("weight_bits", ["a", "b"]) == (8, 3)
    assert settings.bits_of("activation_bits", ["a", "b", "c"]) == (5, 5, 5)
    with pytest.raises(InputError, match="weight_bits has 2 entries, but 3 layers take one: a, b, c; must have 3"):
        settings.bits_of("weight_bits", ["a", "b", "c"])
