"""sw/quantization/sweep.py: the table says of each network what a count of its integers says."""

import json

import numpy as np
from quantized_models import cnn

from sw import golden, mnist
from sw.evaluate import evaluate
from sw.quantization.post_training import quantize_model
from sw.quantization.settings import Settings
from sw.quantization.sweep import sweep

DATA = mnist.load()
IMAGES, LABELS = DATA.test_images[:300], DATA.test_labels[:300]


def quantizer(calibration_images):
    return lambda settings: quantize_model(cnn(), DATA.train_images[:calibration_images], settings, "cnn")


def test_sweep():
    methods = {"few": quantizer(10), "many": quantizer(100)}
    choices = [Settings(), Settings(weight_bits=3, activation_bits=4, calibration="mse")]
    rows = list(sweep(methods, choices, IMAGES, LABELS))
    assert json.loads(json.dumps(rows)) == rows
    assert [(row["method"], row["weight_bits"], row["activation_bits"]) for row in rows] == [
        ("few", 8, 8),
        ("many", 8, 8),
        ("few", 3, 4),
        ("many", 3, 4),
    ]
    network = methods["many"](choices[1])
    assert rows[-1]["accuracy"] == evaluate(network, IMAGES, LABELS).accuracy
    assert rows[-1]["calibration"] == "mse"
    taps = golden.infer(network, IMAGES).taps
    for index, (layer, tap, row) in enumerate(zip(network.layers, taps, rows[-1]["layers"], strict=True)):
        assert (row["layer"], row["kind"], row["weight_bits"]) == (index, layer.kind, layer.weight_bits)
        if layer.kind == "maxpool":
            assert (row["proven"], row["measured"], row["proven_bits"], row["measured_bits"]) == (None,) * 4
            assert row["saturated"] == 0
            continue
        low, high = row["measured"]
        assert row["proven"][0] <= low <= high <= row["proven"][1]
        assert -(2 ** (row["measured_bits"] - 1)) <= low
        assert high < 2 ** (row["measured_bits"] - 1)
        assert row["proven_bits"] >= row["measured_bits"]
        if layer.requantize is not None:
            assert row["activation_bits"] == 4
            assert row["saturated"] <= np.isin(tap, (layer.requantize.form.low, layer.requantize.form.high)).mean()
    assert any(row["saturated"] > 0 for row in rows[-1]["layers"])
    last = rows[-1]["layers"][-1]
    assert last["measured"] == [taps[-1].min(), taps[-1].max()]
    assert (last["activation_bits"], last["saturated"]) == (None, 0)
