"""Buffer for the payload of one frame, in block RAM."""

from amaranth import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.config import ArrayConfig
from hw.fpga.frames import LABEL_BYTES, MOST_PAYLOAD, STATUS_BYTES
from hw.stream import pipeline
from sw.errors import InputError

payload_beat = data.StructLayout({"byte": 8, "last": 1})
"""A byte of a payload; `last` marks its end."""


LEAST_BUFFER = 256
"""Bytes of a payload that every board takes."""


def buffer_bytes(config: ArrayConfig, image_words: int) -> int:
    """Bytes of the longest payload: an image, of any network where the array is reloadable, or its logits and label.

    Raises InputError where that is longer than a frame.
    """
    most = config.input_words // 2 + 1 if config.reloadable else image_words  # two images share the input memory
    answer = config.result_words * logit_bytes(config) + LABEL_BYTES  # the queue holds those of an image at least
    image = most * config.taps
    longest = max(image, answer + STATUS_BYTES)
    if longest > MOST_PAYLOAD:
        raise InputError(f"an image on a board, and its logits, must have at most {MOST_PAYLOAD} bytes, not {longest}")
    return max(image, answer, LEAST_BUFFER)


def logit_bytes(config: ArrayConfig) -> int:
    """Of a logit in an answer."""
    return -(-config.logit_bits // 8)


def buffer_write(depth: int) -> data.StructLayout:
    """A byte and where it goes."""
    return data.StructLayout({"address": ceil_log2(depth), "byte": 8})


class PayloadBuffer(wiring.Component):
    """Bytes in at any address, and out again from the first one on.

    Parameters
    ----------
    depth: bytes.

    Members
    -------
    write: In(pipeline(buffer_write)). start: In(1), offer the first `length`: In(16) bytes, which may be none.
    o: Out(stream(payload_beat)), a byte every other cycle, honours back pressure.
    """

    def __init__(self, depth: int):
        self.depth = depth
        super().__init__(
            {
                "write": In(pipeline(buffer_write(depth))),
                "start": In(1),
                "length": In(16),
                "o": Out(stream.Signature(payload_beat)),
            }
        )

    def elaborate(self, platform):
        """Build the memory; a byte is offered in the cycle after its address stood at the port."""
        m = Module()
        m.submodules.memory = memory = Memory(shape=8, depth=self.depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        address, left, offered = Signal(ceil_log2(self.depth)), Signal(16), Signal()
        m.d.comb += [
            write.addr.eq(self.write.payload.address),
            write.data.eq(self.write.payload.byte),
            write.en.eq(self.write.valid),
            read.addr.eq(address),
            self.o.payload.byte.eq(read.data),
            self.o.payload.last.eq(left == 1),
            self.o.valid.eq(offered),
        ]
        with m.If(self.start):
            m.d.sync += [address.eq(0), left.eq(self.length), offered.eq(0)]
        with m.Elif(~offered):
            m.d.sync += offered.eq(left != 0)
        with m.Elif(self.o.ready):
            m.d.sync += [address.eq(address + 1), left.eq(left - 1), offered.eq(0)]
        return m
