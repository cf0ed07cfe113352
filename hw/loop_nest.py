"""Affine loop nest: the address generator of the array.

It turns one instruction into one step per cycle. A level that is not at its end *advances* when all
levels inside it are at theirs, and those *return* to their start; exactly one level advances a cycle,
and its increments are added to the four addresses.
"""

from functools import reduce
from operator import or_

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from hw.address import AddressLayout
from hw.address_counter import AddressCounter
from hw.config import ArrayConfig
from hw.gated_adder import gated_sum
from hw.program import instruction_layout, read_address, write_address
from hw.stream import delayed, pipeline


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
    first, last: first and last step of a sum. ends: last step of the operation.
    reads_hidden, reads_signed: from the instruction. odd: parity of the image; only where the array follows its input.
    tile: where the sum goes; meaningful with `last`.
    """
    return data.StructLayout(
        {
            "reads": data.ArrayLayout(read_address(config), config.pixels),
            "weight": ceil_log2(config.weight_words),
            "first": 1,
            "last": 1,
            "ends": 1,
            **({"odd": 1} if config.follows_input else {}),
            "reads_hidden": 1,
            "reads_signed": 1,
            "tile": tile_layout(config),
        }
    )


class LoopNest(wiring.Component):
    """Steps through the loops of one instruction, one step per cycle.

    Counters decide which level advances; the next stage picks what that adds to each address; the last ones add.

    Parameters
    ----------
    config: the array.

    Members
    -------
    start: In(1), takes `instruction`, `odd` and `enable`; allowed where it `rests`.
    instruction: In(instruction_layout). odd: In(1), parity of the image, picks the base addresses.
    enable: In(1), whether the steps are real; otherwise they pass the time.
    running: Out(1), a step is under way in this cycle. rests: Out(1), none is, or the last one.
    o: Out(pipeline(step_layout)), the steps, `latency` cycles after their place in `running`.
    release: Out(2), with the last step of an operation that frees an input buffer: which one.

    The first step is under way in the cycle after `start`. No back pressure.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__(
            {
                "start": In(1),
                "instruction": In(instruction_layout(config)),
                "odd": In(1),
                "enable": In(1),
                "running": Out(1),
                "rests": Out(1, init=1),
                "o": Out(pipeline(step_layout(config))),
                "release": Out(2),
            }
        )

    @staticmethod
    def latency(config: ArrayConfig) -> int:
        """Cycles from a step's place in `running` to `o`: the choice of the level, then the addresses."""
        return 1 + _address_stages(config)

    def elaborate(self, platform):
        """Build the instruction that runs, the counters, the addresses, and the way of the rest beside them."""
        m = Module()
        chosen, step, latency = self.instruction, self.o.payload, self.latency(self.config)
        kept = Signal(chosen.shape(), reset_less=True)
        odd, enabled, release = (Signal(bits, reset_less=True) for bits in (1, 1, 2))
        begins = Signal()  # the step is the first one of its operation
        # Whatever instruction is offered while no other one runs is taken over and over; `start` only sets it going.
        m.d.sync += [begins.eq(self.start), self.running.eq(self.start | ~self.rests)]
        with m.If(self.rests):
            m.d.sync += [kept.eq(chosen), odd.eq(self.odd), enabled.eq(self.enable)]
            m.d.sync += release.eq(Mux(chosen.releases_input & self.enable, Mux(self.odd, 0b10, 0b01), 0))

        at_end = self._count(m, kept)
        described = self._describe(m, kept, at_end)
        if self.config.follows_input:
            m.d.comb += described.odd.eq(odd)
        m.d.comb += [
            step.eq(delayed(m, described, latency)),
            self.o.valid.eq(delayed(m, self.running & enabled, latency, reset=True)),
            self.release.eq(delayed(m, Mux(self.running & self.rests, release, 0), latency, reset=True)),
        ]
        self._address(m, kept, odd, at_end, begins)
        return m

    def _count(self, m: Module, kept) -> list:
        """Count each level down, and find a cycle before whether a step is the last one; returns who is at its end.

        A step before the last one advances a level to its end; all outer ones are there, and all inner ones have but
        one iteration, so that they are there for good.
        """
        at_end, single, end_nears = [], [], []
        for index, (level, next_level) in enumerate(zip(kept.levels, self.instruction.levels, strict=True)):
            left = Signal(level.rest.shape(), name=f"left_{index}", reset_less=True)
            ends, only = (Signal(name=f"{name}_{index}", reset_less=True) for name in ("at_end", "single"))
            term = Mux(self.rests | ends, Mux(self.rests, next_level.rest, level.rest), -1).as_unsigned()[: len(left)]
            total = gated_sum(m, f"counter_{index}", left.as_unsigned(), term, self.rests | ends)
            with m.If(self.rests | _all(at_end)):
                m.d.sync += left.eq(total)
                m.d.sync += ends.eq(Mux(self.rests, _is_last(next_level.rest), Mux(ends, only, _is_next_to_last(left))))
            with m.If(self.rests):
                m.d.sync += only.eq(_is_last(next_level.rest))
            end_nears.append(_all(single) & _is_next_to_last(left))
            at_end.append(ends)
            single.append(only)
        next_is_last = reduce(or_, (nears & _all(at_end[index + 1 :]) for index, nears in enumerate(end_nears)))
        is_one_step = _all(_is_last(level.rest) for level in self.instruction.levels)
        m.d.sync += self.rests.eq(Mux(self.rests, ~self.start | is_one_step, next_is_last))
        return at_end

    def _describe(self, m: Module, kept, at_end: list) -> Signal:
        """All of a step but its addresses."""
        config, step = self.config, Signal(step_layout(self.config), name="step")
        pool_at_end = _all(at_end[config.reduction_loops : config.tile_loop])
        sum_ends, first = _all(at_end[: config.reduction_loops]), Signal()
        m.d.sync += first.eq(self.rests | sum_ends)
        m.d.comb += [
            step.first.eq(first),
            step.last.eq(sum_ends),
            step.ends.eq(self.rests),
            step.reads_hidden.eq(kept.reads_hidden),
            step.reads_signed.eq(Mux(at_end[config.reduction_loops - 1], kept.reads_signed[1], kept.reads_signed[0])),
            step.tile.lanes.eq(Mux(at_end[config.tile_loop], kept.last_lanes, kept.tile_lanes)),
            step.tile.final.eq(_all(at_end[config.tile_loop :])),
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
            with m.If(self.rests):
                m.d.sync += starts_pool.eq(1)
            with m.Elif(sum_ends):
                m.d.sync += starts_pool.eq(pool_at_end)
            m.d.comb += [step.tile.starts_pool.eq(starts_pool), step.tile.ends_pool.eq(pool_at_end)]
        return step

    def _address(self, m: Module, kept, odd: Signal, at_end: list, begins: Signal) -> None:
        """Step all addresses."""
        config, target = self.config, self.o.payload
        # The level that advances: the innermost one that is not at its end. Behind the last step it matters no more.
        advancing = Signal(config.loops)
        inner_at_end = 1
        for index, ends in enumerate(at_end):
            m.d.sync += advancing[index].eq(inner_at_end & ~ends)
            inner_at_end = inner_at_end & ends
        first = Signal()
        m.d.sync += first.eq(begins)

        stages, read, write = _address_stages(config), read_address(config), write_address(config)
        weight, parameter = (AddressLayout(words, 1, False) for words in (config.weight_words, config.parameter_words))
        counters = [
            *((f"read_{i}", read, Mux(odd, *bases[::-1]), "read_step") for i, bases in enumerate(kept.read_bases)),
            ("write", write, Mux(odd, *kept.write_bases[::-1]), "write_step"),
            ("weight", weight, kept.weight_base, "weight_step"),
            ("parameter", parameter, kept.parameter_base, "parameter_step"),
        ]
        targets = [*target.reads, target.tile.write, target.weight, target.tile.parameter]
        for (name, layout, base, field), each in zip(counters, targets, strict=True):
            m.submodules[name] = counter = AddressCounter(layout, stages)
            step = Signal(layout, name=f"{name}_step", reset_less=True)
            steps = [
                Mux(chosen, Value.cast(level[field]), 0) for chosen, level in zip(advancing, kept.levels, strict=True)
            ]
            m.d.sync += step.as_value().eq(Mux(begins, Value.cast(base), reduce(or_, steps)))
            m.d.comb += [counter.step.eq(step), counter.first.eq(first)]
            m.d.comb += Value.cast(each).eq(counter.address.as_value())


def _address_stages(config: ArrayConfig) -> int:
    """Cycles of an address counter; all have as many, for their addresses belong together."""
    return 1 + (read_address(config).unaligned or write_address(config).unaligned)


def _is_last(left: Value) -> Value:
    """Whether a level with so much left is in its last iteration: -2."""
    return left[-1] & ~left[0]


def _is_next_to_last(left: Value) -> Value:
    """Whether a level with so much left is in the iteration before its last one: -1."""
    return left[-1] & left[0]


def _all(conditions):
    """Conjunction of a list of 1-bit values; true for none."""
    result = 1
    for condition in conditions:
        result = result & condition
    return result
