"""Frame sender: an answer as the bytes of a frame."""

from amaranth import Array, Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from hw.fpga.frames import ANSWER, CHECKSUM_BYTES, HEADER_BYTES, START
from hw.fpga.payload_buffer import payload_beat

answer_layout = data.StructLayout({"command": 8, "length": 16, "status": 8})
"""An answer: to which command, how many bytes follow the status."""


class _Part(enum.Enum):
    HEADER = 0  # and the status
    PAYLOAD = 1
    CHECKSUM = 2


class FrameSender(wiring.Component):
    """Sends header and status, then the payload, then the checksum over all of them.

    Members
    -------
    i: In(stream(answer_layout)), taken with the last byte of its frame.
    i_payload: In(stream(payload_beat)), `length` bytes of an answer, the last one marked.
    o: Out(stream(8)), honours back pressure.
    """

    def __init__(self):
        super().__init__(
            {
                "i": In(stream.Signature(answer_layout)),
                "i_payload": In(stream.Signature(payload_beat)),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform):
        """Build the counter that walks through the parts."""
        m = Module()
        part, position, sent = Signal(_Part), Signal(range(HEADER_BYTES + 1)), Signal()
        answer = self.i.payload
        size = Signal(16)  # with the status
        header = Array([START, answer.command | ANSWER, size[:8], size[8:], answer.status])
        m.submodules.crc = crc = CRC32_ISO_HDLC().create()
        m.d.comb += [
            size.eq(answer.length + 1),
            sent.eq(self.o.valid & self.o.ready),
            crc.start.eq((part == _Part.HEADER) & (position == 0)),
            crc.data.eq(self.o.payload),
            crc.valid.eq(sent & (part != _Part.CHECKSUM)),
        ]
        with m.If(sent):
            m.d.sync += position.eq(position + 1)
        with m.Switch(part):
            with m.Case(_Part.HEADER):
                m.d.comb += [self.o.payload.eq(header[position]), self.o.valid.eq(self.i.valid)]
                with m.If(sent & (position == len(header) - 1)):
                    m.d.sync += [part.eq(Mux(answer.length == 0, _Part.CHECKSUM, _Part.PAYLOAD)), position.eq(0)]
            with m.Case(_Part.PAYLOAD):
                m.d.comb += [
                    self.o.payload.eq(self.i_payload.payload.byte),
                    self.o.valid.eq(self.i_payload.valid),
                    self.i_payload.ready.eq(self.o.ready),
                ]
                with m.If(sent):
                    m.d.sync += position.eq(0)
                with m.If(sent & self.i_payload.payload.last):
                    m.d.sync += part.eq(_Part.CHECKSUM)
            with m.Case(_Part.CHECKSUM):
                m.d.comb += [self.o.payload.eq(crc.crc.word_select(position[:2], 8)), self.o.valid.eq(1)]
                with m.If(sent & (position == CHECKSUM_BYTES - 1)):
                    m.d.comb += self.i.ready.eq(1)
                    m.d.sync += [part.eq(_Part.HEADER), position.eq(0)]
        return m
