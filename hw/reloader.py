"""Reloader: takes a load image, and changes the network between two images.

The words go to the bank of the memories that the program does not read, so the old network works on until the new
one is there, and for good if the image is refused. When its checksum is right, no further image is admitted; when
the last one has left, the banks change places and the activation memories are cleared, since a border is what the
last network did not write.

A reset forgets the images and what of a load image has come, but not the network.
"""

from amaranth import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.config import ArrayConfig
from hw.load_image import NUMBER_BYTES, preamble, sections
from hw.memories import load_layout, word_bytes
from hw.program import header_layout
from hw.stream import pipeline


class LoadError(enum.Enum, shape=3):
    """Why the last load image was refused."""

    NONE = 0
    MAGIC = 1  # it is no load image
    VERSION = 2  # of another version
    ARRAY = 3  # made for another array
    LENGTH = 4  # truncated, too long, or a part of it does not fit
    CHECKSUM = 5  # damaged


load_beat = data.StructLayout({"byte": 8, "last": 1})
"""A byte of a load image; `last` marks its end."""

status_layout = data.StructLayout({"busy": 1, "error": LoadError, "networks": 8})
"""How loading goes on.

Members
-------
busy: a load image is being taken, or the network changed. error: of the last image, until the next one begins.
networks: how many were loaded since reset, modulo 256.
"""


class _State(enum.Enum):
    PREAMBLE = 0  # magic, version, array
    LENGTH = 1
    COUNT = 2  # of the words of a part
    WORDS = 3
    CHECKSUM = 4
    CHECK = 5  # the checksum is complete
    CHANGE = 6  # wait until the array is empty
    SKIP = 7  # to the end of a refused image


