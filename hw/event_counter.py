"""Event counter: counts cycles, its event in a register and its carry cut in half."""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

COUNT_CYCLES = 2
"""Cycles from an event to the first one in which it is counted."""


class EventCounter(wiring.Component):
    """Counts the cycles with an event since reset, modulo 2^32.

    The high half counts on when the low one wraps; a flag tells an event ahead that it will, so that both change
    together and neither carry waits for the other.

    Members
    -------
    event: In(1). count: Out(32), `COUNT_CYCLES` later.
    """

    event: In(1)
    count: Out(32)

    def elaborate(self, platform):
        """Build the two halves."""
        m = Module()
        event, low, high, low_is_full = Signal(), Signal(16), Signal(16), Signal()
        m.d.sync += event.eq(self.event)
        m.d.comb += self.count.eq(Cat(low, high))
        with m.If(event):
            m.d.sync += [low.eq(low + 1), low_is_full.eq(low == (1 << len(low)) - 2)]
            with m.If(low_is_full):
                m.d.sync += high.eq(high + 1)
        return m
