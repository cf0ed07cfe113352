"""What the calibration images say about each stage of the float model: all that scales are chosen from."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from sw.fixed import Format
from sw.nn.tensor import Tensor
from sw.quantization.settings import Settings
from sw.quantization.stages import INPUT, Stage

BATCH = 100
"""Images that go through a stage at a time."""
POSITIONS = 2**15
"""Most positions of a stage's inputs that its second moments are taken over."""
VALUES = 2**18
"""Most results of a stage that percentile and mean squared error are taken over."""
CANDIDATES = 2.0 ** (-np.arange(49) / 8)
"""Shares of the greatest value that are tried as the limit of clipping: six octaves, by eighths of one."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """One stage on the calibration images, in real numbers.

    Attributes
    ----------
    results: a sample of its results, flat.
    peak: the greatest magnitude of all its results.
    mean: (channels,) means of the sums before ReLU.
    moments: mean of x xᵀ. For Conv2d and Dense over the inputs x of one sum, (groups, terms, terms); for a sum of
        two stages (2, 2); None for pooling.
    """

    results: np.ndarray
    peak: float
    mean: np.ndarray
    moments: np.ndarray | None

    def greatest(self, form: Format, settings: Settings) -> float:
        """The magnitude that becomes the greatest integer of `form`; 1 where nothing ever fires."""
        if settings.calibration == "percentile":
            return float(np.percentile(np.abs(self.results), settings.percentile)) or self.peak or 1.0
        if settings.calibration == "mse" and self.peak > 0:
            return min(self.peak * CANDIDATES, key=lambda greatest: self._error(greatest / form.high, form))
        return self.peak or 1.0

    def _error(self, scale: float, form: Format) -> float:
        """Mean squared error of the results once they are integers of `form`, each worth `scale`."""
        codes = np.clip(np.floor(self.results / scale + 0.5), form.low, form.high)
        return float(np.mean((codes * scale - self.results) ** 2, dtype=np.float64))


def calibrate(stages: list[Stage], images: np.ndarray, scale: float) -> list[Statistics]:
    """Run the float model on uint8 images (n, height, width, channels), one unit of which is worth `scale`."""
    generator = np.random.default_rng(0)
    last_use = {source: index for index, stage in enumerate(stages) for source in stage.sources}
    values = {INPUT: images.astype(np.float32) * np.float32(scale)}
    statistics = []
    for index, stage in enumerate(stages):
        sources = [values[source] for source in stage.sources]
        moments = _moments(stage, sources, generator)
        sums = np.concatenate([stage.real_sums(*map(Tensor, batch)).data for batch in batches(*sources)])
        mean = sums.mean(axis=(0, 1, 2), dtype=np.float64)
        values[index] = np.maximum(sums, 0, out=sums) if stage.has_relu else sums
        statistics.append(Statistics(_sample(values[index], generator), _peak(values[index]), mean, moments))
        for source in {source for source, last in last_use.items() if last == index}:
            del values[source]
    return statistics


def batches(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """The same rows of each array, so many at a time that what they need in between stays small."""
    for start in range(0, len(arrays[0]), BATCH):
        yield tuple(array[start : start + BATCH] for array in arrays)


def _peak(values: np.ndarray) -> float:
    return float(max(values.max(), -values.min()))


def _sample(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    flat = values.reshape(-1)
    return flat if flat.size <= VALUES else flat[np.sort(generator.integers(0, flat.size, VALUES))]


def _moments(stage: Stage, sources: list[np.ndarray], generator: np.random.Generator) -> np.ndarray | None:
    if stage.kind == "add":
        a, b = (source.reshape(-1).astype(np.float64) for source in sources)
        return np.array([[a @ a, a @ b], [a @ b, b @ b]]) / a.size
    if not stage.has_weights:
        return None
    x = _dense_inputs(sources[0]) if stage.kind == "dense" else _conv_inputs(stage, sources[0], generator)
    return x.swapaxes(1, 2).astype(np.float64) @ x / x.shape[1]


def _dense_inputs(x: np.ndarray) -> np.ndarray:
    """(1, n, terms)."""
    return x.reshape(1, len(x), -1)


def _conv_inputs(stage: Stage, x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Columns of im2col, (groups, positions, terms), in the order of the weights: window row, window column, channel.

    Chellapilla et al., "High performance convolutional neural networks for document processing", 2006, section 3.
    """
    size, stride, padding, groups = (getattr(stage.layer, name) for name in ("size", "stride", "padding", "groups"))
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    view = sliding_window_view(x, (size, size), axis=(1, 2))[:, ::stride, ::stride]  # (n, rows, columns, c, size, size)
    count = int(np.prod(view.shape[:3]))
    chosen = np.arange(count) if count <= POSITIONS else np.sort(generator.integers(0, count, POSITIONS))
    columns = view[np.unravel_index(chosen, view.shape[:3])]  # (positions, c, size, size)
    columns = columns.reshape(len(chosen), groups, -1, size * size)
    return columns.transpose(1, 0, 3, 2).reshape(groups, len(chosen), -1)
