"""Golden model: bit-exact integer inference, with a tap after every layer.

The sums are computed in floating point, for speed, and are exact. A Network knows for each layer an interval
that holds every partial sum, in whatever order its terms are added. Where the interval lies within ±2^24 the
sums are computed in float32, else in float64, and then it lies within ±2^52, or the Network would have refused
the layer. float32 represents each integer up to 2^24, float64 up to 2^53; the products of a weight and an
activation are integers below 2^15. So no operation has a result that must be rounded, and any order, blocking
or fused multiply-add that a matrix library chooses gives the same integer. Requantization is done in integers.

Inside, tensors are (channels, height, width, images): one window place of all images is then one long run in
memory, which numpy copies and compares fast.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sw.errors import InputError
from sw.fixed import Format, round_shift, saturate
from sw.integer_layer import Layer, Range
from sw.integer_layers import Add, AvgPool, Conv2d, Dense, MaxPool
from sw.network import Network

EXACT_IN_FLOAT32 = 1 << 24
BATCH_ELEMENTS = 1 << 21
"""Elements of the greatest intermediate array of a batch; larger ones leave the caches and are slower."""
LARGEST_BATCH = 1000


@dataclass(frozen=True, eq=False)
class Inference:
    """What golden computes for n images.

    Attributes
    ----------
    taps: one int64 array per layer: activations, in the last one the logits. (n, outputs) for a dense layer,
        else (n, height, width, channels). Only the last where no others were asked for.
    """

    taps: tuple[np.ndarray, ...]

    @property
    def logits(self) -> np.ndarray:
        """(n, classes) raw accumulators of the last layer."""
        return self.taps[-1].reshape(-1, self.taps[-1].shape[-1])

    @property
    def labels(self) -> np.ndarray:
        """(n,) index of the greatest logit, the lowest index on a tie."""
        return self.logits.argmax(axis=1)


@dataclass
class LayerTrace:
    """What was seen in one layer over all images.

    Attributes
    ----------
    low, high: least and greatest accumulator; None where nothing is summed.
    saturated: outputs that were clipped, at the upper end or at the lower end of a signed format. That ReLU takes
        a negative sum to 0 is no saturation.
    outputs: all outputs.
    """

    low: int | None = None
    high: int | None = None
    saturated: int = 0
    outputs: int = 0

    def see_sums(self, sums: np.ndarray) -> None:
        """Count a batch of accumulators."""
        low, high = int(sums.min()), int(sums.max())
        self.low = low if self.low is None else min(low, self.low)
        self.high = high if self.high is None else max(high, self.high)

    def see_rounded(self, values: np.ndarray, form: Format) -> None:
        """Count those of a batch of rounded values that do not fit."""
        self.saturated += int(np.count_nonzero(values > form.high))
        if form.signed:
            self.saturated += int(np.count_nonzero(values < form.low))


def infer(network: Network, images: np.ndarray, *, all_taps: bool = True) -> Inference:
    """Run n images, an integer array (n, height, width, channels) or any shape of as many pixels each.

    all_taps: whether to keep the activations of every layer, 8 bytes each, or the logits alone.
    """
    layers = list(zip(network.layers, network.shapes, strict=True))[0 if all_taps else -1 :]
    taps = []
    for layer, shape in layers:
        taps.append(np.empty((len(images), *(shape[2:] if layer.kind == Dense.kind else shape)), np.int64))
    for where, batch in _batches(network, images):
        outputs = _forward(network, batch)[-len(taps) :]
        for tap, output in zip(taps, outputs, strict=True):
            tap[where] = output.transpose(3, 1, 2, 0).reshape(tap[where].shape)
    return Inference(tuple(taps))


def trace(network: Network, images: np.ndarray) -> tuple[LayerTrace, ...]:
    """Per layer the accumulators' range and the saturated outputs over n images; see `infer`."""
    traces = tuple(LayerTrace() for _ in network.layers)
    for _, batch in _batches(network, images):
        _forward(network, batch, traces)
    return traces


def pixels(network: Network, images: np.ndarray) -> np.ndarray:
    """The images as int64 (n, pixels), checked against the network's input contract."""
    images = _checked(network, images)
    return images.reshape(len(images), network.input.size).astype(np.int64)


def accumulate(layer: Layer, operands: list[np.ndarray], dtype: type) -> np.ndarray:
    """The sums of one layer, (channels, height, width, n) of `dtype`, of operands of this kind of shape.

    They are exact where the layer's partial sums are within what the floating point type `dtype` represents.
    """
    with np.errstate(invalid="ignore"):  # some BLAS kernels raise the flag for what lies beside a matrix
        return SUMS[layer.kind](layer, dtype, *operands)


def max_pool(layer: MaxPool, x: np.ndarray) -> np.ndarray:
    """The greatest of each window of x, (channels, height, width, n) of any dtype."""
    (_, first), *others = _window_places(x, layer.window(x.shape[1:3]), layer.stride)
    greatest = first.copy()
    for _, part in others:
        np.maximum(greatest, part, out=greatest)
    return greatest


