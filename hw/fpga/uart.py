"""UART: bytes over one wire each way, 8 data bits, no parity, one stop bit."""

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.stream import pipeline

BITS = 10
"""Of a byte on the wire: start, eight of data with the lowest first, stop."""
LEAST_DIVISOR = 4
"""Clock cycles a bit: with fewer, a sample may miss the bit where the two clocks differ by 2 %."""

received_byte = data.StructLayout({"byte": 8, "error": 1})
"""What came in; `error`: its stop bit was not 1, so it is none or is damaged."""


def _check_divisor(divisor: int) -> int:
    if not isinstance(divisor, int):
        raise TypeError(f"divisor must be an int, not {type(divisor).__name__}")
    if divisor < LEAST_DIVISOR:
        raise ValueError(f"divisor must be {LEAST_DIVISOR} or more, not {divisor}")
    return divisor


class UartReceiver(wiring.Component):
    """Samples each bit in its middle, counted from the falling edge of the start bit.

    Parameters
    ----------
    divisor: clock cycles a bit.

    Members
    -------
    rx: In(1), the wire, synchronous to the clock. o: Out(pipeline(received_byte)), in the middle of the stop bit.

    A start bit that is over before its middle is a glitch and starts nothing; a wire that stays low gives one byte.
    """

    def __init__(self, divisor: int):
        self.divisor = _check_divisor(divisor)
        super().__init__({"rx": In(1, init=1), "o": Out(pipeline(received_byte))})

    def elaborate(self, platform):
        """Build the counter of cycles to the next sample and the shift register."""
        m = Module()
        left, timer = Signal(range(BITS + 1)), Signal(range(self.divisor))  # samples of this byte, cycles to the next
        shifted, before = Signal(8), Signal(init=1)
        sample = (left != 0) & (timer == 0)
        m.d.sync += before.eq(self.rx)
        with m.If(left == 0), m.If(before & ~self.rx):
            m.d.sync += [left.eq(BITS), timer.eq(self.divisor // 2 - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Elif((left == BITS) & self.rx):
            m.d.sync += left.eq(0)
        with m.Else():
            m.d.sync += [left.eq(left - 1), timer.eq(self.divisor - 1)]
            with m.If(left != 1):
                m.d.sync += shifted.eq(Cat(shifted[1:], self.rx))
        m.d.comb += [
            self.o.valid.eq(sample & (left == 1)),
            self.o.payload.byte.eq(shifted),
            self.o.payload.error.eq(~self.rx),
        ]
        return m


class UartTransmitter(wiring.Component):
    """Sends bytes one after the other.

    Parameters
    ----------
    divisor: clock cycles a bit.

    Members
    -------
    i: In(stream(8)), honours back pressure: ready while nothing is sent. tx: Out(1), the wire.
    """

    def __init__(self, divisor: int):
        self.divisor = _check_divisor(divisor)
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        """Build the shift register: the bit on the wire is its lowest."""
        m = Module()
        left, timer = Signal(range(BITS + 1)), Signal(range(self.divisor))
        shifted = Signal(BITS, init=-1)
        m.d.comb += [self.i.ready.eq(left == 0), self.tx.eq(shifted[0])]
        with m.If(left == 0), m.If(self.i.valid):
            m.d.sync += [shifted.eq(Cat(Const(0, 1), self.i.payload, Const(1, 1))), left.eq(BITS)]
            m.d.sync += timer.eq(self.divisor - 1)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        with m.Else():
            m.d.sync += [shifted.eq(Cat(shifted[1:], Const(1, 1))), left.eq(left - 1), timer.eq(self.divisor - 1)]
        return m