class Reloader(wiring.Component):
    """Checks a load image byte by byte while it writes the words of its parts.

    Parameters
    ----------
    config: the array.

    Members
    -------
    i: In(stream(load_beat)), a byte a cycle; honours back pressure: not ready while the network is being changed.
    program, weights, parameters: Out(pipeline(load_layout)), to the memories. header: Out, the new one.
    pause: Out(1), no further image may begin. empty: In(1), there is none in the array.
    change: Out(1), with `empty`, for one cycle: the header is taken and the banks change places.
    clear: Out(1), the word `cleared`: Out of the activation memories, where it has one, is to be set to 0.
    status: Out(status_layout).
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        self._sections = sections(config)
        self._depths, widths = zip(*self._sections.values(), strict=True)
        self._bytes = [word_bytes(width) for width in widths]
        self._clear_words = max(config.input_words, config.hidden_words)
        loads = {name: Out(pipeline(load_layout(*size))) for name, size in self._sections.items() if name != "header"}
        super().__init__(
            loads
            | {
                "i": In(stream.Signature(load_beat)),
                "header": Out(header_layout(config)),
                "pause": Out(1),
                "empty": In(1),
                "change": Out(1),
                "clear": Out(1),
                "cleared": Out(ceil_log2(self._clear_words)),
                "status": Out(status_layout),
            }
        )

    def elaborate(self, platform):
        """Build the state machine of an image and the counter that clears."""
        m = Module()
        byte, last, taken = self.i.payload.byte, self.i.payload.last, Signal()
        state, error, networks = Signal(_State), Signal(LoadError), Signal(8)
        position = Signal(range(len(preamble(self.config))))  # in the preamble or in a number
        left, words = Signal(8 * NUMBER_BYTES), Signal(8 * NUMBER_BYTES)  # bytes of the payload, words of the part
        dirty = Signal(reset_less=True)  # the network was changed, the activation memories are not yet clear
        m.d.comb += [
            self.i.ready.eq((state != _State.CHECK) & (state != _State.CHANGE) & ~dirty),
            taken.eq(self.i.valid & self.i.ready),
            self.pause.eq((state == _State.CHECK) | (state == _State.CHANGE) | dirty),
            self.change.eq((state == _State.CHANGE) & self.empty),
            self.clear.eq(dirty),
            self.status.busy.eq((state != _State.PREAMBLE) | (position != 0) | dirty),
            self.status.error.eq(error),
            self.status.networks.eq(networks),
        ]

        begins = (state == _State.PREAMBLE) & (position == 0)
        m.submodules.crc = crc = CRC32_ISO_HDLC().create()
        m.d.comb += [crc.start.eq(begins), crc.data.eq(byte), crc.valid.eq(taken)]
        with m.If(taken & begins):
            m.d.sync += error.eq(LoadError.NONE)

        ends_number, number = position == NUMBER_BYTES - 1, Signal(8 * NUMBER_BYTES)
        part, most, ends_word = self._write_words(m, state, taken)
        ends_payload, ends_part = left == 1, ends_word & (words == 1)
        reason, next_state = Signal(LoadError), Signal(_State)
        m.d.comb += [reason.eq(LoadError.NONE), next_state.eq(state)]
        m.d.comb += number.eq(Cat(Mux(state == _State.LENGTH, left, words)[8:], byte))

        with m.Switch(state):
            with m.Case(_State.PREAMBLE):
                expected = Array(preamble(self.config))[position]
                reasons = Array([LoadError.MAGIC, LoadError.VERSION, LoadError.ARRAY])
                with m.If(byte != expected):
                    m.d.comb += reason.eq(reasons[position[2:]])
                with m.Elif(position == len(preamble(self.config)) - 1):
                    m.d.comb += next_state.eq(_State.LENGTH)
            with m.Case(_State.LENGTH), m.If(ends_number):
                m.d.comb += next_state.eq(_State.COUNT)
            with m.Case(_State.COUNT):
                with m.If(ends_payload | (ends_number & ((number == 0) | (number > most)))):
                    m.d.comb += reason.eq(LoadError.LENGTH)
                with m.Elif(ends_number):
                    m.d.comb += next_state.eq(_State.WORDS)
            with m.Case(_State.WORDS):
                ends_parts = ends_part & (part == len(self._sections) - 1)
                with m.If(ends_payload != ends_parts):
                    m.d.comb += reason.eq(LoadError.LENGTH)
                with m.Elif(ends_part):
                    m.d.comb += next_state.eq(Mux(ends_parts, _State.CHECKSUM, _State.COUNT))
            with m.Case(_State.CHECKSUM), m.If(ends_number):
                m.d.comb += next_state.eq(_State.CHECK)

        ends_image = (state == _State.CHECKSUM) & ends_number
        with m.If(state == _State.LENGTH):
            m.d.sync += part.eq(0)
        with m.Elif(taken & ends_part):
            m.d.sync += part.eq(part + 1)
        with m.If(taken):
            with m.If(state == _State.SKIP):
                m.d.sync += state.eq(Mux(last, _State.PREAMBLE, _State.SKIP))
            with m.Elif((reason != LoadError.NONE) | (last != ends_image)):
                m.d.sync += [
                    error.eq(Mux(reason != LoadError.NONE, reason, LoadError.LENGTH)),
                    state.eq(Mux(last, _State.PREAMBLE, _State.SKIP)),
                    position.eq(0),
                ]
            with m.Else():
                m.d.sync += [state.eq(next_state), position.eq(Mux(next_state == state, position + 1, 0))]
            with m.If(state == _State.LENGTH):
                m.d.sync += left.eq(number)
            with m.Else():
                m.d.sync += left.eq(left - 1)
            with m.If(state == _State.COUNT):
                m.d.sync += words.eq(number)
            with m.Elif(ends_word):
                m.d.sync += words.eq(words - 1)
        with m.If(state == _State.CHECK):
            m.d.sync += state.eq(Mux(crc.match_detected, _State.CHANGE, _State.PREAMBLE))
            m.d.sync += error.eq(Mux(crc.match_detected, LoadError.NONE, LoadError.CHECKSUM))
        with m.If(self.change):
            m.d.sync += [state.eq(_State.PREAMBLE), dirty.eq(1), networks.eq(networks + 1)]
        with m.If(dirty):
            m.d.sync += self.cleared.eq(self.cleared + 1)
            with m.If(self.cleared == self._clear_words - 1):
                m.d.sync += [self.cleared.eq(0), dirty.eq(0)]
        return m

    def _write_words(self, m: Module, state, taken) -> tuple:
        """Write the bytes of the parts' words.

        Returns the index of the part, the most words that it may have, and whether a byte ends a word.
        """
        part, address = Signal(range(len(self._sections))), Signal(range(max(self._depths)))
        index = Signal(range(max(self._bytes)))  # of the byte in its word
        ends_word = Signal()
        m.d.comb += ends_word.eq((state == _State.WORDS) & (index == Array(self._bytes)[part] - 1))
        with m.If(taken & (state == _State.WORDS)):
            m.d.sync += index.eq(Mux(ends_word, 0, index + 1))
            m.d.sync += address.eq(address + ends_word)
        with m.Elif(state == _State.COUNT):
            m.d.sync += [index.eq(0), address.eq(0)]
        for number, name in enumerate(self._sections):
            selected = taken & (state == _State.WORDS) & (part == number)
            if name == "header":
                shifted = Signal(8 * self._bytes[number])
                with m.If(selected):
                    m.d.sync += shifted.eq(Cat(shifted[8:], self.i.payload.byte))
                m.d.comb += self.header.eq(shifted)
            else:
                load = getattr(self, name)
                m.d.comb += [
                    load.valid.eq(selected),
                    load.payload.address.eq(address),
                    load.payload.index.eq(index),
                    load.payload.byte.eq(self.i.payload.byte),
                ]
        return part, Array(self._depths)[part], ends_word
