"""Seeded random networks and images, for every test that needs one.

The same arguments give the same network. Shifts are chosen such that activations use their whole range,
with some channels that saturate and some that stay small.
"""

from contextlib import suppress
from dataclasses import replace
from itertools import pairwise

import numpy as np

from sw.errors import InputError
from sw.fixed import Format, requantize, weight_limit
from sw.golden import accumulate, max_pool
from sw.network import Add, AvgPool, Conv2d, Dense, InputContract, MaxPool, Network, Requantize

WEIGHTS = ("uniform", "high", "low", "ends", "sparse")
"""Weights: any value, all the greatest, all the least, one of these two, mostly zero."""
BIASES = ("uniform", "high", "low", "zero")
"""Biases: any value within ±BIAS_LIMIT, all the greatest, all the least, none."""
BIAS_LIMIT = 1 << 16
STEPS = (
    "conv",
    "strided",
    "padded",
    "grouped",
    "depthwise",
    "maxpool",
    "overlapping",
    "avgpool",
    "residual",
    "projection",
)
"""What random_image_network puts together; see there."""
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
    activation = rng.integers(0, 256, (CALIBRATION_IMAGES, widths[0])).T[:, None, None]
    layers = []
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        weight = random_weights(rng, (outputs, inputs), weight_bits[index], weights)
        layer = Dense(weight, random_biases(rng, outputs, biases), weight_bits[index], None)
        if index < depth - 1:
            is_signed = bool(rng.integers(2)) if signed is None else signed
            form = Format(activation_bits[index], is_signed)
            layer, activation = _scaled(rng, layer, [activation], form, multiplier)
        layers.append(layer)
    return Network(f"random {seed}", InputContract((1, widths[0], 1)), layers)


def random_image_network(
    seed: int,
    steps: tuple[str, ...] | None = None,
    *,
    shape: tuple[int, int, int] = (9, 8, 2),
    last: str = "dense",
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    signed: bool | None = None,
    multiplier: bool | None = None,
    weights: str | None = None,
) -> Network:
    """A network on images of `shape` of these steps, of 3 to 5 by chance where they are None.

    conv, strided, padded, grouped, depthwise: a convolution; maxpool, overlapping, avgpool: a pool, the second with
    windows that overlap; residual: a convolution and the sum of its input and output; projection: the sum of two
    convolutions of stride 2. Only where it is asked for: large, a max pool of 4x4; groups, many in one tile. A step
    that its image is too small for is left out.

    last: "dense", "pooled" (mean over the image, then dense), "avgpool" (the sum over the image is the logit).
    weight_bits, activation_bits, signed, multiplier, weights: as for random_network; None decides for each layer.
    2-bit weights of the kind "ends" are binary, the others ternary.
    """
    rng = np.random.default_rng(seed)
    growing = _Growing(rng, shape, weight_bits, activation_bits, signed, multiplier, weights)
    if steps is None:
        steps = rng.choice(STEPS, rng.integers(3, 6))
    for step in steps:
        with suppress(InputError):
            getattr(growing, step)()
    if last == "avgpool":
        return growing.network(seed, AvgPool(None))
    if last == "pooled":
        growing.append(AvgPool(None))
    return growing.network(seed, growing.dense(int(rng.integers(2, 7))))


def grouped_network(outputs: int, groups: int) -> Network:
    """A grouped convolution between two layers; no weight is zero, so that each step's reads matter."""
    rng = np.random.default_rng(outputs)

    def layer(kind, *shape: int, **fields):
        zeros = np.zeros(shape[0], dtype=np.int64)
        if kind is Conv2d:
            fields["requantize"] = Requantize(zeros + 1, zeros + 8, Format(8, signed=False))
        return kind(random_weights(rng, shape, 8, "ends"), zeros, 8, **fields)

    layers = (
        layer(Conv2d, 2 * groups, 2, 2, 1),
        layer(Conv2d, outputs, 2, 3, 2, groups=groups),
        layer(Dense, 3, 2 * outputs, requantize=None),
    )
    return Network("grouped", InputContract((3, 5, 1)), layers)


