"""Spreader: writes a beat of pixels with gaps behind the rows, or several times with rows interleaved.

The gap is the border of zeros that a padded convolution reads; nobody writes it. With c copies, element
(y, x, i) of the input's region is pixel (y + i, x) for i < c, so that c kernel rows are one run of consecutive
elements: the convolution of an image of one channel then fills vectors of more taps than its kernel has columns.

A beat is written once for each row that it touches; of each, copy after copy, copy i a row higher and an element
further than the one before it; of each copy, part after part, for elements whose distance has a common divisor
with the number of banks share banks.
"""

from math import gcd

import numpy as np
from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from hw.config import ArrayConfig
from hw.memories import write_layout
from hw.program import header_layout, input_address
from hw.stream import pipeline

WRITE_CYCLES = 1
"""Cycles from `written` to the last write of a beat: a register behind the mask."""


def parts(config: ArrayConfig) -> int:
    """Writes of one copy of a beat."""
    return gcd(config.interleave, config.taps)


def spread_cycles(config: ArrayConfig, pixels: int, row: int, copies: int) -> np.ndarray:
    """(beats,) cycle of each beat's last write, see hw.loader.beat_cycles: each beat is taken, then written."""
    starts = np.arange(0, pixels, config.taps)
    rows = (np.minimum(starts + config.taps, pixels) - 1) // row - starts // row + 1
    return np.cumsum(1 + rows * (copies * parts(config) if copies > 1 else 1)) - 1


class Spreader(wiring.Component):
    """Takes a beat, then makes all its writes.

    Parameters
    ----------
    config: the array.

    Members
    -------
    header: In(header_layout), describes an image.
    i: In(stream), a beat of pixels. With it come `start`: In, the address of its first pixel's first copy, and
        begins_image: In(1). ends_image: In(1), from the cycle after until it is written.
    o: Out(pipeline(write_layout)), one write a cycle, WRITE_CYCLES later.
    written: Out(1), the last write of the beat. next_start: Out, with it, where the next beat goes.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        pixels = write_layout(input_address(config), config.input_bits, config.interleave)
        super().__init__(
            {
                "header": In(header_layout(config)),
                "i": In(stream.Signature(pixels.members["elements"])),
                "start": In(input_address(config)),
                "begins_image": In(1),
                "ends_image": In(1),
                "o": Out(pipeline(pixels)),
                "written": Out(1),
                "next_start": Out(input_address(config)),
            }
        )

    def elaborate(self, platform):
        """Build the loops over rows, copies and parts; what a row needs is computed while the one before is written."""
        m = Module()
        config, header, address = self.config, self.header, input_address(self.config)
        taps, most = config.taps, self.config.interleave
        write = Signal.like(self.o.payload)
        busy, held = Signal(), Signal.like(write.elements)
        place = Signal(address)  # of what is written now
        begin, after = Signal(address), Signal(address)  # of the row's first copy, and of the next row's
        # The row that is written ends before element `bound` of the beat and begins with `low`.
        low, left = Signal(bits_for(taps)), Signal(header.row_elements.shape())
        bound = Signal(range(2 * max(config.input_words * taps, taps) + 1))
        beyond, first_bound, next_bound = Signal.like(bound), Signal.like(bound), Signal.like(bound)
        fills, fills_last, ends_beat = Signal(), Signal(), Signal()  # bound >= taps, >= last_elements, == taps
        limit = Signal(bits_for(taps))
        ends_part, ends_copy, ends_row = Signal(), Signal(), Signal()
        origin = Signal(address)
        m.d.comb += [
            limit.eq(Mux(self.ends_image, header.last_elements, taps)),
            self.i.ready.eq(~busy),
            write.address.eq(place),
            write.elements.eq(held),
            ends_row.eq(Mux(self.ends_image, fills_last, fills)),
            self.written.eq(busy & ends_copy & ends_row),
            origin.eq(Mux(ends_beat, after, begin)),
            self.next_start.eq(address.add(origin, header.beat_step)),
            first_bound.eq(Mux(self.begins_image, header.row_elements, left)),
            next_bound.eq(Mux(busy, beyond, first_bound)),
        ]
        m.d.sync += [self.o.valid.eq(busy), self.o.payload.eq(write)]

        # Element e of the beat is in the row, and in the part that is written.
        offset = Signal(bits_for(taps))
        for index in range(taps):
            element = Signal(range(2 * taps), name=f"element_{index}")
            m.d.comb += element.eq(index + offset)
            m.d.comb += write.mask[index].eq((element >= low) & (element < bound) & (element < limit))

        if most > 1:
            strided, count, copy = Signal(), parts(config), Signal(range(most))
            length = taps // count
            part, step = address.const(address.split(length * most)), Signal(address)
            m.d.comb += [strided.eq(header.copies > 1), write.strided.eq(strided)]
            m.d.comb += ends_copy.eq(ends_part & (copy == header.copies - 1))
            m.d.comb += step.eq(Mux(ends_part, header.copy_step, part))
            with m.If(busy):
                m.d.sync += place.eq(address.add(place, step))
            if count > 1:
                is_last = Signal()  # part: known a cycle ahead, for the next address waits for it
                m.d.comb += ends_part.eq(~strided | is_last)
                with m.If(busy):
                    m.d.sync += [
                        offset.eq(Mux(ends_part, 0, offset + length)),
                        is_last.eq(~ends_part & (offset == taps - 2 * length)),
                    ]
                with m.If(busy & strided):  # after all parts the beat is as it was
                    rotated = [held[(index + length) % taps] for index in range(taps)]
                    m.d.sync += [element.eq(value) for element, value in zip(held, rotated, strict=True)]
            else:
                m.d.comb += ends_part.eq(1)
            with m.If(busy & ends_part):
                m.d.sync += copy.eq(copy + 1)
            with m.If(busy & ends_copy):
                m.d.sync += copy.eq(0)
        else:
            m.d.comb += ends_copy.eq(1)
        with m.If(busy & ends_copy):
            m.d.sync += [begin.eq(after), place.eq(after), after.eq(address.add(after, header.gap)), low.eq(bound)]
        with m.If(self.written):
            m.d.sync += [busy.eq(0), left.eq(Mux(ends_beat, header.row_elements, bound - taps))]
        with m.If(self.i.valid & ~busy):
            m.d.sync += [
                busy.eq(1),
                held.eq(self.i.payload),
                begin.eq(self.start),
                place.eq(self.start),
                after.eq(address.add(self.start, header.gap)),
                low.eq(0),
            ]
        with m.If(Mux(busy, ends_copy, self.i.valid)):
            m.d.sync += [
                bound.eq(next_bound),
                beyond.eq(next_bound + header.row_elements),
                fills.eq(next_bound >= taps),
                fills_last.eq(next_bound >= header.last_elements),
                ends_beat.eq(next_bound == taps),
            ]
        return m
