"""Operations: the layers of a network as the one thing that the array computes, sums over windows.

    result[y, x, o] = max over a pooling window of
                      requantize(bias[o] + Σ over operand, i, j, c of weight[o, operand, i, j, c] · source)

- A convolution is that. A dense layer is a convolution whose kernel is the whole image.
- An average pool is a depthwise convolution with weights 1; a sum of two tensors has two operands and a kernel
  of one pixel.
- A max pool whose windows do not overlap, and whose input nobody else reads, is the pooling window of the layer
  before it. Any other one has the identity for its sum.
- The pixels pass through a *copy*, an identity too, where they have several readers, an adder, or a padded one and
  a loader that makes no border: a copy in the hidden memory has one, and outlives the input buffer.
"""

from dataclasses import dataclass, replace

import numpy as np

from hw.region import Region
from sw.fixed import Format, signed_bits
from sw.network import Add, AvgPool, Conv2d, Dense, MaxPool, Network, Requantize, Shape

INPUT = -1
"""Index of the network's input among the sources of an operation."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One or two layers as a sum over windows.

    Parameters
    ----------
    name: the kinds of its layers, for reports. layers: their indices, none for a copy.
    sources: indices of the operations that it reads, one per operand; INPUT is the network's input.
    source_shape, shape: of each source and of the result.
    weight: (outputs, operands, kernel height, kernel width, inputs // groups).
    bias: (outputs,). requantize: None where the sums leave as logits.
    groups, stride, padding: as of a convolution.
    pool: height and width of the pooling window. pool_stride: from window to window, in positions of the sum.
    row_dilation: distance of two kernel rows, in rows of the source.
    source_formats: of each operand. weight_bits, accumulator_bits: least widths.
    macs: multiply-accumulates of the network that it computes for one image.
    """

    name: str
    layers: tuple[int, ...]
    sources: tuple[int, ...]
    source_shape: Shape
    shape: Shape
    weight: np.ndarray
    bias: np.ndarray
    requantize: Requantize | None
    source_formats: tuple[Format, ...]
    weight_bits: int
    accumulator_bits: int
    macs: int
    groups: int = 1
    stride: int = 1
    padding: int = 0
    pool: tuple[int, int] = (1, 1)
    pool_stride: int = 1
    row_dilation: int = 1

    @property
    def is_result(self) -> bool:
        """Whether the sums leave as logits."""
        return self.requantize is None

    @property
    def outputs(self) -> int:
        """Output channels."""
        return self.weight.shape[0]

    @property
    def label(self) -> str:
        """What messages call it: its layers' numbers and kinds."""
        numbers = "+".join(map(str, self.layers))
        return f"layer {numbers} ({self.name})" if self.layers else self.name

    @property
    def is_uniform(self) -> bool:
        """Whether all output channels have the same weights, bias and scale, so that tiles can share them."""
        scale = self.requantize
        per_channel = [self.weight.reshape(self.outputs, -1), self.bias]
        per_channel += [scale.multiplier, scale.shift] if scale is not None else []
        return self.groups == self.outputs > 1 and all((values == values[:1]).all() for values in per_channel)


def lower(network: Network, *, input_gaps: bool) -> tuple[Operation, ...]:
    """The operations of a network, in the order in which they run; the last one gives the logits.

    input_gaps: whether the loader can put a border around the input.
    """
    operations = []
    result_of = {INPUT: INPUT}  # operation that computes each layer's output
    if _needs_copy(network, input_gaps):
        operations.append(_copy(network))
        result_of[INPUT] = 0
    fused = _fused_pools(network)
    for index in range(len(network.layers)):
        if index not in fused.values():
            operations.append(_operation(network, index, fused.get(index), result_of))
        result_of[index] = len(operations) - 1
    return tuple(operations)


