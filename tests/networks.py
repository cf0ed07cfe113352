"""Seeded random networks and images, for every test that needs one.

The same arguments give the same network. Shifts are chosen such that activations use their whole range,
with some channels that saturate and some that stay small.
"""

from itertools import pairwise

import numpy as np

from sw.fixed import Format, weight_limit
from sw.golden import dense
from sw.network import Dense, InputContract, Network, Requantize

WEIGHTS = ("uniform", "high", "low", "ends", "sparse")
"""Weights: any value, all the greatest, all the least, one of these two, mostly zero."""
BIASES = ("uniform", "high", "low", "zero")
"""Biases: any value within ±BIAS_LIMIT, all the greatest, all the least, none."""
BIAS_LIMIT = 1 << 16
CALIBRATION_IMAGES = 16


def random_network(
    seed: int,
    widths: list[int],
    *,
    weight_bits: int | list[int] = 8,
    activation_bits: int | list[int] = 8,
    signed: bool | None = False,
    multiplier: bool = False,
    weights: str = "uniform",
    biases: str = "uniform",
) -> Network:
    """A network of dense layers; widths are those of the input, the hidden layers and the logits.

    weight_bits, activation_bits: of all layers, or of each.
    signed: whether hidden activations are signed, that is, without ReLU; None decides for each layer by chance.
    multiplier: scale by multiplier and shift, else by shift alone.
    weights, biases: one of WEIGHTS and of BIASES.
    """
    rng = np.random.default_rng(seed)
    depth = len(widths) - 1
    weight_bits, activation_bits = _per_layer(weight_bits, depth), _per_layer(activation_bits, depth - 1)
    activation = rng.integers(0, 256, (CALIBRATION_IMAGES, widths[0]))
    layers = []
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        weight = random_weights(rng, (outputs, inputs), weight_bits[index], weights)
        layer = Dense(weight, random_biases(rng, outputs, biases), weight_bits[index], None)
        if index < depth - 1:
            is_signed = bool(rng.integers(2)) if signed is None else signed
            form = Format(activation_bits[index], is_signed)
            scale = _random_scale(rng, layer, activation, form, multiplier)
            layer = Dense(layer.weight, layer.bias, layer.weight_bits, scale)
            activation = dense(layer, activation)
        layers.append(layer)
    return Network(f"random {seed}", InputContract((1, widths[0], 1)), layers)


def random_weights(rng, shape, bits: int, kind: str) -> np.ndarray:
    """Weights of one of the kinds WEIGHTS."""
    limit = weight_limit(bits)
    if kind == "ends":
        return rng.choice([-limit, limit], shape)
    if kind == "sparse":
        return rng.integers(-limit, limit + 1, shape) * (rng.random(shape) < 0.1)
    low, high = {"uniform": (-limit, limit), "high": (limit, limit), "low": (-limit, -limit)}[kind]
    return rng.integers(low, high + 1, shape)


def random_biases(rng, outputs: int, kind: str) -> np.ndarray:
    """Biases of one of the kinds BIASES."""
    limit = BIAS_LIMIT
    low, high = {"uniform": (-limit, limit), "high": (limit, limit), "low": (-limit, -limit), "zero": (0, 0)}[kind]
    return rng.integers(low, high + 1, outputs)


def random_images(seed: int, network: Network, count: int) -> np.ndarray:
    """Images of noise, of black and white pixels, and of a single colour, black and white among them."""
    rng = np.random.default_rng(seed)
    shape = (count, network.input.size)
    kind = rng.integers(0, 4, (count, 1))
    noise, ends = rng.integers(0, 256, shape), rng.choice([0, 255], shape)
    plain = np.broadcast_to(rng.choice([0, 1, 128, 255], (count, 1)), shape)
    images = np.select([kind < 2, kind == 2], [noise, ends], plain)
    return images.reshape(count, *network.input.shape).astype(np.uint8)


def _random_scale(rng, layer: Dense, activation: np.ndarray, form: Format, multiplier: bool) -> Requantize:
    """Per channel about the scale that brings the greatest sum to the end of `form`, up to factors of two."""
    sums = np.abs(dense(layer, activation)).max(axis=0)
    shift = np.array([max(0, int(total).bit_length() - form.high.bit_length()) for total in sums])
    shift = np.maximum(0, shift + rng.integers(-1, 2, layer.outputs))
    if not multiplier:
        return Requantize(np.ones(layer.outputs, dtype=np.int64), shift, form)
    bits = rng.integers(1, 17, layer.outputs)
    return Requantize(rng.integers(1 << (bits - 1), 1 << bits), shift + bits, form)


def _per_layer(value, depth: int) -> list[int]:
    return [value] * depth if isinstance(value, int) else list(value)
