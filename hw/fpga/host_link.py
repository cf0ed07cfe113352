"""Host link: does what a frame asks for with the accelerator, and answers it."""

from dataclasses import dataclass

from amaranth import Cat, Const, Module, Signal
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from hw.accelerator import Counters
from hw.classifier import result_layout
from hw.config import ArrayConfig
from hw.fpga.frame_receiver import FrameReceiver
from hw.fpga.frame_sender import FrameSender
from hw.fpga.frames import COUNTER_BYTES, INFO_FIELDS, LABEL_BYTES, VERSION, Command, Status
from hw.fpga.payload_buffer import PayloadBuffer, buffer_bytes, logit_bytes
from hw.fpga.uart import received_byte
from hw.load_image import HEADER_START, preamble
from hw.loader import pixels_layout
from hw.program import header_layout
from hw.reloader import LoadError, load_beat, status_layout
from hw.stream import connect, pipeline


class _State(enum.Enum):
    WAIT = 0  # for a request
    PIXELS = 1  # from the buffer to the array
    RESULT = 2  # from the array to the buffer
    LOAD = 3  # a piece of a load image to the array
    LOADED = 4  # what does the array say to it
    COLLECT = 5  # the last bytes of the answer to the buffer
    ANSWER = 6


@dataclass
class _Answer:
    """The answer as it grows: status, shift register, how many bytes this holds, how many it gave to the buffer."""

    status: Signal
    collected: Signal
    left: Signal
    size: Signal


