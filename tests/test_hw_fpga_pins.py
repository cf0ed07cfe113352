"""The harness is read back by yosys with a small module in the place of the accelerator."""

import json

from hw import yosys
from hw.fpga import pins

PORTS = {
    "clk": {"direction": "input", "width": 1},
    "rst": {"direction": "input", "width": 1},
    "a": {"direction": "input", "width": 5},
    "y": {"direction": "output", "width": 7},
    "written": {"direction": "output", "width": 9},
}
MODULE = """
module small(input clk, input rst, input [4:0] a, output [6:0] y, output [8:0] written);
  assign y = {rst, clk, a};
  assign written = 9'h1ff;
endmodule
"""


def test_every_port_ends_at_a_register_and_three_pins_are_left(tmp_path):
    (tmp_path / "pins.il").write_text(pins.convert("small", PORTS))
    (tmp_path / "small.v").write_text(MODULE)
    yosys.run("read_verilog small.v\nread_rtlil pins.il\nproc\nwrite_json out.json", tmp_path, "out.json")
    module = json.loads((tmp_path / "out.json").read_text())["modules"][pins.TOP]
    assert {name: len(port["bits"]) for name, port in module["ports"].items()} == {"clk": 1, "i": 1, "o": 1}
    core = module["cells"][pins.CORE]
    registers = [cell for cell in module["cells"].values() if cell["type"] == "$dff"]
    driven = {bit for cell in registers for bit in cell["connections"]["Q"]}
    taken = {bit for cell in registers for bit in cell["connections"]["D"]}
    assert {len(core["connections"][name]) for name in ("rst", "a")} == {1, 5}
    assert set(core["connections"]["rst"] + core["connections"]["a"]) <= driven
    gates = [cell for cell in module["cells"].values() if cell["type"] == "$reduce_xor"]
    assert set(core["connections"]["y"]) <= {bit for cell in gates for bit in cell["connections"]["A"]}
    assert {bit for cell in gates for bit in cell["connections"]["Y"]} <= taken
    assert "written" not in core["connections"]
    # 6 bits in the shift register, 2 and 1 in the tree behind 7 outputs
    assert sum(len(cell["connections"]["Q"]) for cell in registers) == 6 + 2 + 1
