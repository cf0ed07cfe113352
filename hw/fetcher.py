"""Fetcher: reads the program ahead of the sequencer, so that an instruction can start in any cycle.

Two instructions are on their way: one in the output register of the program memory, and the `next` one, which
starts next. Both move on when the next one is taken. Behind the end of a segment comes the begin of the body;
`divert` drops both and reads the drain segment.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.config import ArrayConfig
from hw.program import header_layout, instruction_layout

DIVERT_CYCLES = 3
"""Cycles from `divert` to the first one in which the drain segment's first instruction can start."""


class Fetcher(wiring.Component):
    """Keeps the next instruction ready.

    Parameters
    ----------
    config: the array.

    Members
    -------
    header: In(header_layout).
    address, enable: Out, instruction: In: the program memory, whose output register `enable` moves on.
    next: Out(instruction_layout), valid: Out(1): the instruction that starts next.
    upcoming, upcoming_valid: Out, likewise: the one behind it, which takes its place with `enable`.
    take: In(1), with `valid`, it starts. divert: In(1), drop it; the drain segment comes next.
    current: Out, place in the program of the instruction that was taken last.

    An instruction a cycle; 2 cycles from a reset to the first one.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__(
            {
                "header": In(header_layout(config)),
                "address": Out(ceil_log2(config.program_words)),
                "enable": Out(1),
                "instruction": In(instruction_layout(config)),
                "next": Out(instruction_layout(config)),
                "valid": Out(1),
                "upcoming": Out(instruction_layout(config)),
                "upcoming_valid": Out(1),
                "take": In(1),
                "divert": In(1),
                "current": Out(ceil_log2(config.program_words)),
            }
        )

    def elaborate(self, platform):
        """Build the address, and the register behind the memory's."""
        m = Module()
        following, ends = Signal(range(self.config.program_words + 1)), Signal()
        current = Signal.like(self.current, reset_less=True)
        next_instruction = Signal(self.next.shape(), reset_less=True)
        upcoming_place, next_place = (Signal.like(self.current, reset_less=True) for _ in range(2))
        m.d.comb += [
            self.next.eq(next_instruction),
            self.upcoming.eq(self.instruction),
            self.enable.eq(self.take | ~self.valid),
            following.eq(self.address + 1),
            ends.eq((following == self.header.drain_start) | (following == self.header.drain_end)),
            self.current.eq(current),
        ]
        # What is next is taken or stays, so that it is there a cycle after what comes behind it; a divert drops both.
        m.d.sync += [
            self.upcoming_valid.eq(~self.divert),
            self.valid.eq(self.upcoming_valid & ~self.divert),
        ]
        with m.If(self.divert):
            m.d.sync += self.address.eq(self.header.drain_start)
        with m.Elif(self.enable):
            m.d.sync += self.address.eq(Mux(ends, 0, following))
        with m.If(self.enable):
            m.d.sync += [
                next_instruction.eq(self.instruction),
                upcoming_place.eq(self.address),
                next_place.eq(upcoming_place),
            ]
        with m.If(self.take):
            m.d.sync += current.eq(next_place)
        return m
