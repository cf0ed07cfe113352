"""From a float model to stages: a flat list of steps, each of which becomes one layer of the integer Network.

BatchNorm is folded into the layer before it, with its running mean μ and variance σ²:

    scale · (w x + b - μ) / √(σ² + ε) + shift  =  (w f) x + (b - μ) f + shift,    f = scale / √(σ² + ε)

(Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018,
section 3.2). ReLU becomes part of the stage that makes its input, for it is what saturation to an unsigned format
does; since max(relu(a), relu(b)) = relu(max(a, b)), it may pass a MaxPool on its way there. Dropout and Flatten
need no stage.
"""

import copy
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from sw.errors import InputError
from sw.nn import layers
from sw.nn.functions import reshape
from sw.nn.layer import Layer
from sw.nn.tensor import Tensor

KINDS = {
    layers.Dense: "dense",
    layers.Conv2d: "conv",
    layers.MaxPool: "maxpool",
    layers.AvgPool: "avgpool",
    layers.GlobalAvgPool: "avgpool",
}
"""What a layer becomes."""
COMPUTING = (*KINDS, layers.BatchNorm, layers.Add)
"""Layers that do more than to apply one function to each number, or to drop some in training."""
NEEDLESS = "leave it out, the greatest logit wins without it"
"""The remedy for an activation at the end of a model."""
INPUT = -1
"""The index of the network's input."""


