"""Stream helpers: fixed pipelines, delays, and a connect that also checks payload shapes."""

from amaranth import Module, Shape, Signal
from amaranth.lib import stream


def pipeline(payload_shape) -> stream.Signature:
    """Signature of a fixed pipeline: `valid` marks a payload, the receiver always takes it."""
    return stream.Signature(payload_shape, always_ready=True)


def connect(m: Module, source, sink) -> None:
    """Drive `sink` (a component's input) from `source` (a component's output), both streams.

    Amaranth's wiring.connect accepts different payloads of equal width; this one does not. Raises
    TypeError with both shapes, also where the sink could refuse what the
    source cannot hold.
    """
    given, wanted = source.payload.shape(), sink.payload.shape()
    if given != wanted or Shape.cast(given) != Shape.cast(wanted):
        raise TypeError(f"payloads must have the same shape: source {given!r}, sink {wanted!r}")
    if source.signature.always_ready and not sink.signature.always_ready:
        raise TypeError("a source that cannot be held back must not drive a sink that may refuse")
    m.d.comb += [sink.payload.eq(source.payload), sink.valid.eq(source.valid)]
    if not source.signature.always_ready:
        m.d.comb += source.ready.eq(sink.ready)


def delayed(m: Module, value, cycles: int, *, reset: bool = False):
    """The value as it was `cycles` clock cycles ago; 0 before that.

    reset: whether a reset clears what is under way. The `valid` of a pipeline needs it; its payload
    does not, and a register without reset spares the wires of one.
    """
    for _ in range(cycles):
        register = Signal(value.shape(), name="delayed", reset_less=not reset)
        m.d.sync += register.eq(value)
        value = register
    return value