def _batches(network: Network, images: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """The images' places and (channels, height, width, n) pixels, some at a time."""
    images = _checked(network, images)
    elements = network.input.size
    for layer, shape in zip(network.layers, network.shapes, strict=True):
        window = layer.weight[0].size if layer.kind == Conv2d.kind else 1
        elements = max(elements, shape[0] * shape[1] * max(window * getattr(layer, "groups", 1), shape[2]))
    size = min(max(BATCH_ELEMENTS // elements, 1), LARGEST_BATCH)
    for start in range(0, len(images), size):
        where = slice(start, start + size)
        batch = images[where].reshape(-1, *network.input.shape).transpose(3, 1, 2, 0)
        yield where, np.ascontiguousarray(batch, dtype=np.float32)


def _checked(network: Network, images: np.ndarray) -> np.ndarray:
    images = np.asarray(images)
    form = network.input.form
    if not np.issubdtype(images.dtype, np.integer):
        raise InputError(f"images must hold integer pixels {form.low}..{form.high}, not {images.dtype}")
    if images.ndim < 2 or int(np.prod(images.shape[1:])) != network.input.size:
        raise InputError(f"images must have shape (n, {', '.join(map(str, network.input.shape))}), not {images.shape}")
    if images.size and not form.holds(int(images.min()), int(images.max())):
        raise InputError(f"pixels must be {form.low}..{form.high}, but range over {images.min()}..{images.max()}")
    return images


def _forward(network: Network, batch: np.ndarray, traces: tuple[LayerTrace, ...] | None = None) -> list[np.ndarray]:
    """Each layer's output (channels, height, width, n): activations as float32, the last sums as int64."""
    outputs = {-1: batch}
    for index, layer in enumerate(network.layers):
        operands = [outputs[read] for read in network.operands[index]]
        seen = traces[index] if traces else None
        if layer.sums:
            outputs[index] = _sum_and_scale(layer, operands, network.accumulator_ranges[index], seen)
        else:
            outputs[index] = max_pool(layer, *operands)
        if seen:
            seen.outputs += outputs[index].size
    return [outputs[index] for index in range(len(network.layers))]


def _sum_and_scale(layer: Layer, operands: list[np.ndarray], bound: Range, seen: LayerTrace | None) -> np.ndarray:
    low, high = int(bound[0].min()), int(bound[1].max())
    sums = accumulate(layer, operands, np.float32 if max(-low, high) < EXACT_IN_FLOAT32 else np.float64)
    scale = layer.requantize
    sums = sums.astype(np.int64)
    if seen:
        seen.see_sums(sums)
    if scale is None:
        return sums
    values = round_shift(sums * _per_channel(scale.multiplier), _per_channel(scale.shift))
    if seen:
        seen.see_rounded(values, scale.form)
    return saturate(values, scale.form).astype(np.float32)


def _dense(layer: Dense, dtype: type, x: np.ndarray) -> np.ndarray:
    flat = x.transpose(1, 2, 0, 3).reshape(layer.inputs, -1).astype(dtype, copy=False)
    sums = layer.weight.astype(dtype) @ flat
    return sums.reshape(layer.outputs, 1, 1, -1) + _per_channel(layer.bias.astype(dtype))


def _conv2d(layer: Conv2d, dtype: type, x: np.ndarray) -> np.ndarray:
    """By im2col: the windows become the columns of one matrix for each group (Chellapilla et al., 2006)."""
    rows, columns, _ = layer.output_shape((*x.shape[1:3], x.shape[0]))
    margin = (layer.padding, layer.padding)
    x = np.pad(x, ((0, 0), margin, margin, (0, 0))) if layer.padding else x
    windows = np.empty((x.shape[0], *layer.kernel, rows, columns, x.shape[3]), dtype)
    for (top, left), part in _window_places(x, layer.kernel, layer.stride):
        windows[:, top, left] = part
    weight = layer.weight.transpose(0, 3, 1, 2).reshape(layer.groups, layer.outputs // layer.groups, -1)
    sums = weight.astype(dtype) @ windows.reshape(layer.groups, weight.shape[2], -1)
    sums = sums.reshape(layer.outputs, rows, columns, -1)
    sums += _per_channel(layer.bias.astype(dtype))
    return sums


def _avg_pool(layer: AvgPool, dtype: type, x: np.ndarray) -> np.ndarray:
    (_, first), *others = _window_places(x, layer.window(x.shape[1:3]), layer.stride)
    total = first.astype(dtype)
    for _, part in others:
        total += part
    return total


def _add(layer: Add, dtype: type, x: np.ndarray, other: np.ndarray) -> np.ndarray:
    first, second = layer.weight.astype(dtype)
    return first * x + second * other


SUMS = {Dense.kind: _dense, Conv2d.kind: _conv2d, AvgPool.kind: _avg_pool, Add.kind: _add}
"""How each kind of layer that sums does so."""


def _window_places(x: np.ndarray, window: tuple[int, int], stride: int) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
    """Each place in a window, and what all windows show there: a view (channels, rows, columns, n)."""
    rows, columns = ((length - size) // stride + 1 for length, size in zip(x.shape[1:3], window, strict=True))
    for top, left in np.ndindex(window):
        yield (top, left), x[:, top : top + stride * rows : stride, left : left + stride * columns : stride]


def _per_channel(values: np.ndarray) -> np.ndarray:
    return values[:, None, None, None]