@dataclass(frozen=True, eq=False)
class Stage:
    """One step of the float model, on images (n, height, width, channels); vectors are images of one pixel.

    Parameters
    ----------
    layer: the layer of the model whose place it takes; None for the sum of two stages.
    sources: the stages it reads, one or two, by index; -1 is the network's input.
    place: what messages call it.
    shape: (height, width, channels) of its result.
    window: of how many pixels an average pooling takes the mean.
    weight, bias: float64, folded, in the layer's layout, outputs last; None where there are none.
    has_relu: whether negative results become 0.
    """

    layer: Layer | None
    sources: tuple[int, ...]
    place: str
    shape: tuple[int, int, int] = (1, 1, 1)
    window: int = 1
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None
    has_relu: bool = False

    @property
    def kind(self) -> str:
        """dense, conv, maxpool, avgpool or add."""
        return "add" if self.layer is None else KINDS[type(self.layer)]

    @property
    def has_weights(self) -> bool:
        """Whether it has trained weights."""
        return self.weight is not None

    def sums(self, sources: list[Tensor], weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """The result before ReLU, with these weights instead of its own: (n, h, w, c) → (n, *shape)."""
        if self.layer is None:
            return sources[0] + sources[1]
        layer, (x,) = self.layer, sources
        if self.has_weights:
            layer = copy.copy(layer)
            layer.weight, layer.bias = weight, bias
        if self.kind == "dense":
            x = reshape(x, (len(x.data), -1))
        result = layer(x)
        return result if result.data.ndim == 4 else reshape(result, (len(x.data), 1, 1, -1))

    def real_sums(self, *sources: Tensor) -> Tensor:
        """The result before ReLU with its own weights, in real numbers."""
        dtype = sources[0].data.dtype
        return self.sums(list(sources), *(Tensor(p.astype(dtype)) for p in (self.weight, self.bias) if p is not None))


def read_stages(model: Layer, shape: tuple[int, int, int]) -> list[Stage]:
    """The stages of a model for images (height, width, channels).

    Raises InputError with every reason for which the model has no integer form, each with place and remedy.
    """
    reader = _Reader(model, shape)
    if reader.faults:
        raise InputError("the model cannot be quantized: " + "; ".join(reader.faults))
    return reader.stages


def structure_faults(model: Layer, shape: tuple[int, int, int]) -> list[str]:
    """Every reason for which `read_stages` refuses a model; its weights need not be trained."""
    return _Reader(model, shape).faults


def _backwards(model: Layer) -> Iterator[Layer]:
    """The layers of a chain, the last one first."""
    if isinstance(model, layers.Sequential):
        for layer in reversed(model.layers):
            yield from _backwards(layer)
    else:
        yield model


@dataclass(frozen=True)
class _Value:
    """What a layer reads: the result of a stage, and whether the model sees it as a vector."""

    index: int
    is_flat: bool = False


class _Reader:
    """Walks through a model and gathers stages and faults."""

    def __init__(self, model: Layer, shape: tuple[int, int, int]):
        self.shape = shape
        self.last = list(takewhile(lambda layer: not isinstance(layer, COMPUTING), _backwards(model)))
        self.stages: list[Stage] = []
        self.faults: list[str] = []
        self.shared: set[int] = set()  # results that both sides of an Add read, so that neither may change them
        self._check_last(self.read(model, _Value(INPUT), ""))

    def read(self, layer: Layer, value: _Value, place: str) -> _Value:
        """Append what the layer becomes when it reads `value`; what it gives."""
        name = f"layer {place} ({layer})"
        match layer:
            case layers.Sequential():
                for index, child in enumerate(layer.layers):
                    value = self.read(child, value, f"{place}.{index}" if place else str(index))
                return value
            case layers.Dropout():
                return value
            case layers.Flatten():
                return _Value(value.index, is_flat=True)
            case layers.ReLU():
                return self._relu(value, name)
            case layers.BatchNorm():
                return self._fold(layer, value, name)
            case layers.Add():
                return self._add(layer, value, place, name)
            case layers.Dense() | layers.Conv2d():
                return self._product(layer, value, name)
            case layers.MaxPool() | layers.AvgPool() | layers.GlobalAvgPool():
                height, width, _ = self._shape(value)
                window = height * width if isinstance(layer, layers.GlobalAvgPool) else layer.size**2
                stage = Stage(layer, (value.index,), name, window=window)
                return _Value(self._append(stage), is_flat=isinstance(layer, layers.GlobalAvgPool))
        is_last = any(layer is each for each in self.last)
        return self._fault(value, name, f"has no integer form; {NEEDLESS if is_last else 'take ReLU in its place'}")

    def _check_last(self, value: _Value) -> None:
        """Note a fault unless the model ends with raw sums, one for each class."""
        last = self.stages[value.index] if value.index != INPUT else None
        if last is None or last.kind == "maxpool":
            self.faults.append("the last layer must be a Dense, or another that adds up: its raw sums are the logits")
        elif last.has_relu:
            self.faults.append(
                f"{last.place} is the last layer, and must be without ReLU: its raw sums are the logits; {NEEDLESS}"
            )
        elif last.shape[:2] != (1, 1):
            self.faults.append(f"{last.place} is the last layer and gives {last.shape}; must be (1, 1, classes)")

    def _fault(self, value: _Value, name: str, reason: str) -> _Value:
        self.faults.append(f"{name} {reason}")
        return value

    def _shape(self, value: _Value) -> tuple[int, int, int]:
        return self.shape if value.index == INPUT else self.stages[value.index].shape

    def _append(self, stage: Stage) -> int:
        """The index of the new stage; its shape is that of its result for an empty image."""
        try:
            empty = [Tensor(np.zeros((1, *self._shape(_Value(source))))) for source in stage.sources]
            stage = dataclasses.replace(stage, shape=stage.real_sums(*empty).shape[1:])
        except (InputError, ValueError) as error:
            shapes = " and ".join(str(tensor.shape[1:]) for tensor in empty)
            self.faults.append(f"{stage.place} does not fit what it reads, {shapes}: {error}")
        self.stages.append(stage)
        return len(self.stages) - 1

    def _product(self, layer: layers.Dense | layers.Conv2d, value: _Value, name: str) -> _Value:
        is_dense = isinstance(layer, layers.Dense)
        height, width, _ = self._shape(value)
        if is_dense and not value.is_flat and height * width > 1:
            return self._fault(value, name, f"reads {height} x {width} pixels one by one; put a Flatten before it")
        if not all(np.isfinite(parameter.data).all() for parameter in layer.parameters().values()):
            return self._fault(value, name, "has weights that are not finite; train again")
        weight, bias = layer.weight.data.astype(np.float64), layer.bias.data.astype(np.float64)
        index = self._append(Stage(layer, (value.index,), name, weight=weight, bias=bias))
        return _Value(index, is_flat=is_dense)

    def _fold(self, norm: layers.BatchNorm, value: _Value, name: str) -> _Value:
        stage = self.stages[value.index] if value.index != INPUT else None
        if stage is None or not stage.has_weights or stage.has_relu or value.index in self.shared:
            return self._fault(value, name, "must stand right after the Conv2d or Dense that it can be folded into")
        if norm.scale.shape != stage.bias.shape:
            return self._fault(
                value, name, f"normalizes {norm.scale.shape[0]} channels, but {stage.bias.size} arrive; must agree"
            )
        tensors = (norm.scale, norm.shift, norm.running_mean, norm.running_variance)
        scale, shift, mean, variance = (tensor.data.astype(np.float64) for tensor in tensors)
        if not all(np.isfinite(array).all() for array in (scale, shift, mean, variance)):
            return self._fault(value, name, "has parameters that are not finite; train again")
        factor = scale / np.sqrt(variance + norm.epsilon)
        self.stages[value.index] = dataclasses.replace(
            stage, weight=stage.weight * factor, bias=(stage.bias - mean) * factor + shift
        )
        return value

    def _relu(self, value: _Value, name: str) -> _Value:
        if self._is_nonnegative(value.index):
            return value
        index = value.index
        while self.stages[index].kind == "maxpool" and index not in self.shared:
            index = self.stages[index].sources[0]
        if index in self.shared:  # the other side reads it without ReLU: a mean of one pixel carries the ReLU
            return _Value(self._append(Stage(layers.AvgPool(1), (value.index,), name, has_relu=True)), value.is_flat)
        self.stages[index] = dataclasses.replace(self.stages[index], has_relu=True)
        return value

    def _is_nonnegative(self, index: int) -> bool:
        """Whether it is clear that no result is negative; a pixel never is."""
        if index == INPUT:
            return True
        stage = self.stages[index]
        return stage.has_relu or (not stage.has_weights and all(map(self._is_nonnegative, stage.sources)))

    def _add(self, layer: layers.Add, value: _Value, place: str, name: str) -> _Value:
        self.shared.add(value.index)
        body = self.read(layer.body, value, f"{place}.body")
        kept = value if layer.shortcut is None else self.read(layer.shortcut, value, f"{place}.shortcut")
        if (self._shape(body), body.is_flat) != (self._shape(kept), kept.is_flat):
            return self._fault(body, name, f"adds {self._shape(body)} and {self._shape(kept)}; must be of one shape")
        return _Value(self._append(Stage(None, (body.index, kept.index), name)), body.is_flat)