class HostLink(wiring.Component):
    """One request at a time: receives it, feeds the array, collects the answer, sends it.

    Request and answer share a buffer, since an answer is complete before it is sent: so pixels reach the array only
    when the checksum of their frame was right. What the answer holds passes through one shift register, byte by byte.

    Parameters
    ----------
    config: the array. image_words: beats of an image of the network that it holds at first.
    clock_hz: for the host to know. silence: see FrameReceiver.

    Members
    -------
    i: In(pipeline(received_byte)), o: Out(stream(8)), from and to the wire.
    o_pixels, i_result, counters, reset: to and from the accelerator; o_load, load_status: where it is reloadable.
    label: Out, of the last image. labelled: Out(1), whether there was one since reset.

    Raises InputError where an image of the array, or its answer, is longer than a frame.
    """

    def __init__(self, config: ArrayConfig, image_words: int, *, clock_hz: int, silence: int):
        self.config, self.image_words, self.clock_hz, self.silence = config, image_words, clock_hz, silence
        self.buffer_bytes = buffer_bytes(config, image_words)
        self.logit_bytes = logit_bytes(config)
        loads = {"o_load": Out(stream.Signature(load_beat)), "load_status": In(status_layout)}
        super().__init__(
            {
                "i": In(pipeline(received_byte)),
                "o": Out(stream.Signature(8)),
                "o_pixels": Out(stream.Signature(pixels_layout(config))),
                "i_result": In(stream.Signature(result_layout(config))),
                "counters": In(Counters()),
                "reset": Out(1),
                "label": Out(ceil_log2(config.result_words)),
                "labelled": Out(1),
            }
            | (loads if config.reloadable else {})
        )

    def elaborate(self, platform):
        """Connect the parts and build the state machine of a request."""
        m = Module()
        m.submodules.receiver = receiver = FrameReceiver(self.buffer_bytes, self.silence)
        m.submodules.buffer = buffer = PayloadBuffer(self.buffer_bytes)
        m.submodules.sender = sender = FrameSender()
        connect(m, wiring.flipped(self.i), receiver.i)
        connect(m, sender.o, wiring.flipped(self.o))
        request, state = receiver.o.payload, Signal(_State)
        image_bytes, answer = self._image_bytes(m), self._collect(m, receiver, buffer)
        m.d.comb += [
            sender.i.payload.command.eq(request.command),
            sender.i.payload.length.eq(answer.size),
            sender.i.payload.status.eq(answer.status),
            sender.i.valid.eq(state == _State.ANSWER),
            receiver.o.ready.eq((state == _State.ANSWER) & sender.i.ready),
            buffer.length.eq(request.length),
        ]
        self._feed_pixels(m, state, buffer)
        self._take_result(m, state, answer)
        if self.config.reloadable:
            self._feed_load(m, state, request, buffer, answer)
        with m.If((state == _State.WAIT) & receiver.o.valid):
            m.d.sync += [answer.status.eq(request.status), state.eq(_State.ANSWER)]
            with m.If(request.status == Status.OK):
                self._begin(m, state, request, image_bytes, buffer, answer)
        with m.If((state == _State.COLLECT) & (answer.left == 0)):
            m.d.sync += state.eq(_State.ANSWER)
            m.d.comb += [buffer.start.eq(1), buffer.length.eq(answer.size)]
        with m.If(state == _State.ANSWER):
            m.d.comb += [
                sender.i_payload.payload.eq(buffer.o.payload),
                sender.i_payload.valid.eq(buffer.o.valid),
                buffer.o.ready.eq(sender.i_payload.ready),
            ]
            with m.If(sender.i.ready):
                m.d.sync += [state.eq(_State.WAIT), answer.size.eq(0)]
        return m

    def _begin(self, m: Module, state, request, image_bytes, buffer: PayloadBuffer, answer: _Answer) -> None:
        """What a whole request asks for; the answer is an error unless the state is set here."""
        fills = {  # requests without a payload, which are answered by numbers
            Command.INFO: self._info(image_bytes),
            Command.COUNTERS: Cat(getattr(self.counters, name) for name in Counters.NAMES),
            Command.RESET: Const(0, 0),
        }
        m.d.sync += answer.status.eq(Status.LENGTH)
        with m.Switch(request.command):
            for command, fill in fills.items():
                with m.Case(command), m.If(request.length == 0):
                    m.d.sync += [answer.status.eq(Status.OK), answer.collected.eq(fill)]
                    m.d.sync += [answer.left.eq(len(fill) // 8), state.eq(_State.COLLECT)]
                    if command == Command.RESET:
                        m.d.comb += self.reset.eq(1)
            with m.Case(Command.IMAGE), m.If(request.length == image_bytes):
                m.d.sync += [answer.status.eq(Status.OK), state.eq(_State.PIXELS)]
                m.d.comb += buffer.start.eq(1)
            if self.config.reloadable:
                with m.Case(Command.LOAD, Command.LOAD_LAST), m.If(request.length != 0):
                    m.d.sync += [answer.status.eq(Status.OK), state.eq(_State.LOAD)]
                    m.d.comb += buffer.start.eq(1)
            with m.Default():
                m.d.sync += answer.status.eq(Status.COMMAND)

    def _info(self, image_bytes):
        config = self.config
        values = {
            "version": VERSION,
            "taps": config.taps,
            "logit_bytes": self.logit_bytes,
            "reloadable": int(config.reloadable),
            "buffer_bytes": self.buffer_bytes,
            "image_bytes": image_bytes,
            "array": int.from_bytes(preamble(config)[-INFO_FIELDS["array"] :], "little"),
            "clock_hz": self.clock_hz,
        }
        sizes = {name: 8 * size for name, size in INFO_FIELDS.items()}
        return Cat(Const(value, sizes[name]) if isinstance(value, int) else value for name, value in values.items())

    def _collect(self, m: Module, receiver: FrameReceiver, buffer: PayloadBuffer) -> _Answer:
        """The answer, which gives its bytes to the buffer one by one."""
        most = max(sum(INFO_FIELDS.values()), COUNTER_BYTES * len(Counters.NAMES), self.logit_bytes + LABEL_BYTES)
        collected, left, size = Signal(8 * most), Signal(range(most + 1)), Signal(16)
        connect(m, receiver.write, buffer.write)
        with m.If(left != 0):
            write = buffer.write
            m.d.comb += [write.valid.eq(1), write.payload.address.eq(size), write.payload.byte.eq(collected[:8])]
            m.d.sync += [collected.eq(collected[8:]), left.eq(left - 1), size.eq(size + 1)]
        return _Answer(Signal(Status), collected, left, size)

    def _feed_pixels(self, m: Module, state, buffer: PayloadBuffer) -> None:
        """Fill beats with the buffer's bytes."""
        beat, filled, taps = Signal(8 * self.config.taps), Signal(range(self.config.taps)), self.config.taps
        m.d.comb += self.o_pixels.payload.eq(beat)
        with m.If(self.o_pixels.valid & self.o_pixels.ready):
            m.d.sync += self.o_pixels.valid.eq(0)
        with m.If((state == _State.PIXELS) & buffer.o.valid & ~self.o_pixels.valid):
            m.d.comb += buffer.o.ready.eq(1)
            m.d.sync += [beat.eq(Cat(beat, buffer.o.payload.byte)[8:]), filled.eq(filled + 1)]
            with m.If(filled == taps - 1):
                m.d.sync += [self.o_pixels.valid.eq(1), filled.eq(0)]
            with m.If(buffer.o.payload.last):
                m.d.sync += state.eq(_State.RESULT)

    def _take_result(self, m: Module, state, answer: _Answer) -> None:
        """Collect logit by logit; the label follows the last one."""
        beat, taken = self.i_result.payload, Signal()
        logit = Signal(8 * self.logit_bytes)
        m.d.comb += [
            self.i_result.ready.eq((state == _State.RESULT) & (answer.left == 0)),
            taken.eq(self.i_result.valid & self.i_result.ready),
            logit.eq(beat.logit),
        ]
        with m.If(taken):
            m.d.sync += [answer.collected.eq(Cat(logit, beat.label)), answer.left.eq(self.logit_bytes)]
            with m.If(beat.last):
                m.d.sync += [self.label.eq(beat.label), self.labelled.eq(1)]
                m.d.sync += [answer.left.eq(self.logit_bytes + LABEL_BYTES), state.eq(_State.COLLECT)]

    def _feed_load(self, m: Module, state, request, buffer: PayloadBuffer, answer: _Answer) -> None:
        """Pass the buffer's bytes on, and wait for what the array says to them."""
        is_last = request.command == Command.LOAD_LAST
        with m.If(state == _State.LOAD):
            m.d.comb += [
                self.o_load.valid.eq(buffer.o.valid),
                self.o_load.payload.byte.eq(buffer.o.payload.byte),
                self.o_load.payload.last.eq(buffer.o.payload.last & is_last),
                buffer.o.ready.eq(self.o_load.ready),
            ]
            with m.If(buffer.o.valid & buffer.o.ready & buffer.o.payload.last):
                m.d.sync += state.eq(_State.LOADED)
        error = self.load_status.error
        with m.If((state == _State.LOADED) & ~(is_last & self.load_status.busy)):
            m.d.sync += state.eq(_State.COLLECT)
            with m.If(error != LoadError.NONE):
                m.d.sync += [answer.status.eq(Status.REFUSED), answer.collected.eq(error), answer.left.eq(1)]

    def _image_bytes(self, m: Module):
        """Bytes of an image's beats. A new network brings its own number, in the header of its load image.

        It is the header's first field. Like the network it outlives a reset.
        """
        taps = self.config.taps
        if not self.config.reloadable:
            return Const(self.image_words * taps, 16)
        words, field = Signal(16, init=self.image_words, reset_less=True), header_layout(self.config)["image_words"]
        count = -(-field.width // 8)
        coming, position = Signal(8 * count), Signal(range(HEADER_START + count + 1))
        taken = self.o_load.valid & self.o_load.ready
        with m.If(self.reset | (taken & self.o_load.payload.last)):
            m.d.sync += position.eq(0)
        with m.Elif(taken & (position != HEADER_START + count)):
            m.d.sync += position.eq(position + 1)
            with m.If(position >= HEADER_START):
                m.d.sync += coming.eq(Cat(coming, self.o_load.payload.byte)[8:])
        networks, was_reset = Signal.like(self.load_status.networks), Signal()
        m.d.sync += [networks.eq(self.load_status.networks), was_reset.eq(self.reset)]
        with m.If((self.load_status.networks != networks) & ~was_reset):
            m.d.sync += words.eq(coming[: field.width])
        result = Signal(16)
        m.d.comb += result.eq(sum(words << bit for bit in range(taps.bit_length()) if taps >> bit & 1))
        return result
