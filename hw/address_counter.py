"""Address counter: an element address that steps by what it is given, a stage for each carry."""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.address import AddressLayout
from hw.gated_adder import gated_sum
from hw.stream import delayed


class AddressCounter(wiring.Component):
    """address = (0 if first else address) + step, in mixed radix

    The bank is added in one cycle and the word, with the carry, in the next: no carry passes through both.

    Parameters
    ----------
    layout: of the address. stages: cycles from a step to the address, 2 at least where the layout has a bank, else 1.

    Members
    -------
    step: In(AddressLayout), what is added. first: In(1), the address is the step alone.
    address: Out(AddressLayout), `stages` cycles later.

    A step a cycle.
    """

    def __init__(self, layout: AddressLayout, stages: int):
        if stages < 1 + layout.unaligned:
            raise ValueError(f"an address counter must have {1 + layout.unaligned} stages or more, not {stages}")
        self._layout, self._stages = layout, stages
        super().__init__({"step": In(layout), "first": In(1), "address": Out(layout)})

    def elaborate(self, platform):
        """Build the bank, then the word, then what delay is left."""
        m = Module()
        word, step = Signal.like(self.step.word, name="word"), self.step.word
        if self._layout.unaligned:
            bank, carry = self._bank(m)
            first, step = delayed(m, self.first, 1), delayed(m, step, 1)
            # The carry enters below the lowest bit of the word.
            total = gated_sum(m, "adder", Cat(carry, word), Cat(carry, step), first)
            m.d.sync += word.eq(total[1:])
            address = Cat(word, delayed(m, bank, 1))
        else:
            m.d.sync += word.eq(gated_sum(m, "adder", word, step, self.first))
            address = word
        m.d.comb += self.address.as_value().eq(delayed(m, address, self._stages - 1 - self._layout.unaligned))
        return m

    def _bank(self, m: Module) -> tuple[Signal, Signal]:
        """The bank, and the carry out of it."""
        bank, carry = Signal.like(self.step.bank, name="bank"), Signal()
        total = Signal(len(bank) + 1)
        m.d.comb += total.eq(Mux(self.first, 0, bank) + self.step.bank)
        m.d.sync += [each.eq(value) for each, value in zip((bank, carry), self._layout.wrap(total), strict=True)]
        return bank, carry
