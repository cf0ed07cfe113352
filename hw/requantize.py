"""Requantizer: bias, scale, round half up, saturate; sw/fixed.py defines the arithmetic."""

from amaranth import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.compare import is_less
from hw.config import ArrayConfig
from hw.stream import delayed


def parameter_layout(config: ArrayConfig) -> data.StructLayout:
    """Parameters of one output channel: `bias`, `shift` and, if the array has multipliers for it, `multiplier`."""
    members = {"bias": signed(config.accumulator_bits), "shift": config.shift_bits}
    if config.multiplier_bits:
        members["multiplier"] = config.multiplier_bits
    return data.StructLayout(members)


class Requantizer(wiring.Component):
    """total = accumulator + bias;  activation = saturate((total · multiplier + 2^(shift-1)) >> shift)

    The rounding is computed as ((2·total·multiplier >> shift) + 1) >> 1, which needs no decoder for 2^(shift-1).

    Parameters
    ----------
    config: the array; without multiplier_bits the multiplier is 1 and not built.

    Members
    -------
    accumulator: In(signed). parameters: In(parameter_layout).
    writes_signed: In(1), high: In(activation_bits): saturate to -high-1..high or to 0..high.
    total: Out(signed), `total_latency` cycles later. activation: Out(activation_bits), `latency` cycles later.

    One channel a cycle, no back pressure.
    """

    total_latency = 1

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__(
            {
                "accumulator": In(signed(config.accumulator_bits)),
                "parameters": In(parameter_layout(config)),
                "writes_signed": In(1),
                "high": In(config.activation_bits),
                "total": Out(signed(config.accumulator_bits)),
                "activation": Out(config.activation_bits),
            }
        )

    @staticmethod
    def latency(config: ArrayConfig) -> int:
        """Cycles from accumulator to activation: bias, multiplier if any, shift, round, saturate."""
        multiplier_stages = 1 if config.multiplier_bits else 0
        return Requantizer.total_latency + multiplier_stages + config.shift_stages + 1 + config.saturation_stages

    def elaborate(self, platform):
        """Build one register stage per operation."""
        m = Module()
        m.d.comb += self.total.eq(delayed(m, self.accumulator + self.parameters.bias, self.total_latency))
        product, age = self.total, self.total_latency
        if self.config.multiplier_bits:
            product = Signal(signed(self.config.accumulator_bits + self.config.multiplier_bits), reset_less=True)
            m.d.sync += product.eq(self.total * delayed(m, self.parameters.multiplier, age))
            age += 1

        # Of the bits above those that can still come down into the result it matters whether they only repeat the sign.
        value, beyond, negative = (product << 1), Const(0), product[-1]
        result_bits, high_bit = self.config.activation_bits + 2, self.config.shift_bits
        for group in range(self.config.shift_stages, 0, -1):
            low_bit = self.config.shift_bits * (group - 1) // self.config.shift_stages
            kept, is_beyond = self._fold(value, result_bits + (1 << high_bit) - 1, beyond)
            distance = Cat(Const(0, low_bit), delayed(m, self.parameters.shift, age)[low_bit:high_bit])
            value, beyond = Signal.like(kept, reset_less=True), Signal(reset_less=True)
            m.d.sync += [value.eq(kept >> distance), beyond.eq(is_beyond)]
            negative, high_bit, age = delayed(m, negative, 1), low_bit, age + 1

        kept, is_beyond = self._fold(value, result_bits, beyond)
        rounded = Signal.like(kept, reset_less=True)
        m.d.sync += rounded.eq((kept + 1) >> 1)
        beyond, negative, age = delayed(m, is_beyond, 1), delayed(m, negative, 1), age + 1

        high = Signal(signed(self.config.activation_bits + 1))
        low = Signal(signed(self.config.activation_bits + 1))
        m.d.comb += high.eq(delayed(m, self.high, age))
        m.d.comb += low.eq(Mux(delayed(m, self.writes_signed, age), ~high, 0))
        is_low = Mux(beyond, negative, is_less(rounded, low))
        is_high = Mux(beyond, ~negative, is_less(high, rounded))
        late = self.config.saturation_stages - 1
        low, high, rounded, is_low, is_high = (delayed(m, each, late) for each in (low, high, rounded, is_low, is_high))
        m.d.comb += self.activation.eq(delayed(m, Mux(is_low, low, Mux(is_high, high, rounded)), 1))
        return m

    @staticmethod
    def _fold(value, bits: int, beyond):
        """The lowest bits as a signed value, and whether it is another one: the bits above are not all its sign."""
        bits = min(bits, len(value))
        above = value[bits - 1 :]
        return value[:bits].as_signed(), beyond | (above.any() & ~above.all())