def interleaved(operation: Operation, rows: int) -> Operation:
    """The same operation on a source of one channel whose pixels come with those of the rows below them.

    Pixel (y, x) of the source then has `rows` channels, channel i being pixel (y + i, x); so many kernel rows become
    one.
    """
    outputs, _, height, width, _ = operation.weight.shape
    groups = -(-height // rows)
    weight = np.zeros((outputs, 1, groups * rows, width, 1), dtype=np.int64)
    weight[:, :, :height] = operation.weight
    weight = weight.reshape(outputs, 1, groups, rows, width).swapaxes(-1, -2)
    shape = (*operation.source_shape[:2], rows)
    return replace(operation, weight=weight, source_shape=shape, row_dilation=rows)


def can_interleave(operation: Operation) -> bool:
    """Whether `interleaved` makes sense: a convolution of the input's only channel with several kernel rows."""
    weight = operation.weight
    return operation.sources == (INPUT,) and operation.source_shape[2] == 1 and weight.shape[2] > 1


def plan_regions(operations: tuple[Operation, ...], input_shape: Shape) -> dict[int, Region]:
    """The region of each operation's result, and of INPUT. All operands of one operation have the same border."""
    shapes = {INPUT: input_shape if operations[0].row_dilation == 1 else operations[0].source_shape}
    for index, operation in enumerate(operations):
        shapes[index] = operation.shape if operation.layers else input_shape  # a copy sees rows as pixels
    border = dict.fromkeys(shapes, 0)
    for operation in operations:
        for source in operation.sources:
            border[source] = max(border[source], operation.padding)
    for tied in tied_operands(operations):
        for source in tied:
            border[source] = max(border[other] for other in tied)
    return {index: Region(shape, border[index]) for index, shape in shapes.items()}


def tied_operands(operations: tuple[Operation, ...]) -> list[set[int]]:
    """Sets of results that must lie alike, because one operation steps from one to the other by a constant distance."""
    tied = []
    for operation in operations:
        joined = set(operation.sources)
        if len(joined) > 1:
            joined = joined.union(*(other for other in tied if other & joined))
            tied = [other for other in tied if not other & joined] + [joined]
    return tied


def _needs_copy(network: Network, input_gaps: bool) -> bool:
    reads = [index for index, operands in enumerate(network.operands) for read in operands if read == INPUT]
    first = network.layers[reads[0]]
    if len(reads) > 1 or isinstance(first, Add):
        return True
    return getattr(first, "padding", 0) > 0 and not input_gaps


def _fused_pools(network: Network) -> dict[int, int]:
    """Max pool by the layer that it is fused into."""
    reads = [read for operands in network.operands for read in operands]
    return {
        network.sources[index]: index
        for index, layer in enumerate(network.layers)
        if isinstance(layer, MaxPool)
        and layer.stride >= layer.size
        and network.sources[index] != INPUT
        and network.layers[network.sources[index]].sums
        and reads.count(network.sources[index]) == 1
    }


def _copy(network: Network) -> Operation:
    """The input in the hidden memory, row by row: a row of pixels counts as one pixel of many channels."""
    height, width, channels = network.input.shape
    shape, form = (height, 1, width * channels), network.input.form
    return Operation("copy", (), (INPUT,), shape, shape, **_identity(width * channels, form), macs=0)


def _identity(channels: int, form: Format) -> dict:
    """Fields of an operation whose sum is its source."""
    ones = np.ones(channels, dtype=np.int64)
    return {
        "weight": ones.reshape(channels, 1, 1, 1, 1),
        "bias": 0 * ones,
        "requantize": Requantize(ones, 0 * ones, form),
        "groups": channels,
        "source_formats": (form,),
        "weight_bits": 2,
        "accumulator_bits": signed_bits(form.low, form.high),
    }


def _operation(network: Network, index: int, pool: int | None, result_of: dict[int, int]) -> Operation:
    """The operation of one layer and of the pool that is fused into it."""
    layer, operands = network.layers[index], network.operands[index]
    forms = tuple(network.input.form if read < 0 else network.formats[read] for read in operands)
    source_shape = network.source_shapes[index]
    fields = {
        "name": layer.kind,
        "layers": (index,),
        "sources": tuple(result_of[read] for read in operands),
        "source_shape": source_shape,
        "shape": network.shapes[index],
        "macs": network.layer_macs[index],
    }
    if isinstance(layer, MaxPool):
        fields |= _identity(source_shape[2], forms[0])
        return Operation(**fields, pool=layer.window(source_shape), pool_stride=layer.stride)
    low, high = network.accumulator_ranges[index]
    weight, convolution = _as_convolution(layer, source_shape)
    fields |= convolution | {
        "weight": weight,
        "bias": getattr(layer, "bias", np.zeros(len(weight), dtype=np.int64)),
        "requantize": layer.requantize,
        "source_formats": forms,
        "weight_bits": layer.weight_bits or 2,
        "accumulator_bits": signed_bits(int(low.min()), int(high.max())),
    }
    if pool is not None:
        window = network.layers[pool]
        fields |= {"name": f"{layer.kind} + maxpool", "layers": (index, pool), "shape": network.shapes[pool]}
        fields |= {"pool": window.window(network.shapes[index]), "pool_stride": window.stride}
    return Operation(**fields)


def _as_convolution(layer, source_shape: Shape) -> tuple[np.ndarray, dict]:
    """Weight, as in Operation, and the other fields that make the convolution."""
    channels = source_shape[2]
    match layer:
        case Dense():
            return layer.weight.reshape(layer.outputs, 1, *source_shape), {}
        case Conv2d():
            return layer.weight[:, None], {
                "groups": layer.groups,
                "stride": layer.stride,
                "padding": layer.padding,
            }
        case AvgPool():
            ones = np.ones((channels, 1, *layer.window(source_shape), 1), dtype=np.int64)
            return ones, {"groups": channels, "stride": layer.stride}
        case Add():
            pair = np.broadcast_to(layer.weight[:, None, None, None], (channels, 2, 1, 1, 1))
            return pair, {"groups": channels}
    raise TypeError(f"{layer.kind} is no layer that sums")
