"""How one layer lies on the array: loop counts, and when each element is read and written.

Times are in cycles after the layer's first step. Nothing here knows of other layers: hw/schedule.py
puts the layers together.
"""

from dataclasses import dataclass

import numpy as np

from hw.config import ArrayConfig
from hw.drain import drain_cycles
from hw.program import Level
from sw.network import Dense


@dataclass(frozen=True)
class Mapping:
    """One dense layer on one array.

    Parameters
    ----------
    layer: the layer. config: the array. is_result: whether it is the last one, whose sums leave as logits.
    """

    layer: Dense
    config: ArrayConfig
    is_result: bool

    @property
    def tiles(self) -> int:
        """Tiles of `lanes` output channels."""
        return -(-self.layer.outputs // self.config.lanes)

    @property
    def last_lanes(self) -> int:
        """Output channels of the last tile."""
        return self.layer.outputs - (self.tiles - 1) * self.config.lanes

    @property
    def useful_chunks(self) -> int:
        """Vectors of `taps` inputs that one sum takes."""
        return -(-self.layer.inputs // self.config.taps)

    @property
    def chunks(self) -> int:
        """Steps of one sum. A sum shorter than the drain of the tile before it is filled up with zero weights."""
        full_tile = drain_cycles(self.config.lanes, self.config, self.is_result)
        return max(self.useful_chunks, full_tile if self.tiles > 1 else 0)

    @property
    def steps(self) -> int:
        """Cycles of the array for one image; also the words of weights."""
        return self.tiles * self.chunks

    @property
    def parameter_words(self) -> int:
        """Words of the parameter memory."""
        return self.tiles * self.config.drain_words

    @property
    def utilization(self) -> float:
        """Useful multiply-accumulates per multiplier and cycle while the layer runs, 0..1."""
        return self.layer.macs / (self.config.macs * self.steps)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The loop nest, innermost first; levels that a dense layer does not need count to 1."""
        taps, config = self.config.taps, self.config
        chunk = Level(self.chunks, read_step=taps, weight_step=1)
        writes_on = self.tiles > 1 and not self.is_result
        tile = Level(
            self.tiles,
            read_step=-(self.chunks - 1) * taps,
            weight_step=1,
            write_step=config.lanes if writes_on else 0,
        )
        return (chunk, *[Level()] * (config.loops - 2), tile)

    def first_reads(self) -> np.ndarray:
        """(inputs,) time of the step that reads each input first."""
        return np.arange(self.layer.inputs) // self.config.taps

    def last_reads(self) -> np.ndarray:
        """(inputs,) time of the step that reads each input last."""
        return self.first_reads() + (self.tiles - 1) * self.chunks

    def drains(self) -> np.ndarray:
        """(outputs,) time at which each output's word would be written if the pipeline had no latency."""
        tile, lane = np.divmod(np.arange(self.layer.outputs), self.config.lanes)
        return (tile + 1) * self.chunks - 1 + lane // self.config.taps

    @property
    def first_capture(self) -> int:
        """Time of the last step of the first sum, likewise without latency."""
        return self.chunks - 1

    @property
    def drain_free(self) -> int:
        """Least time of the last step of a later sum, so that the drain has finished with this layer."""
        return self.steps - 1 + drain_cycles(self.last_lanes, self.config, self.is_result)

    def weight_words(self) -> np.ndarray:
        """(steps, lanes, taps) weights in the order in which the steps read them; 0 where there is none."""
        config, layer = self.config, self.layer
        padded = np.zeros((self.tiles * config.lanes, self.chunks * config.taps), dtype=np.int64)
        padded[: layer.outputs, : layer.inputs] = layer.weight
        tiled = padded.reshape(self.tiles, config.lanes, self.chunks, config.taps)
        return tiled.transpose(0, 2, 1, 3).reshape(self.steps, config.lanes, config.taps)

    def by_drain_word(self, per_output: np.ndarray, fill: int) -> np.ndarray:
        """(parameter_words, taps) per-output values in the order in which the drain needs them."""
        config = self.config
        lanes = np.full((self.tiles, config.drain_words * config.taps), fill, dtype=np.int64)
        for tile in range(self.tiles):
            part = per_output[tile * config.lanes : (tile + 1) * config.lanes]
            lanes[tile, : len(part)] = part
        return lanes.reshape(self.parameter_words, config.taps)
