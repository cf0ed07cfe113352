"""The architecture of a network as plain values, as a TOML file gives it, and how to build the network.

A list of layers, each a table with its `kind` and the kind's fields. What a layer reads follows from the layer
before it, so that it is not said; `outputs = "classes"` stands for the number of classes of the data.
"""

import inspect
import math
from dataclasses import dataclass

import numpy as np

from sw import limits
from sw.errors import InputError, did_you_mean
from sw.limits import check_classes, check_most, check_shape, check_windows
from sw.nn import initializers, layers
from sw.nn.tensor import Tensor
from sw.nn.windows import checked_size, window_count
from sw.text import check_name

MOST_DEPTH = 16
"""Of lists of layers: an "add" in the body of an "add", and so on."""
INITIALIZERS = {"he": initializers.he, "xavier": initializers.xavier}
CLASSES = "classes"


@dataclass(frozen=True)
class Architecture:
    """A network without weights.

    Parameters
    ----------
    name: what reports call it, 1..100 printable characters.
    layers: tables as JSON values: {"kind": "dense", "outputs": 16}, ...; see LAYERS for kinds and fields. An
        "add" has the layers of its `body`, and of its `shortcut` where the shape changes.

    Whether kinds and fields are known and fit together is found out by `build`.
    """

    name: str
    layers: tuple[dict, ...]

    def __post_init__(self):
        check_name(self.name, "a network")
        object.__setattr__(self, "layers", tuple(self.layers))
        check_most("layers of a network", len(self.layers), limits.LAYERS)

    def build(
        self, shape: tuple[int, int, int], classes: int, generator: np.random.Generator, dtype=np.float32
    ) -> layers.Sequential:
        """The network with fresh weights for images (height, width, channels).

        generator: source of the weights, and later of what Dropout drops.
        Raises InputError with the layer's place where a kind or field is not known, a layer does not fit, or the
        network becomes larger than sw.limits allows, before memory is taken for the layer.
        """
        check_shape(shape)
        check_classes(classes)
        builder = _Builder(generator, classes, dtype)
        model, x = builder.chain(self.layers, Tensor(np.zeros((1, *shape), dtype)), "layer ")
        if x.shape != (1, classes):
            raise InputError(
                f"network {self.name} turns an image {shape} into {x.shape[1:]}; must give one logit for each "
                f"of {classes} classes, as a last dense layer with outputs = {CLASSES!r} does"
            )
        return model

    def to_dict(self) -> dict:
        """Name and layers as JSON values."""
        return {"name": self.name, "layers": list(self.layers)}


class _Builder:
    """Makes layers that fit what arrives at them: each is tried on one empty image."""

    def __init__(self, generator: np.random.Generator, classes: int, dtype):
        self.generator, self.classes, self.dtype = generator, classes, dtype
        self.layers = self.depth = self.parameters = self.elements = 0

    def chain(self, tables, x: Tensor, place: str) -> tuple[layers.Sequential, Tensor]:
        """The layers of a list one after the other, and what the last one makes of x."""
        if not isinstance(tables, list | tuple) or not tables:
            name = "layers" if place == "layer " else place.rstrip()
            found = list(tables) if isinstance(tables, tuple) else tables
            raise InputError(f"{name}: must be a list of tables, at least one, not {found!r}")
        chain = []
        self.depth += 1
        check_most(f"{place.rstrip()}: networks within each other", self.depth, MOST_DEPTH)
        for index, table in enumerate(tables):
            layer, x = self._layer(table, x, f"{place}{index}")
            chain.append(layer)
        self.depth -= 1
        return layers.Sequential(*chain), x

    def _layer(self, table, x: Tensor, place: str) -> tuple[layers.Layer, Tensor]:
        kind = table.get("kind") if isinstance(table, dict) else None
        if not isinstance(kind, str) or kind not in LAYERS:
            like = did_you_mean(kind, LAYERS)
            raise InputError(f"{place}: kind must be one of {', '.join(LAYERS)}, not {kind!r}{like}")
        fields = {name: value for name, value in table.items() if name != "kind"}
        self.layers += 1
        check_most("layers of a network", self.layers, limits.LAYERS)
        make = LAYERS[kind]
        known = [name for name in inspect.signature(make).parameters if name not in ("builder", "x", "place")]
        for name in fields:
            if name not in known:
                raise InputError(
                    f"{place} ({kind}) has no field {name!r}; it has {', '.join(known) if known else 'none'}"
                    f"{did_you_mean(name, known)}"
                )
        try:
            layer = make(self, x, place, **fields) if kind == "add" else make(self, x, **fields)
            layer.set_training(False)
            result = layer(x)
            self.elements += math.prod(result.shape)
            check_most("elements of all layers' outputs", self.elements, limits.ALL_ELEMENTS)
        except InputError as error:
            text = str(error)
            raise InputError(text if text.startswith(place) else f"{place} ({kind}): {text}") from error
        except (TypeError, ValueError, ArithmeticError) as error:
            raise InputError(f"{place} ({kind}): a field is missing or has a wrong value: {error}") from error
        layer.set_training(True)
        return layer, result

    def outputs(self, value) -> int:
        """The number of outputs of a layer that counts classes."""
        return self.classes if value == CLASSES else _whole("outputs", value)

    def size(self, weights: int, outputs: int, positions: int = 1) -> None:
        """Count the parameters of a layer before it is made, and look at the size of what it puts out."""
        self.parameters += weights + outputs
        check_most("parameters of a network", self.parameters, limits.PARAMETERS)
        check_most("elements of a layer's output", outputs * positions, limits.ELEMENTS)

    def options(self, initializer: str) -> dict:
        """What layers with weights are made with."""
        if initializer not in INITIALIZERS:
            raise InputError(f"initializer must be one of {', '.join(INITIALIZERS)}, not {initializer!r}")
        return {"generator": self.generator, "initializer": INITIALIZERS[initializer], "dtype": self.dtype}


