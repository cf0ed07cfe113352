"""The accelerator on three pins, so that it can be placed alone.

An accelerator has more ports than a package has pins. Placing it without pins, which nextpnr has for ECP5 alone,
also leaves the clock off the clock network. So all families get this harness: its inputs are the bits of a
shift register, its outputs go through a tree of XORs with a register behind each. Whatever path begins or ends at a
port thus begins or ends at a register, and none of the harness is longer than one LUT.
"""

from amaranth import Cat, ClockDomain, Instance, Module, Signal, Value
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

TOP = "pins"
"""Name of the harness's module."""
CORE = "core"
"""Name of the accelerator in it."""
OPEN = {"written"}
"""Outputs for debugging, which a design leaves open."""
WAYS = 4
"""Inputs of a LUT."""


class Pins(wiring.Component):
    """A harness for a Verilog module with a clock `clk`.

    Parameters
    ----------
    module: its name. ports: its port map, see hw.verilog.port_map.

    Members
    -------
    clk: In. i: In, into the shift register, a bit a cycle. o: Out, of the tree.

    The reset of the module is a bit of the shift register, too.
    """

    def __init__(self, module: str, ports: dict[str, dict]):
        self._module = module
        self._ports = ports
        super().__init__({"clk": In(1), "i": In(1), "o": Out(1)})

    def elaborate(self, platform):
        """Shift register, module, tree."""
        m = Module()
        m.domains.sync = domain = ClockDomain(reset_less=True)
        m.d.comb += domain.clk.eq(self.clk)
        inputs = {name: Signal(port["width"], name=name) for name, port in self._of("input") if name != "clk"}
        outputs = {name: Signal(port["width"], name=name) for name, port in self._of("output") if name not in OPEN}
        m.submodules[CORE] = Instance(
            self._module,
            i_clk=self.clk,
            **{f"i_{name}": signal for name, signal in inputs.items()},
            **{f"o_{name}": signal for name, signal in outputs.items()},
        )
        chain = Cat(inputs.values())
        m.d.sync += chain.eq(Cat(self.i, chain))
        level = self._xored(m, Cat(outputs.values()))
        while len(level) > 1:
            level = self._xored(m, level)
        m.d.comb += self.o.eq(level)
        return m

    def _xored(self, m: Module, bits: Value) -> Signal:
        """Registers, each with the XOR of WAYS of the bits."""
        groups = [bits[start : start + WAYS].xor() for start in range(0, len(bits), WAYS)]
        level = Signal(len(groups), name=f"level_{len(groups)}")
        m.d.sync += level.eq(Cat(groups))
        return level

    def _of(self, direction: str) -> list[tuple[str, dict]]:
        return [(name, port) for name, port in self._ports.items() if port["direction"] == direction]


def convert(module: str, ports: dict[str, dict]) -> str:
    """The harness in yosys's language RTLIL; the module itself is read beside it."""
    return rtlil.convert(Pins(module, ports), name=TOP, emit_src=False)
