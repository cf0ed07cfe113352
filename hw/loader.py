"""Loader: writes the pixel stream into the input memory, two images in turn."""

import numpy as np
from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import ArrayConfig
from hw.memories import write_layout
from hw.program import header_layout, input_address
from hw.spreader import Spreader, spread_cycles
from hw.stream import connect, pipeline


def pixels_layout(config: ArrayConfig) -> data.ArrayLayout:
    """One beat of the pixel stream: `taps` pixels, the first one in the lowest bits."""
    return data.ArrayLayout(config.input_bits, config.taps)


def beat_cycles(config: ArrayConfig, pixels: int, row: int, copies: int) -> np.ndarray:
    """(beats,) cycle in which each beat of an image is all written; in cycle 0 the first one is taken.

    For an unbroken stream. pixels: of an image; row: of a row, channels counted. copies: interleaved rows, see
    hw/spreader.py.
    """
    if config.spreads_input:
        return spread_cycles(config, pixels, row, copies)
    return np.arange(-(-pixels // config.taps))


class Loader(wiring.Component):
    """Fills the buffer of the even images and that of the odd ones in turn.

    Parameters
    ----------
    config: the array.

    Members
    -------
    header: In(header_layout), describes an image.
    i: In(stream(pixels_layout)), honours back pressure: ready while the buffer in turn is free.
    o: Out(pipeline(write_layout)), to the input memory.
    full: Out(2), which buffers hold a whole image. release: In(2), buffers to free.
    arrives: Out(1), one more image may be admitted: it is now whole or, where the header says `follows`, begun.
    pause: In(1), begin no further image. empty: Out(1), no image is in the buffers or on its way to them.
    written: Out(1), a beat is now all written. next_start: Out, with it, where the next beat of the image goes.

    A beat a cycle; where the array spreads its input, see hw/spreader.py.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__(
            {
                "header": In(header_layout(config)),
                "i": In(stream.Signature(pixels_layout(config))),
                "o": Out(pipeline(write_layout(input_address(config), config.input_bits, config.interleave))),
                "full": Out(2),
                "arrives": Out(1),
                "release": In(2),
                "pause": In(1),
                "empty": Out(1),
                "written": Out(1),
                "next_start": Out(input_address(config)),
            }
        )

    def elaborate(self, platform):
        """Build the beat counter, the two flags, and the way of a beat to the memory."""
        m = Module()
        address, header = input_address(self.config), self.header
        odd, following = Signal(), Signal(address, reset_less=True)
        # Beats behind this one, less one: negative at the last. An image takes half of the memory: the sign has a bit.
        left = Signal(len(header.image_words), reset_less=True)
        free, begins, ends, ends_image = Signal(), Signal(init=1), Signal(), Signal()
        start = Signal(address)  # where the beat goes
        is_last = Mux(begins, header.image_words == 1, left[-1])
        m.d.comb += [
            free.eq(~self.full.bit_select(odd, 1) & ~(self.pause & begins)),
            ends_image.eq(self.written & ends),
            start.eq(Mux(begins, Mux(odd, header.bases[1], header.bases[0]), following)),
            self.arrives.eq(
                Mux(header.follows, self.written & begins, ends_image) if self.config.follows_input else ends_image
            ),
        ]
        if self.config.spreads_input:
            m.submodules.spreader = spreader = Spreader(self.config)
            m.d.sync += ends.eq(is_last)  # in time: a beat is never written in the cycle in which it is taken
            m.d.comb += [
                spreader.header.eq(header),
                spreader.i.payload.eq(self.i.payload),
                spreader.i.valid.eq(self.i.valid & free),
                self.i.ready.eq(spreader.i.ready & free),
                spreader.start.eq(start),
                spreader.begins_image.eq(begins),
                spreader.ends_image.eq(ends),
                self.written.eq(spreader.written),
                self.next_start.eq(spreader.next_start),
                self.empty.eq(begins & (self.full == 0) & spreader.i.ready),
            ]
            connect(m, spreader.o, wiring.flipped(self.o))
        else:
            m.d.comb += [
                ends.eq(is_last),
                self.i.ready.eq(free),
                self.written.eq(self.i.valid & free),
                self.o.payload.address.eq(start),
                self.o.payload.elements.eq(self.i.payload),
                self.o.payload.mask.eq(-1),
                self.o.valid.eq(self.written),
                self.next_start.eq(address.add(start, address.const(address.split(self.config.taps)))),
                self.empty.eq(begins & (self.full == 0)),
            ]
        with m.If(self.written):
            m.d.sync += following.eq(self.next_start)
            m.d.sync += left.eq(Mux(begins, header.image_words - 3, left - 1))
        # With an enable these would wait for a gate that lets a reset through it.
        m.d.sync += [begins.eq((self.written & ends) | (begins & ~self.written)), odd.eq(odd ^ ends_image)]
        m.d.sync += self.full.eq((self.full & ~self.release) | Mux(ends_image, Mux(odd, 0b10, 0b01), 0))
        return m
