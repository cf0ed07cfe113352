"""What an export holds: the network's integer arrays by name, and a manifest that says how to compute with them."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import chain

import numpy as np

from sw import network_file
from sw.fixed import Format, signed_bits
from sw.integer_layer import MULTIPLIER_BITS, SHIFT_LIMIT
from sw.network import Network

ARITHMETIC = (
    "every number is an integer; a tensor has the shape (height, width, channels)",
    "accumulator = bias + sum of weight * activation, exact in accumulator_bits",
    "avgpool sums its window; add sums weight[0] * first + weight[1] * second; dense flattens in the tensor's order",
    "activation = clip((accumulator * multiplier + ((1 << shift) >> 1)) >> shift, low, high), >> rounding down",
    "the last layer's accumulators are the logits; the label is the first of the greatest",
    "scale and weight_scale are the real values of one unit; nothing above needs them",
)
"""The number contract in a few lines; docs/number-contract.md has the reasons."""
SHIFT_FORMAT = Format(SHIFT_LIMIT.bit_length(), signed=False)
MULTIPLIER_FORMAT = Format(MULTIPLIER_BITS, signed=False)
AXES = {
    "dense": ("output", "input"),
    "conv2d": ("output", "kernel row", "kernel column", "input channel of the group"),
    "add": ("operand",),
}
"""Meaning of the axes of a weight, by kind of layer."""


@dataclass(frozen=True, eq=False)
class Array:
    """One array of a network.

    Attributes
    ----------
    name: as in the Network file, `layer0.weight`.
    values: int64, any shape; stored with the last axis running fastest.
    form: format that holds each value: a weight's own, of a bias the accumulator's.
    axes: what each axis counts.
    """

    name: str
    values: np.ndarray
    form: Format
    axes: tuple[str, ...]


def layer_arrays(network: Network, index: int) -> list[Array]:
    """The arrays of one layer: weight, bias, multiplier and shift, those that it has."""
    layer = network.layers[index]
    found = []
    if layer.weight_bits is not None:
        found.append(("weight", layer.weight, Format(layer.weight_bits, signed=True), AXES[layer.kind]))
    if hasattr(layer, "bias"):
        found.append(("bias", layer.bias, Format(accumulator_bits(network, index), signed=True), ("output",)))
    if layer.requantize is not None:
        found.append(("multiplier", layer.requantize.multiplier, MULTIPLIER_FORMAT, ("output",)))
        found.append(("shift", layer.requantize.shift, SHIFT_FORMAT, ("output",)))
    return [Array(f"layer{index}.{name}", *rest) for name, *rest in found]


def arrays(network: Network) -> list[Array]:
    """The arrays of all layers, in order."""
    return list(chain(*(layer_arrays(network, index) for index in range(len(network.layers)))))


def accumulator_bits(network: Network, index: int) -> int | None:
    """Width in bits that holds every partial sum of a layer; None where nothing is summed."""
    sums = network.accumulator_ranges[index]
    return None if sums is None else signed_bits(int(sums[0].min()), int(sums[1].max()))


def manifest(network: Network) -> dict:
    """All that is needed to compute with the arrays, as a JSON object."""
    return {
        "name": network.name,
        "generator": generator(),
        "network_sha256": network_file.digest(network),
        "arithmetic": list(ARITHMETIC),
        "input": {
            "shape": list(network.input.shape),
            "format": str(network.input.form),
            "scale": network.input.scale,
        },
        "layers": [_layer(network, index) for index in range(len(network.layers))],
    }


def generator() -> str:
    """Name and version of this program."""
    try:
        return f"amarray {version('amarray')}"
    except PackageNotFoundError:
        return "amarray"


def operand_name(index: int) -> str:
    """What an export calls the output of a layer, or the input."""
    return "input" if index < 0 else f"layer{index}"


def _layer(network: Network, index: int) -> dict:
    layer, requantize = network.layers[index], network.layers[index].requantize
    activation = None
    if requantize is not None:
        form = requantize.form
        activation = {"format": str(form), "low": form.low, "high": form.high, "scale": requantize.scale}
    geometry = {name: getattr(layer, name) for name in ("stride", "padding", "groups") if hasattr(layer, name)}
    if not layer.parameters and hasattr(layer, "window"):
        geometry["window"] = list(layer.window(network.source_shapes[index]))
    scales = {"weight_scale": layer.weight_scale.tolist()} if hasattr(layer, "weight_scale") else {}
    return {
        "name": operand_name(index),
        "kind": layer.kind,
        "reads": [operand_name(read) for read in network.operands[index]],
        "input_shape": list(network.source_shapes[index]),
        "output_shape": list(network.shapes[index]),
        **geometry,
        "accumulator_bits": accumulator_bits(network, index),
        "activation": activation,
        **scales,
        "arrays": [_array(array) for array in layer_arrays(network, index)],
    }


def _array(array: Array) -> dict:
    return {
        "name": array.name,
        "shape": list(array.values.shape),
        "axes": list(array.axes),
        "format": str(array.form),
    }
