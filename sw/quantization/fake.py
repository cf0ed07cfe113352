"""The fake-quantized graph: integer inference in floats, with gradients, so that a network can learn under it.

Every tensor in the graph holds integers. Each operation has the derivative of its real-valued twin in these units,
so the chain rule brings to the real weights the gradient of the real-valued network: with x of s_in, w of s_w and
y of s_out per unit,

    y = acc · m · 2^-s,  m · 2^-s = s_in · s_w / s_out    ⇒    ∂(s_out · y) / ∂(real w) = s_in · x.
"""

import dataclasses

import numpy as np

from sw.data_record import DataRecord
from sw.network import Network
from sw.nn.functions import reshape
from sw.nn.layer import Layer
from sw.nn.tensor import Tensor
from sw.quantization.post_training import to_network
from sw.quantization.scaled import ScaledStage
from sw.quantization.stages import INPUT
from sw.quantization.straight_through import coded_bias, coded_weight, rounded

PIXELS = 255
"""Pixels enter as pixel / 255."""


class FakeQuantized(Layer):
    """A network that computes with the integers its weights stand for.

    The weights and biases are real numbers, for training to change; scales are fixed. In float64 every integer is
    that of the Network that `to_network` gives; in float32 as long as no accumulator exceeds 2^24.

    Parameters
    ----------
    stages: see sw.quantization.post_training.scaled_stages.
    shape: (height, width, channels) of an image.
    """

    def __init__(self, stages: list[ScaledStage], shape: tuple[int, int, int]):
        self.stages, self.shape = stages, shape
        self.weights = {
            index: [Tensor(array.astype(np.float32), requires_grad=True) for array in (stage.weight, stage.bias)]
            for index, stage in enumerate(scaled.stage for scaled in stages)
            if stage.has_weights
        }

    def __call__(self, x: Tensor) -> Tensor:
        """Logits (n, classes), as real numbers, of images (n, *shape) with pixels 0..1."""
        last = self.stages[-1]
        return reshape(self.values(x)[-1], (len(x.data), -1)) * last.unit.astype(x.data.dtype)

    def values(self, x: Tensor) -> list[Tensor]:
        """What each stage gives: integers (n, h, w, c), in the dtype of x."""
        values = {INPUT: rounded(x, PIXELS)}
        for index, scaled in enumerate(self.stages):
            parameters = self._codes(index, x.data.dtype) if index in self.weights else ()
            sums = scaled.sums([values[source] for source in scaled.stage.sources], *parameters)
            values[index] = scaled.results(sums)
        return [values[index] for index in range(len(self.stages))]

    def taps(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        """What `sw.golden.infer` gives for uint8 images, as int64, computed by this graph in float64."""
        values = self.values(Tensor(images.astype(np.float64) / PIXELS))
        taps = [value.data.astype(np.int64) for value in values]
        kinds = [scaled.stage.kind for scaled in self.stages]
        return tuple(
            tap.reshape(len(tap), -1) if kind == "dense" else tap for tap, kind in zip(taps, kinds, strict=True)
        )

    def to_network(self, name: str, notes: dict | None = None, data: DataRecord | None = None) -> Network:
        """The integer Network with the weights as they are."""
        stages = []
        for index, scaled in enumerate(self.stages):
            if index in self.weights:
                weight, bias = (tensor.data.astype(np.float64) for tensor in self.weights[index])
                scaled = dataclasses.replace(scaled, stage=dataclasses.replace(scaled.stage, weight=weight, bias=bias))
            stages.append(scaled)
        return to_network(stages, self.shape, name, notes, data)

    def parameters(self) -> dict[str, Tensor]:
        """`N.weight` and `N.bias` of each stage that has some, N being its index."""
        pairs = {index: zip(("weight", "bias"), tensors, strict=True) for index, tensors in self.weights.items()}
        return {f"{index}.{name}": tensor for index, pair in pairs.items() for name, tensor in pair}

    def _codes(self, index: int, dtype) -> tuple[Tensor, Tensor]:
        scaled, (weight, bias) = self.stages[index], self.weights[index]
        codes = coded_weight(weight, scaled.weight_scale, scaled.weight_bits, scaled.coding, dtype)
        return codes, coded_bias(bias, scaled.unit, dtype)