def _whole(name: str, value) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{name} must be an integer of at least 1, not {value!r}")
    return value


def _dense(builder, x, outputs, initializer="he"):
    if x.data.ndim != 2:
        raise InputError(f"reads vectors, but {x.shape[1:]} arrives; put a flatten before it")
    outputs = builder.outputs(outputs)
    builder.size(x.shape[1] * outputs, outputs)
    return layers.Dense(x.shape[1], outputs, **builder.options(initializer))


def _conv(builder, x, outputs, size, stride=1, padding=0, groups=1, initializer="he"):
    outputs, channels = builder.outputs(outputs), _channels(x)
    positions = _windows(x, size, stride, padding)
    builder.size(size * size * channels * outputs // _whole("groups", groups), outputs, positions)
    options = {"stride": stride, "padding": padding, "groups": groups} | builder.options(initializer)
    return layers.Conv2d(channels, outputs, size, **options)


def _maxpool(builder, x, size=2, stride=None):
    _windows(x, size, size if stride is None else stride)
    return layers.MaxPool(size, stride)


def _avgpool(builder, x, size=2, stride=None):
    _windows(x, size, size if stride is None else stride)
    return layers.AvgPool(size, stride)


def _globalavgpool(builder, x):
    _channels(x)
    return layers.GlobalAvgPool()


def _batchnorm(builder, x, momentum=0.9):
    return layers.BatchNorm(x.shape[-1], momentum, dtype=builder.dtype)


def _dropout(builder, x, rate):
    return layers.Dropout(rate, builder.generator)


def _leaky_relu(builder, x, slope=0.01):
    return layers.LeakyReLU(slope)


def _add(builder, x, place, body, shortcut=None):
    around = None if shortcut is None else builder.chain(shortcut, x, f"{place}, shortcut ")[0]
    return layers.Add(builder.chain(body, x, f"{place}, body ")[0], around)


def _windows(x: Tensor, size, stride, padding=0) -> int:
    """Places of a window that moves over the image, which is not too large."""
    _channels(x)
    checked_size("size", size, 1), checked_size("stride", stride, 1), checked_size("padding", padding, 0)
    rows, columns = window_count(x.data, size, stride, padding)
    check_windows(x.shape[1:], (size, size), stride, padding)
    return rows * columns


def _channels(x: Tensor) -> int:
    if x.data.ndim != 4:
        raise InputError(f"reads images, but a vector of {x.shape[1]} arrives; put it before the flatten")
    return x.shape[3]


def _plain(layer):
    return lambda builder, x: layer()


LAYERS = {
    "dense": _dense,
    "conv": _conv,
    "maxpool": _maxpool,
    "avgpool": _avgpool,
    "globalavgpool": _globalavgpool,
    "batchnorm": _batchnorm,
    "dropout": _dropout,
    "flatten": _plain(layers.Flatten),
    "add": _add,
    "relu": _plain(layers.ReLU),
    "leaky_relu": _leaky_relu,
    "sigmoid": _plain(layers.Sigmoid),
    "tanh": _plain(layers.Tanh),
    "step": _plain(layers.Step),
    "softmax": _plain(layers.Softmax),
}
"""By kind, the function that makes a layer; its arguments after `x` and `place` are the fields of the kind."""


def parameter_count(model: layers.Layer) -> int:
    """Number of trained numbers."""
    return sum(math.prod(parameter.shape) for parameter in model.parameters().values())
