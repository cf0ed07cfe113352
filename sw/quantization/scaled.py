"""A stage with its scales: all that the integer layer and its fake-quantized twin are made from."""

from dataclasses import dataclass

import numpy as np

from sw import network
from sw.network import Requantize
from sw.nn.tensor import Tensor
from sw.quantization.scales import weight_codes
from sw.quantization.stages import Stage
from sw.quantization.straight_through import requantized, rounded


@dataclass(frozen=True, eq=False)
class ScaledStage:
    """What a stage is in integers, but for the values of its weights and biases, which training may change.

    Parameters
    ----------
    stage: its float twin.
    scale: real value of one unit of the result.
    unit: (outputs,) real value of one unit of the accumulator; None for MaxPool, which has none.
    requantize: how accumulators become results; None for MaxPool and in the last stage.
    weight_bits: of a stage with weights and of a sum.
    weight_scale, coding: of a stage with weights; see sw.quantization.scales.weight_codes.
    operands: (2,) integer weights of a sum.
    """

    stage: Stage
    scale: float
    unit: np.ndarray | None = None
    requantize: Requantize | None = None
    weight_bits: int | None = None
    weight_scale: np.ndarray | None = None
    coding: str = "integer"
    operands: np.ndarray | None = None

    def sums(self, sources: list[Tensor], weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """Integer accumulators of integer sources, weights and biases; the maxima, where it is a MaxPool."""
        if self.stage.kind == "add":
            a, b = (int(operand) for operand in self.operands)
            return sources[0] * a + sources[1] * b
        if self.stage.kind == "avgpool":
            return rounded(self.stage.sums(sources), self.stage.window)  # the layer gives the mean
        return self.stage.sums(sources, weight, bias)

    def results(self, sums: Tensor) -> Tensor:
        """What the next stage reads."""
        return sums if self.requantize is None else requantized(sums, self.requantize)

    def layer(self, index: int, weight: np.ndarray | None, bias: np.ndarray | None):
        """The integer layer at this index of the Network, with these real weights and biases."""
        stage, layer = self.stage, self.stage.layer
        source = stage.sources[0] if stage.sources[0] != index - 1 else None
        if stage.kind == "add":
            return network.Add(
                stage.sources[1], self.operands, self.weight_bits, self.requantize, source=stage.sources[0]
            )
        if stage.kind == "maxpool":
            return network.MaxPool(layer.size, layer.stride, source)
        if stage.kind == "avgpool":
            size, stride = getattr(layer, "size", None), getattr(layer, "stride", None)
            return network.AvgPool(size, stride, self.requantize, source)
        codes = weight_codes(weight.astype(np.float64), self.weight_scale, self.weight_bits, self.coding)
        codes = np.moveaxis(codes, -1, 0).astype(np.int64)  # outputs first
        integers = np.rint(bias.astype(np.float64) / self.unit).astype(np.int64)
        parameters = (codes, integers, self.weight_bits, self.requantize, self.weight_scale)
        if stage.kind == "dense":
            return network.Dense(*parameters, source=source)
        return network.Conv2d(*parameters, layer.stride, layer.padding, layer.groups, source=source)
