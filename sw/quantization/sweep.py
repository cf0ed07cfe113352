"""Accuracy against bits: what each way of quantizing makes of a network, as plain values."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from sw import golden
from sw.evaluate import evaluate
from sw.fixed import signed_bits
from sw.network import Network
from sw.quantization.settings import Settings

Quantizer = Callable[[Settings], Network]
"""Makes a Network by these settings: by post-training quantization, or by training on."""


def sweep(
    quantizers: dict[str, Quantizer], settings: Iterable[Settings], images: np.ndarray, labels: np.ndarray
) -> Iterator[dict]:
    """One table for each of the settings and each method, in this order; each as soon as it is there.

    quantizers: the methods by name. images, labels: what accuracy and ranges are measured on.
    """
    for choice in settings:
        for method, quantizer in quantizers.items():
            yield measure(quantizer(choice), choice, method, images, labels)


def measure(network: Network, settings: Settings, method: str, images: np.ndarray, labels: np.ndarray) -> dict:
    """What there is to know about a quantized network, as JSON values.

    Keys: method, all settings, accuracy (0..1), layers: see `layer_table`.
    """
    accuracy = evaluate(network, images, labels).accuracy
    return {"method": method} | settings.to_dict() | {"accuracy": accuracy, "layers": layer_table(network, images)}


def layer_table(network: Network, images: np.ndarray) -> list[dict]:
    """For each layer what is proven, and what was measured on the images.

    Keys: layer, kind, weight_bits, activation_bits (null where there are none), saturated (share of the results that
    were clipped, but for negative sums that ReLU takes to 0), proven and measured (least and greatest accumulator),
    proven_bits and measured_bits (width of an accumulator for them; null where nothing is summed).
    """
    rows = []
    layers = zip(
        network.layers, network.formats, network.accumulator_ranges, golden.trace(network, images), strict=True
    )
    for index, (layer, form, bounds, seen) in enumerate(layers):
        proven = None if bounds is None else [int(bounds[0].min()), int(bounds[1].max())]
        measured = None if seen.low is None else [seen.low, seen.high]
        rows.append(
            {
                "layer": index,
                "kind": layer.kind,
                "weight_bits": layer.weight_bits,
                "activation_bits": None if form is None else form.bits,
                "saturated": seen.saturated / seen.outputs,
                "proven": proven,
                "measured": measured,
                "proven_bits": None if proven is None else signed_bits(*proven),
                "measured_bits": None if measured is None else signed_bits(*measured),
            }
        )
    return rows
