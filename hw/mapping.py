"""How one operation lies on the array: its loop nest, and when each element is read and written.

The loops from inside out: chunk of `taps` inputs, kernel column, kernel row and operand make one sum;
column and row of the pooling window; tile of output channels, output column, output row, group of tiles (the
line along which several columns work side by side comes right after the tile).
Convolution without groups takes a kernel row as one run of consecutive inputs; with groups, a tile takes
some whole groups, or a group takes several tiles.

Times are in cycles after the operation's first step; tensors are (rows, elements of a row). Nothing here
knows of other operations: hw/schedule.py puts them together.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hw.columns import ONE_COLUMN, Columns, arrangements
from hw.config import ArrayConfig
from hw.drain import drain_cycles
from hw.loader import beat_cycles
from hw.operations import Operation
from hw.program import Level
from hw.region import Region

NEVER = 1 << 40
"""Time of the first read of an element that no step reads; its last read is at -NEVER."""


@dataclass(frozen=True)
class Loop:
    """A loop with the strides of its index in each address: in elements, weight words and parameter words."""

    count: int
    read: int = 0
    weight: int = 0
    write: int = 0
    parameter: int = 0


@dataclass(frozen=True)
class Nest:
    """The loops of an operation, each part innermost first, those that count to 1 left out (but the tile's).

    Parameters
    ----------
    reduction: chunk, kernel column, kernel row. operand: the operands' loop, None with a single one.
    pool: column and row of the pooling window. tile: the tiles. outer: output column, output row, group.
    """

    reduction: tuple[Loop, ...]
    operand: Loop | None
    pool: tuple[Loop, ...]
    tile: Loop
    outer: tuple[Loop, ...]

    @property
    def reduction_loops(self) -> int:
        """Levels of one sum, at least 1."""
        return max(1, len(self.reduction) + (self.operand is not None))

    def levels(self, config: ArrayConfig) -> tuple[Level, ...]:
        """As the program has them: config.loops levels, filled up with some that count to 1."""
        none = Loop(1)
        operand = [] if self.operand is None else [self.operand]
        missing = config.reduction_loops - len(self.reduction) - len(operand)
        loops = [*self.reduction, *[none] * missing, *operand]
        loops += [*self.pool, *[none] * (config.pool_loops - len(self.pool)), self.tile, *self.outer]
        loops += [none] * (config.loops - len(loops))
        levels, returned = [], np.zeros(4, dtype=np.int64)
        for loop in loops:
            if loop.count == 1:
                levels.append(Level())
                continue
            strides = np.array((loop.read, loop.weight, loop.write, loop.parameter))
            levels.append(Level(loop.count, *(strides - returned).tolist()))
            returned += (loop.count - 1) * strides
        return tuple(levels)


@dataclass(frozen=True, eq=False)
class Mapping:
    """One operation on one array.

    Parameters
    ----------
    operation: what is computed. config: the array; its memories' depths and its loops do not matter here.
    source, result: regions of its operands and of what it writes.
    columns: what the pixel columns work on.
    """

    operation: Operation
    config: ArrayConfig
    source: Region
    result: Region
    columns: Columns = ONE_COLUMN

    @property
    def is_result(self) -> bool:
        """Whether the sums leave as logits."""
        return self.operation.is_result

    @cached_property
    def _group_outputs(self) -> int:
        return self.operation.outputs // self.operation.groups

    @cached_property
    def _tile_groups(self) -> int:
        """Groups in a tile; 1 also where a group takes several tiles. The fewest steps, then the fewest groups."""
        operation, config = self.operation, self.config
        most = min(operation.groups, config.lanes // self._group_outputs)
        inputs = operation.weight.shape[4]

        def steps(groups: int) -> tuple[int, int]:
            return -(-operation.groups // groups) * -(-groups * inputs // config.taps), groups

        return min(range(1, most + 1), key=steps, default=1)

    @cached_property
    def tile_lanes(self) -> int:
        """Output channels of every tile but the last."""
        outputs = self._group_outputs
        if self.operation.groups == 1:
            return min(self.config.lanes, outputs)
        if outputs <= self.config.lanes:
            return self._tile_groups * outputs
        return max(lanes for lanes in range(1, self.config.lanes + 1) if outputs % lanes == 0)

    @property
    def _tiles_per_group(self) -> int:
        """Tiles of each group where a group takes several; 0 where a tile takes whole groups."""
        split = self.operation.groups > 1 and self._group_outputs > self.config.lanes
        return self._group_outputs // self.tile_lanes if split else 0

    @property
    def tiles(self) -> int:
        """Tiles of output channels."""
        return -(-self.operation.outputs // self.tile_lanes)

    @property
    def last_lanes(self) -> int:
        """Output channels of the last tile."""
        return self.operation.outputs - (self.tiles - 1) * self.tile_lanes

    @property
    def _sums(self) -> int:
        """Sums one after the other."""
        counts = self._counts
        return math.prod(counts.values())

    @cached_property
    def _counts(self) -> dict[str, int]:
        """Iterations of the loops above a sum, innermost first."""
        pool_y, pool_x = (len(starts) for starts in self.columns.pool_starts(self.operation))
        y, x = self.columns.groups(self.operation)
        in_group = self._tiles_per_group or self.tiles
        lines = {"y": y, "x": x} if self.columns.rows > 1 and not self.columns.pools else {"x": x, "y": y}
        return {"pool_x": pool_x, "pool_y": pool_y, "tile": in_group} | lines | {"group": self.tiles // in_group}

    @property
    def result_columns(self) -> int:
        """Columns that the drain gives their turn."""
        return 1 if self.columns.pools else self.config.pixels

    @cached_property
    def _kernel(self) -> tuple[int, int, int]:
        """Runs of consecutive inputs in a window as (rows, columns, elements of a run)."""
        operation = self.operation
        _, _, rows, columns, inputs = operation.weight.shape
        if operation.groups > 1:
            return rows, columns, inputs * self._tile_groups
        run = columns * inputs
        follow = operation.row_dilation == 1 and self.source.contiguous
        if follow and rows == self.source.height and run == self.source.row:
            return 1, 1, rows * run
        return rows, 1, run

    @cached_property
    def chunks(self) -> int:
        """Vectors for one run. A sum shorter than the drain of the tile before it is filled up with zero weights."""
        rows, columns, run = self._kernel
        chunks = -(-run // self.config.taps)
        runs = rows * columns * self.operation.weight.shape[1]
        least = drain_cycles(self.tile_lanes, self.config, self.is_result, self.result_columns)
        least = least if self._sums > 1 else 0
        return max(chunks, -(-least // runs))

    @cached_property
    def sum_steps(self) -> int:
        """Steps of one sum."""
        rows, columns, _ = self._kernel
        return self.chunks * columns * rows * self.operation.weight.shape[1]

    @cached_property
    def steps(self) -> int:
        """Cycles of the array for one image."""
        return self._sums * self.sum_steps

    @cached_property
    def beat_cycles(self) -> np.ndarray:
        """(beats,) cycle in which each beat of an image is all written, if the source is the input's region."""
        source, copies = self.source, self.operation.row_dilation
        row = source.row // copies
        return beat_cycles(self.config, source.height * row, row, copies)

    @property
    def load_cycles(self) -> int:
        """Cycles in which the loader fills the source's region."""
        return int(self.beat_cycles[-1]) + 1

    @property
    def last_beat(self) -> int:
        """Cycle in which the loader takes the last beat of an image; in cycle 0 it takes the first."""
        return int(self.beat_cycles[-2]) + 1 if len(self.beat_cycles) > 1 else 0

    @property
    def utilization(self) -> float:
        """Useful multiply-accumulates per multiplier and cycle while the operation runs, 0..1."""
        return self.operation.macs / (self.config.macs * self.steps)

    @property
    def _own_tiles(self) -> int:
        """Tiles that have weights and parameters of their own."""
        return 1 if self.operation.is_uniform else self.tiles

    @property
    def weight_depth(self) -> int:
        """Words of the weight memory."""
        return self._own_tiles * self.sum_steps

    @property
    def parameter_depth(self) -> int:
        """Words of the parameter memory."""
        return self._own_tiles * self.config.drain_words

    @property
    def read_start(self) -> int:
        """Address of the first vector, relative to the source's base."""
        return self.source.origin - self.operation.padding * (self.source.pitch + self.source.channels)

    def nest(self, operand_distance: int = 0) -> Nest:
        """The loops; `operand_distance` is the address of the second operand less that of the first."""
        operation, source, result = self.operation, self.source, self.result
        rows, columns, _ = self._kernel
        taps, drain_words = self.config.taps, self.config.drain_words
        operands, inputs = operation.weight.shape[1], operation.weight.shape[4]
        column_weights = self.chunks * columns
        whole_groups = self._tile_groups * inputs if operation.groups > 1 and not self._tiles_per_group else 0
        tile_weights, tile_parameters = (0, 0) if operation.is_uniform else (self.sum_steps, drain_words)
        counts, written = self._counts, int(not self.is_result)
        reduction = (
            Loop(self.chunks, read=taps, weight=1),
            Loop(columns, read=source.channels, weight=self.chunks),
            Loop(rows, read=operation.row_dilation * source.pitch, weight=column_weights),
        )
        starts = self.columns.pool_starts(operation)
        apart = [(places[1] if len(places) > 1 else 0) * operation.stride for places in starts]
        pool = (
            Loop(counts["pool_x"], read=apart[1] * source.channels),
            Loop(counts["pool_y"], read=apart[0] * source.pitch),
        )
        together = (1, 1) if self.columns.pools else self.columns.axes
        window = operation.stride * operation.pool_stride
        lines = {
            "x": Loop(
                counts["x"],
                read=together[1] * window * source.channels,
                write=written * together[1] * result.channels,
            ),
            "y": Loop(
                counts["y"], read=together[0] * window * source.pitch, write=written * together[0] * result.pitch
            ),
        }
        lines = [lines[name] for name in counts if name in lines]
        group = Loop(
            counts["group"],
            read=inputs,
            weight=counts["tile"] * tile_weights,
            write=written * self._group_outputs,
            parameter=counts["tile"] * tile_parameters,
        )
        beside = 0 if self.columns.pools else 1  # the line of columns has a place of its own
        outer = (*lines[:beside], *_several((*lines[beside:], group)))
        return Nest(
            reduction=_several(reduction),
            operand=Loop(operands, read=operand_distance, weight=rows * column_weights) if operands > 1 else None,
            pool=_several(pool),
            tile=Loop(counts["tile"], whole_groups, tile_weights, written * self.tile_lanes, tile_parameters),
            outer=outer,
        )

    @cached_property
    def _times(self) -> dict[str, int]:
        """Cycles from one iteration of a loop to the next."""
        row = self.chunks * self._kernel[1]
        times = {"column": self.chunks, "row": row, "operand": row * self._kernel[0]}
        cycles = self.sum_steps
        for name, count in self._counts.items():
            times[name] = cycles
            cycles *= count
        return times

    def _line(self, axis: int) -> tuple[np.ndarray, np.ndarray]:
        """(outputs,) iteration and column of each output along (y, x)."""
        together = 1 if self.columns.pools else self.columns.axes[axis]
        return np.divmod(np.arange(self.operation.shape[axis]), together)

    def _read_times(self, pick) -> np.ndarray:
        """(rows, row elements) `pick`, np.minimum or np.maximum, of the times of an element's reads by operand 0.

        Row and place in the row are loops of their own, so the time is a sum of both loops' times.
        """
        operation, source, times = self.operation, self.source, self._times
        _, _, kernel_rows, kernel_columns, inputs = operation.weight.shape
        rows, _, run = self._kernel
        unread = NEVER if pick is np.minimum else -NEVER
        height, width = source.height, source.row
        if rows < kernel_rows:  # rows that follow each other without a gap are one row
            height, width = 1, height * width

        def window(axis: int, kernel: np.ndarray, x_or_y: str) -> tuple[np.ndarray, np.ndarray]:
            """Places that the axis' loops read, in pixels, and the time of each; shape (output, pool, kernel)."""
            output = np.arange(operation.shape[axis])[:, None, None]
            starts = np.array(self.columns.pool_starts(operation)[axis])
            together = self.columns.axes[axis] if self.columns.pools else 1
            pool = (starts[:, None] + np.arange(together)).reshape(1, -1, 1)
            iteration = np.repeat(np.arange(len(starts)), together).reshape(1, -1, 1)
            place = operation.stride * (operation.pool_stride * output + pool) - operation.padding + kernel
            line = self._line(axis)[0][:, None, None]
            return place, line * times[x_or_y] + iteration * times[f"pool_{x_or_y}"]

        row, row_time = window(0, np.arange(rows) * operation.row_dilation, "y")
        row_time = row_time + np.arange(rows) * times["row"]
        by_row = _picked(pick, unread, height, row, row_time)

        if operation.groups == 1:
            elements = np.arange(run)
            column, column_time = window(1, np.zeros(1, dtype=np.int64), "x")
            place = column * source.channels + elements
            column_time = column_time + elements // self.config.taps
            tiles = np.array([0, self.tiles - 1]) * times["tile"]
            column_time = column_time + pick.reduce(tiles)
        else:
            channel = np.arange(operation.source_shape[2])
            group = channel // inputs
            if self._tiles_per_group:
                tiles = np.array([0, self._tiles_per_group - 1]) * times["tile"]
                channel_time = group * times["group"] + pick.reduce(tiles) + channel % inputs // self.config.taps
            else:
                tile, member = np.divmod(group, self._tile_groups)
                channel_time = tile * times["tile"] + (member * inputs + channel % inputs) // self.config.taps
            column, column_time = window(1, np.arange(kernel_columns), "x")
            column_time = column_time + np.arange(kernel_columns) * times["column"]
            place = column[..., None] * len(channel) + channel
            column_time = column_time[..., None] + channel_time
            inside = (column >= 0) & (column < operation.source_shape[1])
            place = np.where(inside[..., None], place, -1)
        by_place = _picked(pick, unread, width, place, column_time)
        read = (by_row[:, None] != unread) & (by_place[None, :] != unread)
        return np.where(read, by_row[:, None] + by_place[None, :], unread).reshape(source.height, source.row)

    @cached_property
    def _first_reads(self) -> np.ndarray:
        return self._read_times(np.minimum)

    @cached_property
    def _last_reads(self) -> np.ndarray:
        return self._read_times(np.maximum)

    def first_reads(self, operand: int = 0) -> np.ndarray:
        """(rows, row elements) time of the step that reads each element first; NEVER if none does."""
        return self._first_reads + operand * self._times["operand"]

    def last_reads(self, operand: int = 0) -> np.ndarray:
        """(rows, row elements) time of the step that reads each element last; -NEVER if none does."""
        return self._last_reads + operand * self._times["operand"]

    def _places(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(outputs,) tile, lane, and the time of the tile within its row of output positions."""
        tile, lane = np.divmod(np.arange(self.operation.outputs), self.tile_lanes)
        group, in_group = np.divmod(tile, self._tiles_per_group or self.tiles)
        return tile, lane, in_group * self._times["tile"] + group * self._times["group"]

    @cached_property
    def captures(self) -> np.ndarray:
        """(rows, columns, outputs) time of the last step of the last sum of each element."""
        times, (_, _, tile_time) = self._times, self._places()
        position = self._line(0)[0][:, None] * times["y"] + self._line(1)[0] * times["x"]
        return position[..., None] + tile_time + times["tile"] - 1

    def drains(self) -> np.ndarray:
        """(rows, row elements) time at which each element's word would be written if the pipeline had no latency."""
        _, lane, _ = self._places()
        column = (self._line(0)[1][:, None] + self._line(1)[1])[..., None]
        turns = lane // self.config.drain_channels * self.result_columns + column
        return (self.captures + turns).reshape(self.result.height, self.result.row)

    def logits(self) -> np.ndarray:
        """(logits,) time at which each logit would leave if the pipeline had no latency."""
        _, lane, _ = self._places()
        return (self.captures + lane).ravel()

    @property
    def first_capture(self) -> int:
        """Time of the last step of the first sum."""
        return self.sum_steps - 1

    @cached_property
    def drain_free(self) -> int:
        """Least time of the last step of a later sum, so that the drain has finished with this operation."""
        return self.steps - 1 + drain_cycles(self.last_lanes, self.config, self.is_result, self.result_columns)

    def weight_words(self) -> np.ndarray:
        """(weight_depth, lanes, taps) weights in the order in which the steps read them; 0 where there is none."""
        config, weight, groups = self.config, self.operation.weight, self.operation.groups
        outputs, operands, _, _, inputs = weight.shape
        rows, columns, _ = self._kernel
        words = np.zeros((self._own_tiles, operands, rows, columns, self.chunks * config.taps, config.lanes), np.int64)
        tile, lane, _ = self._places()
        if groups == 1:
            runs = weight.reshape(outputs, operands, rows, 1, -1)
            words[tile, :, :, :, : runs.shape[-1], lane] = runs
        else:
            group = np.arange(outputs) // self._group_outputs
            first = 0 if self._tiles_per_group else group % self._tile_groups * inputs
            for offset in range(inputs):
                at = np.broadcast_to(first + offset, outputs)
                here = tile < self._own_tiles
                words[tile[here], :, :, :, at[here], lane[here]] = weight[here, ..., offset]
        shape = (self._own_tiles, operands, rows, columns, self.chunks, config.taps, config.lanes)
        return words.reshape(shape).swapaxes(-1, -2).reshape(self.weight_depth, config.lanes, config.taps)

    def by_drain_word(self, per_output: np.ndarray, fill: int) -> np.ndarray:
        """(parameter_depth, drain_channels) per-output values in the order in which the drain needs them."""
        config = self.config
        lanes = np.full((self._own_tiles, config.drain_words * config.drain_channels), fill, dtype=np.int64)
        tile, lane, _ = self._places()
        here = tile < self._own_tiles
        lanes[tile[here], lane[here]] = per_output[here]
        return lanes.reshape(self.parameter_depth, config.drain_channels)

    @cached_property
    def column_offsets(self) -> tuple[int, ...]:
        """Per column but the first, what it adds to the read address."""
        operation, source, columns = self.operation, self.source, self.columns
        apart = operation.stride if columns.pools else operation.stride * operation.pool_stride
        offsets = [
            apart * (row * source.pitch + place * source.channels)
            for row in range(columns.rows)
            for place in range(columns.across)
        ]
        return (*offsets[1:], *[0] * (self.config.pixels - len(offsets)))

    @property
    def column_write(self) -> int:
        """Distance of the results of two columns."""
        if self.columns.pools:
            return 0
        return self.result.pitch if self.columns.rows > 1 else self.result.channels

    def step_reads(self) -> np.ndarray:
        """(steps,) address of the vector that each step reads in the first column, relative to the source's base."""
        addresses = np.full(1, self.read_start)
        for loop in self._read_loops():
            addresses = (np.arange(loop.count)[:, None] * loop.read + addresses).ravel()
        return addresses

    @property
    def reads_to(self) -> int:
        """End of all that the steps read of one operand, relative to its base; also zero weights' operands."""
        last = sum((loop.count - 1) * loop.read for loop in self._read_loops())
        return self.read_start + last + max((0, *self.column_offsets)) + self.config.taps

    def unaligned_reads(self) -> bool:
        """Whether a vector starts inside of a word, the base being at the start of one."""
        loops = [loop.read for loop in self._read_loops() if loop.count > 1]
        return any(address % self.config.taps for address in (self.read_start, *self.column_offsets, *loops))

    def unaligned_writes(self) -> bool:
        """Whether a vector written starts elsewhere than at a multiple of its length, the base being a word's start."""
        nest = self.nest()
        loops = [loop.write for loop in (nest.tile, *nest.outer) if loop.count > 1]
        addresses = (self.result.origin, self.column_write, *loops)
        return not self.is_result and any(address % self.config.drain_channels for address in addresses)

    def _read_loops(self) -> tuple[Loop, ...]:
        nest = self.nest()
        return (*nest.reduction, *nest.pool, nest.tile, *nest.outer)


def map_operation(operation: Operation, config: ArrayConfig, source: Region, result: Region) -> Mapping:
    """The operation with the arrangement of columns that takes the fewest cycles."""
    mappings = [Mapping(operation, config, source, result, each) for each in arrangements(operation, config.pixels)]
    return min(mappings, key=lambda mapping: mapping.steps)


def _several(loops) -> tuple[Loop, ...]:
    return tuple(loop for loop in loops if loop.count > 1)


def _picked(pick, unread: int, length: int, place: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(length,) `pick` of the times at each place; places outside are left out."""
    place, time = np.broadcast_arrays(place, time)
    inside = (place >= 0) & (place < length)
    picked = np.full(length, unread, dtype=np.int64)
    pick.at(picked, place[inside], time[inside])
    return picked