def random_conv_network(seed: int, macs: int | None = None) -> Network:
    """Two convolutions with kernels 1..7, strides, paddings, up to 20 channels and groups, and a dense layer.

    macs: multiply-accumulates at most; networks of more are drawn again.
    """
    rng = np.random.default_rng(seed)
    while True:
        shape = (*rng.integers(7, 13, 2).tolist(), int(rng.choice([1, 3])))
        growing = _Growing(rng, shape, 8, 8, None, None, "uniform")
        while len(growing.layers) < 2:
            groups = int(rng.choice([1, 1, 2, growing.channels])) if growing.layers else 1
            groups = groups if growing.channels % groups == 0 else 1
            fields = {"stride": int(rng.integers(1, 3)), "padding": int(rng.integers(0, 4)), "groups": groups}
            with suppress(InputError):
                growing.conv2d(
                    groups * int(rng.integers(1, 20 // groups + 1)), tuple(rng.integers(1, 8, 2).tolist()), **fields
                )
        network = growing.network(seed, growing.dense(5))
        if macs is None or network.macs <= macs:
            return network


class _Growing:
    """Layers as they come, and what they put out for some images of noise: (channels, height, width, images)."""

    def __init__(self, rng, shape, weight_bits, activation_bits, signed, multiplier, weights):
        self.rng, self.shape, self.layers = rng, shape, []
        self.outputs = {-1: rng.integers(0, 256, (shape[2], *shape[:2], CALIBRATION_IMAGES))}
        self.choices = {
            "weight_bits": weight_bits or range(2, 9),
            "activation_bits": activation_bits or range(2, 9),
            "signed": (False, True) if signed is None else signed,
            "multiplier": (False, True) if multiplier is None else multiplier,
            "weights": weights or WEIGHTS,
        }

    def choose(self, name: str):
        choice = self.choices[name]
        return choice if isinstance(choice, int | str) else choice[self.rng.integers(len(choice))]

    @property
    def index(self) -> int:
        return len(self.layers) - 1

    @property
    def channels(self) -> int:
        return len(self.outputs[self.index])

    def append(self, layer) -> None:
        reads = [self.index if read is None else read for read in layer.reads]
        operands = [self.outputs[read] for read in reads]
        shapes = [(*operand.shape[1:3], len(operand)) for operand in operands]
        layer.output_shape(*shapes)
        if layer.sums:
            form = Format(self.choose("activation_bits"), self.choose("signed"))
            layer, output = _scaled(self.rng, layer, operands, form, self.choose("multiplier"))
        else:
            output = max_pool(layer, *operands)
        self.layers.append(layer)
        self.outputs[self.index] = output

    def weighted(self, kind, shape, **fields):
        bits = self.choose("weight_bits")
        weight = random_weights(self.rng, shape, bits, self.choose("weights"))
        bias = self.rng.integers(-16, 17, shape[0]) * weight_limit(bits)
        return kind(weight, bias, bits, None, **fields)

    def dense(self, outputs: int) -> Dense:
        return self.weighted(Dense, (outputs, self.outputs[self.index][..., 0].size))

    def conv2d(self, outputs: int, kernel: tuple[int, int], **fields) -> None:
        source = self.outputs[fields.get("source", self.index)]
        self.append(self.weighted(Conv2d, (outputs, *kernel, len(source) // fields.get("groups", 1)), **fields))

    def conv(self) -> None:
        self.conv2d(int(self.rng.integers(1, 7)), tuple(self.rng.integers(1, 4, 2).tolist()))

    def strided(self) -> None:
        self.conv2d(int(self.rng.integers(1, 7)), (3, 2), stride=int(self.rng.integers(2, 4)))

    def padded(self) -> None:
        padding = int(self.rng.integers(1, 3))
        self.conv2d(int(self.rng.integers(1, 7)), (3, 3), stride=int(self.rng.integers(1, 3)), padding=padding)

    def grouped(self) -> None:
        self.conv2d(4, (1, 1))
        self.conv2d(6, (2, 3), groups=2)

    def groups(self) -> None:
        self.conv2d(12, (1, 1))
        self.conv2d(4, (2, 2), groups=4)

    def depthwise(self) -> None:
        self.conv2d(self.channels, (3, 3), padding=1, groups=self.channels)

    def maxpool(self) -> None:
        self.append(MaxPool(2))

    def overlapping(self) -> None:
        self.append(MaxPool(3, 2))

    def large(self) -> None:
        self.append(MaxPool(4))

    def avgpool(self) -> None:
        self.append(AvgPool(2))

    def residual(self) -> None:
        start = self.index
        self.conv2d(self.channels, (3, 3), padding=1)
        self.append(self.add(start))

    def projection(self) -> None:
        start, outputs = self.index, int(self.rng.integers(1, 7))
        self.conv2d(outputs, (3, 3), stride=2, padding=1)
        branch = self.index
        self.conv2d(outputs, (1, 1), stride=2, source=start)
        self.append(self.add(branch))

    def add(self, other: int) -> Add:
        bits = self.choose("weight_bits")
        return Add(other, self.rng.integers(1, weight_limit(bits) + 1, 2), bits, None)

    def network(self, seed: int, last) -> Network:
        return Network(f"random {seed}", InputContract(self.shape), (*self.layers, last))


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


def _scaled(rng, layer, operands: list[np.ndarray], form: Format, multiplier: bool):
    """The layer with a scale for each channel, about the one that brings the greatest sum to the end of `form`, up
    to factors of two; and its activations. All arrays are (channels, height, width, images)."""
    sums = accumulate(layer, operands, np.float64).astype(np.int64)
    channels = len(sums)
    greatest = np.abs(sums).reshape(channels, -1).max(axis=1)
    shift = np.array([max(0, int(total).bit_length() - form.high.bit_length()) for total in greatest])
    shift = np.maximum(0, shift + rng.integers(-1, 2, channels))
    factor = np.ones(channels, dtype=np.int64)
    if multiplier:
        bits = rng.integers(1, 17, channels)
        factor, shift = rng.integers(1 << (bits - 1), 1 << bits), shift + bits
    layer = replace(layer, requantize=Requantize(factor, shift, form))
    return layer, np.moveaxis(requantize(np.moveaxis(sums, 0, -1), factor, shift, form), -1, 0)


def _per_layer(value, depth: int) -> list[int]:
    return [value] * depth if isinstance(value, int) else list(value)
