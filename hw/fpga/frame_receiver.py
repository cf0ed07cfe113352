"""Frame receiver: finds frames in the bytes of the wire and judges them."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from hw.fpga.frames import CHECKSUM_BYTES, HEADER_BYTES, START, Status
from hw.fpga.payload_buffer import buffer_write
from hw.fpga.uart import received_byte
from hw.stream import pipeline

request_layout = data.StructLayout({"command": 8, "length": 16, "status": 8})
"""A frame whose payload lies in the buffer; of one with a `status` other than OK only the command may be believed."""


class _State(enum.Enum):
    HUNT = 0  # for a start byte
    HEADER = 1
    PAYLOAD = 2
    CHECKSUM = 3
    CHECK = 4  # the checksum is complete
    SKIP = 5  # until the line is silent
    OFFER = 6


class FrameReceiver(wiring.Component):
    """Writes the payload of a frame to a buffer, and offers the frame when it is complete.

    A silent line ends a frame that is not complete. After a damaged frame, whose length is not to be trusted, and
    after one that is too long, whose rest is still to come, bytes are dropped until the line is silent, so that the
    next frame is seen from its start.

    Parameters
    ----------
    depth: bytes of the buffer. silence: cycles without a byte after which the line is silent; longer than a byte.

    Members
    -------
    i: In(pipeline(received_byte)). write: Out(pipeline(buffer_write)).
    o: Out(stream(request_layout)); until it is taken, further bytes are dropped and the buffer stays as it is.
    """

    def __init__(self, depth: int, silence: int):
        self.depth, self.silence = depth, silence
        super().__init__(
            {
                "i": In(pipeline(received_byte)),
                "write": Out(pipeline(buffer_write(depth))),
                "o": Out(stream.Signature(request_layout)),
            }
        )

    def elaborate(self, platform):
        """Build the state machine of a frame."""
        m = Module()
        state, position, damaged = Signal(_State), Signal(16), Signal()
        quiet, silent = Signal(range(self.silence + 1)), Signal()
        byte, frame = self.i.payload.byte, Signal(request_layout)
        m.d.comb += [silent.eq(quiet == self.silence), self.o.payload.eq(frame), self.o.valid.eq(state == _State.OFFER)]
        with m.If(self.i.valid):
            m.d.sync += quiet.eq(0)
        with m.Elif(~silent):
            m.d.sync += quiet.eq(quiet + 1)

        starts = (state == _State.HUNT) & (byte == START) & ~self.i.payload.error
        m.submodules.crc = crc = CRC32_ISO_HDLC().create()
        m.d.comb += [crc.start.eq(state == _State.HUNT), crc.data.eq(byte), crc.valid.eq(self.i.valid)]
        m.d.comb += [
            self.write.valid.eq(self.i.valid & (state == _State.PAYLOAD)),
            self.write.payload.address.eq(position),
            self.write.payload.byte.eq(byte),
        ]
        with m.Switch(state):
            with m.Case(_State.HUNT), m.If(self.i.valid & starts):
                m.d.sync += [state.eq(_State.HEADER), position.eq(1), damaged.eq(0)]
            with m.Case(_State.HEADER), m.If(self.i.valid):
                m.d.sync += position.eq(position + 1)
                with m.If(position == 1):
                    m.d.sync += frame.command.eq(byte)
                with m.Else():
                    m.d.sync += frame.length.eq(Cat(frame.length[8:], byte))
                with m.If(position == HEADER_BYTES - 1):
                    length = Cat(frame.length[8:], byte)
                    fits = length <= self.depth
                    m.d.sync += [
                        position.eq(0),
                        frame.status.eq(Status.TOO_LONG),
                        state.eq(Mux(fits, Mux(length == 0, _State.CHECKSUM, _State.PAYLOAD), _State.SKIP)),
                    ]
            with m.Case(_State.PAYLOAD), m.If(self.i.valid):
                ends = position == frame.length - 1
                m.d.sync += position.eq(Mux(ends, 0, position + 1))
                with m.If(ends):
                    m.d.sync += state.eq(_State.CHECKSUM)
            with m.Case(_State.CHECKSUM), m.If(self.i.valid):
                m.d.sync += position.eq(position + 1)
                with m.If(position == CHECKSUM_BYTES - 1):
                    m.d.sync += state.eq(_State.CHECK)
            with m.Case(_State.CHECK):
                whole = crc.match_detected & ~damaged
                m.d.sync += frame.status.eq(Mux(whole, Status.OK, Status.CHECKSUM))
                m.d.sync += state.eq(Mux(whole, _State.OFFER, _State.SKIP))
            with m.Case(_State.SKIP), m.If(silent):
                m.d.sync += state.eq(_State.OFFER)
            with m.Case(_State.OFFER), m.If(self.o.ready):
                m.d.sync += state.eq(_State.HUNT)
        with m.If(self.i.valid & self.i.payload.error):
            m.d.sync += damaged.eq(1)
        inside = (state == _State.HEADER) | (state == _State.PAYLOAD) | (state == _State.CHECKSUM)
        with m.If(inside & silent):
            m.d.sync += [frame.status.eq(Status.TRUNCATED), state.eq(_State.OFFER)]
        return m
