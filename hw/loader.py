"""Loader: writes the pixel stream into the input memory, two images in turn."""

from amaranth import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.config import ArrayConfig
from hw.program import header_layout
from hw.stream import pipeline


def pixels_layout(config: ArrayConfig) -> data.ArrayLayout:
    """One beat of the pixel stream: `taps` pixels, the first one in the lowest bits."""
    return data.ArrayLayout(config.input_bits, config.taps)


class Loader(wiring.Component):
    """Fills the buffer of the even images and that of the odd ones in turn.

    The buffer of an odd image lies right behind that of an even one, so the write address only counts.

    Parameters
    ----------
    config: the array.

    Members
    -------
    header: In(header_layout), gives the beats of one image.
    i: In(stream(pixels_layout)), honours back pressure: ready while the buffer in turn is free.
    o: Out(pipeline): `word` and `pixels` to write.
    full: Out(2), which buffers hold a whole image. release: In(2), buffers to free.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        word = {"word": ceil_log2(config.input_words), "pixels": pixels_layout(config)}
        super().__init__(
            {
                "header": In(header_layout(config)),
                "i": In(stream.Signature(pixels_layout(config))),
                "o": Out(pipeline(data.StructLayout(word))),
                "full": Out(2),
                "release": In(2),
            }
        )

    def elaborate(self, platform):
        """Build the beat counter and the two flags."""
        m = Module()
        odd, word, beat = Signal(), Signal(self.o.payload.word.shape()), Signal(self.header.image_words.shape())
        take, ends_image = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~self.full.bit_select(odd, 1)),
            take.eq(self.i.valid & self.i.ready),
            ends_image.eq(take & (beat == self.header.image_words - 1)),
            self.o.payload.word.eq(word),
            self.o.payload.pixels.eq(self.i.payload),
            self.o.valid.eq(take),
        ]
        with m.If(take):
            m.d.sync += beat.eq(beat + 1)
            m.d.sync += word.eq(word + 1)
        with m.If(ends_image):
            m.d.sync += beat.eq(0)
            m.d.sync += odd.eq(~odd)
            with m.If(odd):
                m.d.sync += word.eq(0)
        filled = Mux(ends_image, Mux(odd, 0b10, 0b01), 0)
        m.d.sync += self.full.eq((self.full & ~self.release) | filled)
        return m
