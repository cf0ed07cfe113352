"""Affine loop nest: the address generator of the array.

It turns one instruction into one step per cycle. A level that is not at its end *advances* when all
levels inside it are at theirs, and those *return* to their start; exactly one level advances a cycle,
and its increments are added to the four addresses.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from hw.config import ArrayConfig
from hw.program import instruction_layout, read_address, write_address
from hw.stream import pipeline


def tile_layout(config: ArrayConfig) -> data.StructLayout:
    """What the drain needs to know of one tile of output channels at one position.

    Members
    -------
    write: element address of the first channel; parameter: its word in the parameter memory.
    pools_columns, column_write: from the instruction; columns: those that have a result; only with several columns.
    lanes: channels in this tile. final: the last tile of the operation.
    starts_pool, ends_pool: first and last position of a pooling window; only where the array pools.
    writes_signed, high, is_result: from the instruction.
    """
    columns = {"pools_columns": 1, "column_write": write_address(config), "columns": bits_for(config.pixels)}
    return data.StructLayout(
        {
            **(columns if config.pixels > 1 else {}),
            "write": write_address(config),
            "parameter": ceil_log2(config.parameter_words),
            "lanes": bits_for(config.lanes),
            "final": 1,
            **({"starts_pool": 1, "ends_pool": 1} if config.pool_loops else {}),
            "writes_signed": 1,
            "high": config.activation_bits,
            "is_result": 1,
        }
    )


def step_layout(config: ArrayConfig) -> data.StructLayout:
    """One cycle of the array.

    Members
    -------
    reads: per column, element address of the vector of activations; weight: word of the weight memory.
    first, last: first and last step of a sum. reads_hidden, reads_signed: from the instruction.
    tile: where the sum goes; meaningful with `last`.
    """
    return data.StructLayout(
        {
            "reads": data.ArrayLayout(read_address(config), config.pixels),
            "weight": ceil_log2(config.weight_words),
            "first": 1,
            "last": 1,
            "reads_hidden": 1,
            "reads_signed": 1,
            "tile": tile_layout(config),
        }
    )


class LoopNest(wiring.Component):
    """Steps through the loops of one instruction, one step per cycle.

    Parameters
    ----------
    config: the array.

    Members
    -------
    start: In(1), takes `instruction`, `odd` and `enable`; allowed if not `running` or with `done`.
    instruction: In(instruction_layout). odd: In(1), parity of the image, picks the base addresses.
    enable: In(1), whether the steps are real; otherwise they pass the time.
    hold: In(1), make no step in this cycle. ends: Out(1), the next step is the last one. Both only where the array
        follows its input.
    running: Out(1), a step is made in this cycle, or held. done: Out(1), the last one is made.
    o: Out(pipeline(step_layout)), the steps.

    The first step is made one cycle after `start`. No back pressure.
    """

    latency = 1

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "instruction": In(instruction_layout(config)),
                "odd": In(1),
                "enable": In(1),
                **({"hold": In(1), "ends": Out(1)} if config.follows_input else {}),
                "running": Out(1),
                "done": Out(1),
                "o": Out(pipeline(step_layout(config))),
            }
        )

    def elaborate(self, platform):
        """Build the counters, the choice of the level that advances, and the addresses."""
        m = Module()
        config, step = self.config, self.o.payload
        layout, write_layout = read_address(config), write_address(config)
        kept = Signal(instruction_layout(config))  # the instruction that runs
        enabled, first = Signal(), Signal()
        reads = [Signal(layout, name=f"read_{column}") for column in range(config.pixels)]
        write = Signal(write_layout)
        weight, parameter = Signal(step.weight.shape()), Signal(step.tile.parameter.shape())
        remaining = [Signal(config.count_bits, name=f"remaining_{i}") for i in range(config.loops)]
        at_end = [count == 0 for count in remaining]

        sum_ends, outer_at_end, all_at_end = Signal(), Signal(), Signal()
        pool_at_end = _all(at_end[config.reduction_loops : config.tile_loop])
        m.d.comb += sum_ends.eq(_all(at_end[: config.reduction_loops]))
        m.d.comb += outer_at_end.eq(_all(at_end[config.tile_loop :]))
        m.d.comb += all_at_end.eq(sum_ends & pool_at_end & outer_at_end)
        steps = Signal()
        m.d.comb += steps.eq(self.running & ~(self.hold & enabled) if config.follows_input else self.running)
        m.d.comb += self.done.eq(steps & all_at_end)
        if config.follows_input:
            m.d.comb += self.ends.eq(all_at_end)

        # The level that advances: the innermost one that is not at its end.
        advance = Signal(kept.levels.shape().elem_shape)
        inner_at_end = 1
        with m.If(steps):
            for level, (count, fields) in enumerate(zip(remaining, kept.levels, strict=True)):
                with m.If(inner_at_end & at_end[level]):
                    m.d.sync += count.eq(fields.last)
                with m.If(inner_at_end & ~at_end[level]):
                    m.d.sync += count.eq(count - 1)
                    m.d.comb += advance.eq(fields)
                inner_at_end = inner_at_end & at_end[level]
            m.d.sync += [
                *(read.eq(layout.add(read, advance.read_step)) for read in reads),
                weight.eq(weight + advance.weight_step),
                write.eq(write_layout.add(write, advance.write_step)),
                parameter.eq(parameter + advance.parameter_step),
                first.eq(sum_ends),
            ]
            with m.If(self.done):
                m.d.sync += self.running.eq(0)

        with m.If(self.start):
            chosen = self.instruction
            base = Signal(layout)
            m.d.comb += base.eq(Mux(self.odd, chosen.read_bases[1], chosen.read_bases[0]))
            if config.pixels > 1:
                offsets = zip(reads[1:], chosen.column_offsets, strict=True)
                m.d.sync += [read.eq(layout.add(base, offset)) for read, offset in offsets]
            m.d.sync += [
                kept.eq(chosen),
                enabled.eq(self.enable),
                self.running.eq(1),
                reads[0].eq(base),
                weight.eq(chosen.weight_base),
                write.eq(Mux(self.odd, chosen.write_bases[1], chosen.write_bases[0])),
                parameter.eq(chosen.parameter_base),
                first.eq(1),
                *(count.eq(fields.last) for count, fields in zip(remaining, chosen.levels, strict=True)),
            ]

        m.d.comb += [
            self.o.valid.eq(steps & enabled),
            *(step.reads[column].eq(read) for column, read in enumerate(reads)),
            step.weight.eq(weight),
            step.first.eq(first),
            step.last.eq(sum_ends),
            step.reads_hidden.eq(kept.reads_hidden),
            step.reads_signed.eq(Mux(at_end[config.reduction_loops - 1], kept.reads_signed[1], kept.reads_signed[0])),
            step.tile.write.eq(write),
            step.tile.parameter.eq(parameter),
            step.tile.lanes.eq(Mux(at_end[config.tile_loop], kept.last_lanes, kept.tile_lanes)),
            step.tile.final.eq(outer_at_end),
            step.tile.writes_signed.eq(kept.writes_signed),
            step.tile.high.eq(kept.high),
            step.tile.is_result.eq(kept.is_result),
        ]
        if config.pixels > 1:
            groups_at_end = _all(at_end[config.tile_loop + 1 : config.tile_loop + 2])
            m.d.comb += [
                step.tile.pools_columns.eq(kept.pools_columns),
                step.tile.column_write.eq(kept.column_write),
                step.tile.columns.eq(Mux(groups_at_end, kept.last_columns, config.pixels)),
            ]
        if config.pool_loops:
            starts_pool = Signal()
            with m.If(steps & sum_ends):
                m.d.sync += starts_pool.eq(pool_at_end)
            with m.If(self.start):
                m.d.sync += starts_pool.eq(1)
            m.d.comb += [step.tile.starts_pool.eq(starts_pool), step.tile.ends_pool.eq(pool_at_end)]
        return m


def _all(conditions):
    """Conjunction of a list of 1-bit values; true for none."""
    result = 1
    for condition in conditions:
        result = result & condition
    return result
