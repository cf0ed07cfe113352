"""Small designs for the tests of sim/: a network on an array, and accelerators that break a rule."""

from amaranth import Module, Mux, Signal, Value
from amaranth.lib import wiring
from networks import random_images, random_network

from hw.compiler import compile_network, size_array

NETWORK = random_network(5, [20, 5, 3])
TAPS = 3
COMPILED = compile_network(NETWORK, size_array(NETWORK, lanes=2, taps=TAPS))


def images(count: int):
    return random_images(count, NETWORK, count)


class Faulty(wiring.Component):
    """An accelerator behind a fault, which strikes when `beat` result beats have left.

    Faults: "silent" holds back all results; "fickle" withdraws a beat that was not taken;
    "unstable" changes one that waits; "wrong" changes a logit; "early" sets last.
    """

    def __init__(self, accelerator, fault: str, beat: int = 4):
        self._accelerator, self._fault, self._beat = accelerator, fault, beat
        super().__init__(accelerator.signature)

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = self._accelerator
        wiring.connect(m, wiring.flipped(self.i_pixels), inner.i_pixels)
        result, source = self.o_result, inner.o_result
        left, waited = Signal(16), Signal()
        strikes = Signal()
        m.d.comb += [
            strikes.eq(left == self._beat),
            result.payload.eq(source.payload),
            result.valid.eq(source.valid),
            source.ready.eq(result.ready),
            Value.cast(self.status).eq(Value.cast(inner.status)),
        ]
        for name in inner.counters.signature.members:
            m.d.comb += getattr(self.counters, name).eq(getattr(inner.counters, name))
        m.d.sync += waited.eq(result.valid & ~result.ready)
        with m.If(result.valid & result.ready):
            m.d.sync += left.eq(left + 1)
        payload = result.payload
        match self._fault:
            case "silent":
                with m.If(left >= self._beat):
                    m.d.comb += [result.valid.eq(0), source.ready.eq(0)]
            case "fickle":
                with m.If(strikes & waited):
                    m.d.comb += [result.valid.eq(0), source.ready.eq(0)]
            case "unstable":
                m.d.comb += payload.label.eq(source.payload.label ^ (strikes & waited))
            case "wrong":
                m.d.comb += payload.logit.eq(Mux(strikes, source.payload.logit ^ 1, source.payload.logit))
            case "early":
                m.d.comb += payload.last.eq(source.payload.last | strikes)
        return m


VERILOG = """
module accelerator(input clk, input rst, input [23:0] i_pixels__payload, input i_pixels__valid,
    output i_pixels__ready, output [15:0] o_result__payload, output o_result__valid, input o_result__ready,
    output [31:0] counters__cycles);
  reg [31:0] cycles = 0;
  assign counters__cycles = cycles;
  assign o_result__payload = 16'd0;
  always @(posedge clk) cycles <= rst ? 0 : cycles + 1;
  {body}
endmodule
"""
"""The ports of an accelerator for NETWORK; what it answers is up to `body`."""
FIELDS = {
    "logit": {"offset": 0, "width": 13, "signed": True},
    "label": {"offset": 13, "width": 2, "signed": False},
    "last": {"offset": 15, "width": 1, "signed": False},
}
