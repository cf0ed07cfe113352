import pytest
from amaranth import Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from rtl import check_refusal, outputs

from hw.stream import connect, delayed, pipeline

PAIR = data.StructLayout({"low": 4, "high": 4})
SWAPPED = data.StructLayout({"high": 4, "low": 4})


def interfaces(source, sink):
    """A source and a sink of these stream signatures."""
    return source.create(), sink.flip().create()


@pytest.mark.parametrize(
    ("source", "sink"),
    [
        (unsigned(8), PAIR),
        (PAIR, SWAPPED),
        (unsigned(8), signed(8)),
        (unsigned(8), unsigned(9)),
        (data.ArrayLayout(4, 2), data.ArrayLayout(2, 4)),
    ],
)
def test_different_payload_shapes_are_refused(source, sink):
    pair = interfaces(stream.Signature(source), stream.Signature(sink))
    check_refusal(TypeError, r"payloads must have the same shape: source .*, sink ", lambda: connect(Module(), *pair))


def test_source_that_cannot_wait_is_refused_by_a_sink_that_may_refuse():
    pair = interfaces(pipeline(8), stream.Signature(8))
    check_refusal(TypeError, "must not drive a sink that may refuse", lambda: connect(Module(), *pair))


class Joined(wiring.Component):
    """A stream in, connected with a stream out; and a register, since the simulation needs a clock."""

    def __init__(self, source, sink):
        super().__init__({"i": In(source), "o": Out(sink)})

    def elaborate(self, platform):
        m = Module()
        m.d.sync += Signal().eq(1)
        connect(m, wiring.flipped(self.i), wiring.flipped(self.o))
        return m


FREE, FIXED = stream.Signature(PAIR), pipeline(PAIR)


@pytest.mark.parametrize(("source", "sink"), [(FREE, FREE), (FREE, FIXED), (FIXED, FIXED)])
def test_connected_streams_pass_payload_valid_and_ready(source, sink):
    joined = Joined(source, sink)

    def drive(ctx, values):
        valid, ready, payload = values
        ctx.set(joined.i.valid, valid)
        ctx.set(joined.i.payload.as_value(), payload)
        if not sink.always_ready:
            ctx.set(joined.o.ready, ready)

    def read(ctx):
        return ctx.get(joined.o.valid), ctx.get(joined.i.ready), ctx.get(joined.o.payload.as_value())

    inputs = [(valid, ready, 16 * valid + 3 * ready) for valid in (0, 1) for ready in (0, 1)]
    expected = [(valid, ready or int(sink.always_ready), payload) for valid, ready, payload in inputs]
    assert outputs(joined, inputs, drive, read, 0) == expected


@pytest.mark.parametrize("cycles", [0, 1, 2, 5])
@pytest.mark.parametrize("reset", [False, True])
def test_delayed_value_comes_so_many_cycles_later(cycles, reset):
    m = Module()
    value = Signal(signed(7))
    late = delayed(m, value, cycles, reset=reset)
    m.d.sync += Signal().eq(1)
    inputs = [5, -3, 63, -64, 0, 1]
    assert outputs(m, inputs, lambda ctx, number: ctx.set(value, number), lambda ctx: ctx.get(late), cycles) == inputs
