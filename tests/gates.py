"""A Verilog module as gates, evaluated on many values at once."""

import json
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np

from hw import yosys

_GATES = {
    "$_NOT_": lambda a: ~a,
    "$_AND_": lambda a, b: a & b,
    "$_OR_": lambda a, b: a | b,
    "$_XOR_": lambda a, b: a ^ b,
    "$_XNOR_": lambda a, b: ~(a ^ b),
    "$_MUX_": lambda a, b, s: (a & ~s) | (b & s),
}


class Gates:
    """Module `top` of a design in Verilog, in lanes that know nothing of each other.

    models: files of yosys's own simulation models that the design needs, such as +/ice40/cells_sim.v.
    Registers begin at 0; all have one clock, `clk`.
    """

    def __init__(self, verilog: str, folder: Path, models: tuple[str, ...] = (), top: str = "top"):
        (folder / "design.v").write_text(verilog)
        yosys.run(
            f"""
            {" ; ".join(f"read_verilog -overwrite -defer {model}" for model in models)}
            read_verilog design.v
            hierarchy -check -top {top}
            synth -flatten -noabc -top {top}
            dfflegalize -cell $_DFF_P_ x
            techmap
            simplemap
            opt_clean
            write_json gates.json
            """,
            folder,
            "gates.json",
        )
        module = json.loads((folder / "gates.json").read_text())["modules"][top]
        self._ports = {name: port["bits"] for name, port in module["ports"].items()}
        cells = [cell for cell in module["cells"].values() if cell["type"] != "$scopeinfo"]
        self._registers, self._gates = {}, {}
        for cell in cells:
            pins = {name.lower(): bits[0] for name, bits in cell["connections"].items()}
            if cell["type"] == "$_DFF_P_":
                assert pins["c"] == self._ports["clk"][0]
                self._registers[pins["q"]] = pins["d"]
            else:
                output = pins.pop("y")
                self._gates[output] = (_GATES[cell["type"]], pins)
        order = TopologicalSorter({output: set(pins.values()) for output, (_, pins) in self._gates.items()})
        self._order = [bit for bit in order.static_order() if bit in self._gates]
        self._state = dict.fromkeys(self._registers, np.False_)

    def cycle(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """All other ports, unsigned, with these inputs; then a clock edge."""
        values = {"0": np.False_, "1": np.True_, "x": np.False_, **self._state}
        for name, value in inputs.items():
            values |= {bit: (value >> index & 1).astype(bool) for index, bit in enumerate(self._ports[name])}
        for bit in self._order:
            gate, pins = self._gates[bit]
            values[bit] = gate(**{pin: values[source] for pin, source in pins.items()})
        self._state = {q: values[d] for q, d in self._registers.items()}
        outputs = {name: bits for name, bits in self._ports.items() if name not in ("clk", *inputs)}
        return {
            name: sum(values[bit].astype(np.int64) << index for index, bit in enumerate(bits))
            for name, bits in outputs.items()
        }
