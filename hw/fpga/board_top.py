"""Top of a board: clock, reset and pins around the hosted accelerator."""

import math
from dataclasses import dataclass

from amaranth import ClockDomain, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from hw.compiler import Compiled
from hw.fpga.boards import Board
from hw.fpga.devices import Device
from hw.fpga.hosted import HostedAccelerator
from hw.fpga.payload_buffer import buffer_bytes
from hw.fpga.pll import Setting, find_setting, instantiate
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


@dataclass(frozen=True, eq=False)
class BoardPlan:
    """All that is decided before there is hardware; `BoardPlan.of` makes one.

    Parameters
    ----------
    board, device, compiled: the network on the array on an FPGA on a board.
    setting: of the PLL, None for the oscillator's own clock. mhz: the clock. divisor: its cycles a bit of the UART.
    """

    board: Board
    device: Device
    compiled: Compiled
    setting: Setting | None
    mhz: float
    divisor: int

    @classmethod
    def of(
        cls, board: Board, device: Device, compiled: Compiled, *, clock: float | None = None, baud: int = BAUD
    ) -> "BoardPlan":
        """The plan for a clock in MHz, the board's default where it is None, and a UART of `baud` bits a second.

        Raises InputError for a clock or a baud rate that cannot be made, or images that are longer than a frame.
        """
        clock = board.clock if clock is None else clock
        if not 0 < clock < math.inf:
            raise InputError(f"clock must be a number of MHz above 0, not {clock:g}")
        setting = find_setting(device.family, board.oscillator, clock)
        mhz = setting.mhz if setting else board.oscillator
        buffer_bytes(compiled.config, compiled.header.image_words)
        return cls(board, device, compiled, setting, mhz, baud_divisor(mhz, baud))


class BoardTop(wiring.Component):
    """PLL, reset and polarities.

    Parameters
    ----------
    plan: what is to be built.

    Members
    -------
    clk, rx, button: In(1). tx: Out(1). leds: Out(board.leds). See hw.fpga.hosted.HostedAccelerator.
    """

    def __init__(self, plan: BoardPlan):
        self._plan = plan
        hertz = round(plan.mhz * 1e6)
        self._hosted = HostedAccelerator(
            plan.compiled,
            divisor=plan.divisor,
            clock_hz=hertz,
            silence=max(round(hertz * SILENCE), 20 * plan.divisor),
            leds=plan.board.leds,
        )
        super().__init__({"clk": In(1), "rx": In(1), "button": In(1), "tx": Out(1), "leds": Out(plan.board.leds)})

    def elaborate(self, platform):
        """Make the clock, hold the reset until it is steady, and connect the pins."""
        m = Module()
        board, setting = self._plan.board, self._plan.setting
        if setting is None:
            clock, locked = self.clk, 1
        else:
            clock, locked = instantiate(m, self._plan.device.family, setting, board.oscillator, self.clk)
        m.domains.start = start = ClockDomain(reset_less=True, local=True)
        m.domains.sync = sync = ClockDomain(local=True)
        pressed = ~self.button if board.button_low else self.button
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
            self.leds.eq(~hosted.leds if board.leds_low else hosted.leds),
        ]
        return m
