"""The accelerator behind a UART: what a board holds, except for its pins and its clock."""

from amaranth import Cat, Module, Mux, ResetInserter
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from hw.accelerator import Counters
from hw.compiler import Compiled
from hw.fpga.host_link import HostLink
from hw.fpga.uart import UartReceiver, UartTransmitter
from hw.stream import connect


class HostedAccelerator(wiring.Component):
    """UART, host link and accelerator.

    Parameters
    ----------
    compiled: the network on the array.
    divisor: clock cycles a bit of the UART. clock_hz: of the clock, for the host to know.
    silence: cycles without a byte that end a frame. leds: how many there are, 1 or more.

    Members
    -------
    rx: In(1), tx: Out(1), the wires, high while nothing is sent; rx is synchronized here.
    leds: Out(leds), the label of the last image in binary, and the highest one on when there was an image.
    """

    def __init__(self, compiled: Compiled, *, divisor: int, clock_hz: int, silence: int, leds: int):
        self._accelerator = compiled.accelerator()
        self._link = HostLink(compiled.config, compiled.header.image_words, clock_hz=clock_hz, silence=silence)
        self._divisor = divisor
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "leds": Out(leds)})

    def elaborate(self, platform):
        """Connect the streams."""
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self._divisor)
        m.submodules.transmitter = transmitter = UartTransmitter(self._divisor)
        m.submodules.link = link = self._link
        accelerator = self._accelerator
        m.submodules.accelerator = ResetInserter(link.reset)(accelerator)
        m.submodules.synchronizer = FFSynchronizer(self.rx, receiver.rx, init=1)
        connect(m, receiver.o, link.i)
        connect(m, link.o, transmitter.i)
        connect(m, link.o_pixels, accelerator.i_pixels)
        connect(m, accelerator.o_result, link.i_result)
        m.d.comb += [getattr(link.counters, name).eq(getattr(accelerator.counters, name)) for name in Counters.NAMES]
        if accelerator.config.reloadable:
            connect(m, link.o_load, accelerator.i_load)
            m.d.comb += link.load_status.eq(accelerator.load_status)
        m.d.comb += [
            self.tx.eq(transmitter.tx),
            self.leds.eq(Mux(link.labelled, Cat(link.label, 0)[: len(self.leds) - 1] | 1 << len(self.leds) - 1, 0)),
        ]
        return m
