import json
from dataclasses import replace

import pytest
from networks import random_network
from tiers import slow

from hw import yosys
from hw.build import write
from hw.compiler import compile_network, size_array
from hw.fpga.devices import DEVICES, RESOURCES, device
from hw.fpga.synth import FAMILIES, synthesize

TINY = random_network(0, [5, 3, 2], weight_bits=3, activation_bits=4)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    compiled = compile_network(TINY, size_array(TINY, 2, 2))
    return write(compiled, tmp_path_factory.mktemp("synth") / "build")


@pytest.mark.parametrize("name", ["ecp5-25k", "ice40-up5k", *slow(["ice40-hx8k", "gw1n-9c", "xilinx-7", "xilinx-us"])])
def test_tiny_build_synthesizes(build, name, tmp_path):
    result = synthesize(build.verilog, device(name), tmp_path / "synth.json")
    assert json.loads((tmp_path / "synth.json").read_text()) == result
    assert (result["device"], result["yosys"]) == (name, yosys.version())
    assert list(result["resources"]) == list(result["available"]) == list(RESOURCES)
    assert result["resources"]["luts"] > 100
    assert result["resources"]["ffs"] > 100
    expected = {"ecp5-25k": 2, "ice40-hx8k": 0}  # narrow weights: ECP5 makes two products a block
    assert result["resources"]["dsps"] == expected.get(name, 4)


ENABLES = """
module enables(input clk, few_enable, many_enable, input [2:0] a, input [3:0] b,
    output reg [2:0] few, output reg [3:0] many);
  always @(posedge clk) begin
    if (few_enable) few <= a;
    if (many_enable) many <= b;
  end
endmodule
"""


def test_ice40_has_no_enable_for_fewer_than_four_flip_flops(tmp_path):
    path = tmp_path / "enables.v"
    path.write_text(ENABLES)
    cells = synthesize(path, device("ice40-up5k"), top="enables")["cells"]
    assert (cells["SB_DFF"], cells["SB_DFFE"]) == (3, 4)


def test_every_family_has_a_device():
    assert set(FAMILIES) == {each.family for each in DEVICES.values()}


def test_harness_is_in_the_netlist_and_not_in_the_counts(build, tmp_path):
    alone = synthesize(build.verilog, device("ecp5-25k"))
    netlist = tmp_path / "netlist.json"
    harnessed = synthesize(build.verilog, device("ecp5-25k"), ports=build.ports, netlist=netlist)
    assert harnessed == alone
    cells = json.loads(netlist.read_text())["modules"]["pins"]["cells"].values()
    registers = sum(cell["type"] == "TRELLIS_FF" for cell in cells)
    inputs = [port["width"] for name, port in build.ports.items() if port["direction"] == "input" and name != "clk"]
    assert registers - alone["resources"]["ffs"] > sum(inputs)
    assert [limit["cell"] for limit in alone["limits"]] == ["MULT18X18D"]


def test_a_family_can_rewrite_the_netlist_before_it_is_counted(build, tmp_path, monkeypatch):
    def without_registers(cells):
        for name in [name for name, cell in cells.items() if cell["type"] == "TRELLIS_FF"]:
            del cells[name]

    changed = replace(FAMILIES["ecp5"], rewrite=(without_registers,))
    monkeypatch.setitem(FAMILIES, "ecp5", changed)
    result = synthesize(build.verilog, device("ecp5-25k"), netlist=tmp_path / "netlist.json")
    assert result["resources"]["ffs"] == 0
    cells = json.loads((tmp_path / "netlist.json").read_text())["modules"]["accelerator"]["cells"].values()
    assert {cell["type"] for cell in cells} >= {"LUT4", "MULT18X18D"}
    assert "TRELLIS_FF" not in {cell["type"] for cell in cells}


def test_failure_carries_the_message_of_yosys(tmp_path):
    path = tmp_path / "accelerator.v"
    path.write_text("module accelerator(; endmodule\n")
    with pytest.raises(yosys.ToolError, match=r"yosys failed: .*ERROR.*syntax error"):
        synthesize(path, device("ice40-up5k"))
