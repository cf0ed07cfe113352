"""Top of a board: clock, reset and pins around the hosted accelerator, which is what the simulation runs."""

from amaranth import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from hw.compiler import Compiled
from hw.fpga.boards import Board
from hw.fpga.devices import Device
from hw.fpga.hosted import HostedAccelerator
from hw.fpga.pll import find_setting, instantiate
from sw.errors import InputError

TOP = "board"
"""Name of the module."""
BAUD = 115200
BAUD_TOLERANCE = 0.01
"""Share by which the UART may be faster or slower than asked for."""
SILENCE = 0.05
"""Seconds without a byte that end a frame; the packets of a USB bridge lie closer together."""
RESET_CYCLES = 4096
"""So long the reset stays after the clock is there: the block RAMs of iCE40 are not readable at once."""


def baud_divisor(clock: float, baud: int) -> int:
    """Clock cycles a bit at `clock` MHz. Raises InputError where the UART would be off by more than BAUD_TOLERANCE."""
    most = int(clock * 1e6) // 4
    if not 300 <= baud <= most:
        raise InputError(f"baud must be 300..{most} with a clock of {clock:g} MHz, not {baud}")
    divisor = round(clock * 1e6 / baud)
    if abs(clock * 1e6 / divisor / baud - 1) > BAUD_TOLERANCE:
        raise InputError(
            f"baud must be a whole fraction of the clock of {clock:g} MHz, within {BAUD_TOLERANCE:.0%}, not {baud}"
        )
    return divisor


class BoardTop(wiring.Component):
    """PLL, reset and polarities.

    Parameters
    ----------
    board: which one. device: its FPGA. compiled: the network on the array.
    clock: MHz that are wanted; None for the board's default. baud: of the UART.

    Attributes
    ----------
    mhz: the clock that it gets.

    Members
    -------
    clk, rx, button: In(1). tx: Out(1). leds: Out(board.leds). See hw.fpga.hosted.HostedAccelerator.

    Raises InputError for a clock or a baud rate that cannot be made.
    """

    def __init__(
        self, board: Board, device: Device, compiled: Compiled, *, clock: float | None = None, baud: int = BAUD
    ):
        self._board, self._device = board, device
        self._setting = find_setting(device.family, board.oscillator, clock or board.clock)
        self.mhz = self._setting.mhz if self._setting else board.oscillator
        hertz = round(self.mhz * 1e6)
        divisor = baud_divisor(self.mhz, baud)
        silence = max(round(hertz * SILENCE), 20 * divisor)
        self._hosted = HostedAccelerator(compiled, divisor=divisor, clock_hz=hertz, silence=silence, leds=board.leds)
        super().__init__({"clk": In(1), "rx": In(1), "button": In(1), "tx": Out(1), "leds": Out(board.leds)})

    def elaborate(self, platform):
        """Make the clock, hold the reset until it is steady, and connect the pins."""
        m = Module()
        if self._setting is None:
            clock, locked = self.clk, 1
        else:
            clock, locked = instantiate(m, self._device.family, self._setting, self._board.oscillator, self.clk)
        m.domains.start = start = ClockDomain(reset_less=True, local=True)
        m.domains.sync = sync = ClockDomain(local=True)
        pressed = ~self.button if self._board.button_low else self.button
        steady, waited = Signal(), Signal(range(RESET_CYCLES))
        m.submodules.synchronizer = FFSynchronizer(locked & ~pressed, steady, o_domain="start")
        with m.If(~steady):
            m.d.start += waited.eq(0)
        with m.Elif(waited != RESET_CYCLES - 1):
            m.d.start += waited.eq(waited + 1)
        held = Signal(init=1)
        m.d.start += held.eq(waited != RESET_CYCLES - 1)
        m.d.comb += [start.clk.eq(clock), sync.clk.eq(clock), sync.rst.eq(held)]

        m.submodules.hosted = hosted = self._hosted
        m.d.comb += [
            hosted.rx.eq(self.rx),
            self.tx.eq(hosted.tx),
            self.leds.eq(~hosted.leds if self._board.leds_low else hosted.leds),
        ]
        return m
