"""Queue of a stream behind a source that never asks for more than it holds, so that it need not say when it is full."""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.stream import pipeline


class ResultQueue(wiring.Component):
    """First in, first out: a memory and its output register.

    The library's FIFO with a registered output compares its level in the cycle in which a beat leaves, the longest path
    of the accelerator on iCE40. Here the flag of emptiness and the place behind the reader's are registers.

    Parameters
    ----------
    shape: of a beat. words: that it holds at least.

    Members
    -------
    i: In(pipeline(shape)), a beat a cycle while fewer than `words` wait.
    o: Out(stream(shape)), `latency` cycles later, honours back pressure.
    """

    latency = 2

    def __init__(self, shape, words: int):
        self._address_bits = max(1, ceil_log2(words))
        super().__init__({"i": In(pipeline(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        """Build the memory, its two places, and the flag of emptiness; with one beat they follow each other."""
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.i.payload.shape(), depth=1 << self._address_bits, init=[])
        write, read = memory.write_port(), memory.read_port()
        following = Signal.like(read.addr, init=1)  # the place behind that of the reader
        empty, moves = Signal(init=1), Signal()
        m.d.comb += [
            moves.eq(~self.o.valid | self.o.ready),
            write.en.eq(self.i.valid),
            write.data.eq(self.i.payload),
            read.en.eq(moves),
            self.o.payload.eq(read.data),
        ]
        m.d.sync += empty.eq(~self.i.valid & (empty | (moves & (following == write.addr))))
        with m.If(self.i.valid):
            m.d.sync += write.addr.eq(write.addr + 1)
        with m.If(moves):
            m.d.sync += self.o.valid.eq(~empty)
        with m.If(moves & ~empty):
            m.d.sync += [read.addr.eq(following), following.eq(following + 1)]
        return m
