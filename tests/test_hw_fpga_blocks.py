"""Blocks in the cells of an FPGA, by models of these cells, against integers.

The models are yosys's own, except two that it lacks: MULT18X18D's is the one that netlists are simulated with, and
MULT9X9's is here, after Gowin's user guide UG287 (DSP), for what is used of the block.
"""

import re
import shutil

import numpy as np
import pytest
from gates import Gates
from networks import random_network
from tiers import slow

from hw.compiler import compile_network, size_array
from hw.config import ArrayConfig
from hw.fpga.blocks import MULTIPLIERS, map_blocks
from hw.fpga.cells import OTHERS, Cells
from hw.fpga.ecp5_cells import ECP5
from hw.fpga.gowin_cells import GOWIN
from hw.fpga.ice40_cells import ICE40
from hw.fpga.netlist_verilog import OWN_MODELS
from hw.multiplier import Multiplier
from hw.schedule import SCHEDULES
from hw.verilog import convert
from sw.errors import InputError

MULT9X9 = """
module MULT9X9(input [8:0] A, B, SIA, SIB, input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET, output [17:0] DOUT);
  parameter AREG = 0, BREG = 0, ASIGN_REG = 0, BSIGN_REG = 0, PIPE_REG = 0, OUT_REG = 0;
  reg [9:0] a, b; reg [19:0] pipe, out;
  wire signed [9:0] a_in = {ASIGN & A[8], A}, b_in = {BSIGN & B[8], B};
  wire signed [9:0] a_used = AREG & ASIGN_REG ? a : a_in, b_used = BREG & BSIGN_REG ? b : b_in;
  wire [19:0] product = a_used * b_used, piped = PIPE_REG ? pipe : product;
  always @(posedge CLK) if (RESET) {a, b, pipe, out} <= 0;
    else if (CE) begin a <= a_in; b <= b_in; pipe <= product; out <= piped; end
  assign DOUT = OUT_REG ? out : piped;
endmodule
"""
LATENCY = {"": Multiplier.latency(ArrayConfig()), "short_": Multiplier.latency(ArrayConfig(follows_input=True))}
"""By what the module's name begins with."""
MODELS = {
    "ecp5": (ECP5, ("+/lattice/cells_sim_ecp5.v",)),
    "ice40": (ICE40, ("+/ice40/cells_sim.v",)),
    "others": (OTHERS, ()),
}


def multiplier_design(activation: int, weight: int, count: int = 1, kind: str = "") -> str:
    """A design of so many multipliers in one module, as the export writes it; kind: of LATENCY."""
    name = f"{kind}multiplier_{activation}x{weight}"
    ports = f"""input clk, input signed [{activation - 1}:0] activation, input signed [{weight - 1}:0] weight"""
    products = "".join(f", output signed [{activation + weight - 1}:0] product_{index}" for index in range(count))
    instances = "".join(
        f"  {name} block_{index} (.clk(clk), .activation(activation), .weight(weight), .product(product_{index}));\n"
        for index in range(count)
    )
    return f"""module top({ports}{products});
{instances}endmodule
module {name}({ports}, output signed [{activation + weight - 1}:0] product);
  assign product = 0;  // which nobody reads
endmodule
"""


def adder_design(width: int) -> str:
    ports = f"input [{width - 1}:0] total, term, input first, output [{width - 1}:0] result"
    instance = f"gated_adder_{width} adder (.total(total), .term(term), .first(first), .result(result));"
    return f"""module top({ports});
  {instance}
endmodule
module gated_adder_{width}({ports});
  assign result = first ? term : total + term;
endmodule
"""


def check_multiplier(gates: Gates, activation: int, weight: int, kind: str) -> None:
    """All operands in each of several cycles, each lane in an order of its own: the products come `latency` later."""
    rng, latency = np.random.default_rng(0), LATENCY[kind]
    a, w = (each.ravel() for each in np.mgrid[: 1 << activation, : 1 << weight])
    signed_a, signed_w = (each - (each >> bits - 1 << bits) for each, bits in ((a, activation), (w, weight)))
    expected = (signed_a * signed_w) % (1 << activation + weight)
    orders = []
    for cycle in range(2 * latency + 1):
        orders.append(rng.permutation(len(a)))
        found = gates.cycle(activation=a[orders[-1]], weight=w[orders[-1]])["product_0"]
        if cycle >= latency:
            assert (found == expected[orders[cycle - latency]]).all()


@pytest.mark.parametrize("kind", LATENCY)
@pytest.mark.parametrize("family", MODELS)
@pytest.mark.parametrize(
    ("activation", "weight"),
    [(9, 8), (3, 2), *(pytest.param(*shape, marks=pytest.mark.slow) for shape in [(9, 5), (9, 4), (9, 2), (5, 3)])],
)
def test_a_multiplier_in_lookup_tables_is_the_multiplier(family, activation, weight, kind, tmp_path):
    cells, models = MODELS[family]
    design = map_blocks(multiplier_design(activation, weight, kind=kind), cells, 0)
    for cell, of in (("CCU2C", "ecp5"), ("SB_CARRY", "ice40")):
        assert (cell in design) == (family == of)
    assert "*" not in design
    check_multiplier(Gates(design, tmp_path, models), activation, weight, kind)


@pytest.mark.parametrize("kind", LATENCY)
@pytest.mark.parametrize(("activation", "weight"), [(9, 8), (5, 3)])
def test_a_multiplier_block_of_ice40_is_the_multiplier(activation, weight, kind, tmp_path):
    cells, models = MODELS["ice40"]
    design = map_blocks(multiplier_design(activation, weight, kind=kind), cells, 1)
    assert "SB_MAC16" in design
    check_multiplier(Gates(design, tmp_path, models), activation, weight, kind)


@pytest.mark.parametrize("kind", LATENCY)
@pytest.mark.parametrize(("activation", "weight"), [(9, 8), (9, 6), (5, 3)])
def test_a_multiplier_block_of_ecp5_is_the_multiplier(activation, weight, kind, tmp_path):
    design = map_blocks(multiplier_design(activation, weight, kind=kind), ECP5, 1)
    shutil.copy(OWN_MODELS, tmp_path)
    check_multiplier(Gates(design, tmp_path, (OWN_MODELS.name,)), activation, weight, kind)


@pytest.mark.parametrize("kind", LATENCY)
@pytest.mark.parametrize(("activation", "weight"), [(9, 8), (5, 3)])
def test_a_multiplier_block_of_gowin_is_the_multiplier(activation, weight, kind, tmp_path):
    design = map_blocks(multiplier_design(activation, weight, kind=kind), GOWIN, 1)
    check_multiplier(Gates(design + MULT9X9, tmp_path), activation, weight, kind)


def pair_design(count: int = 1, weight: int = 5) -> str:
    """A design of so many pairs with narrow weights in one module, as the export writes it."""
    ports = f"input clk, input signed [8:0] activation, input signed [{weight - 1}:0] low, high"
    products = "".join(f", output signed [{weight + 8}:0] low_{index}, high_{index}" for index in range(count))
    instances = "".join(
        f"  pair_multiplier_9x{weight} pair_{index} (.clk(clk), .activation(activation), .low(low), .high(high), "
        f".low_product(low_{index}), .high_product(high_{index}));\n"
        for index in range(count)
    )
    return f"""module top({ports}{products});
{instances}endmodule
module pair_multiplier_9x{weight}({ports}, output signed [{weight + 8}:0] low_product, high_product);
  assign low_product = 0, high_product = 0;  // which nobody reads
endmodule
"""


@pytest.mark.parametrize("weight", [2, 5, *slow([3, 4])])
@pytest.mark.parametrize(("family", "blocks"), [("ecp5", 1), ("ecp5", 0), ("ice40", 2), ("ice40", 1)])
def test_two_products_of_one_activation_are_exact_for_all_operands(family, blocks, weight, tmp_path):
    cells, models = MODELS[family]
    design = map_blocks(pair_design(weight=weight), cells, blocks)
    assert ("lut_pair" in design) == ((family, blocks) in (("ecp5", 0), ("ice40", 1)))
    if family == "ecp5":
        shutil.copy(OWN_MODELS, tmp_path)
        models = (OWN_MODELS.name,) if blocks else models
    gates = Gates(design, tmp_path, models)
    most = (1 << weight - 1) - 1
    a, low, high = (each.ravel() for each in np.mgrid[-255:256, -most : most + 1, -most : most + 1])
    rng, orders = np.random.default_rng(0), []
    for cycle in range(LATENCY[""] + 3):
        orders.append(rng.permutation(len(a)))
        operands = (each[orders[-1]] for each in (a, low, high))
        found = gates.cycle(
            **{
                name: value % (1 << bits)
                for name, value, bits in zip(("activation", "low", "high"), operands, (9, weight, weight), strict=True)
            }
        )
        if cycle >= LATENCY[""]:
            order = orders[cycle - LATENCY[""]]
            for name, factor in (("low_0", low), ("high_0", high)):
                assert (found[name] == (a * factor)[order] % (1 << weight + 9)).all()


@pytest.mark.parametrize(("cells", "blocks", "expected"), [(ECP5, 2, 2), (ICE40, 5, 2), (ICE40, 1, 0), (OTHERS, 4, 2)])
def test_pairs_take_as_many_blocks_as_the_family_needs(cells, blocks, expected):
    design = map_blocks(pair_design(3), cells, blocks)
    placed = re.findall(r"^  (\w+) pair_(\d) \(", design, re.MULTILINE)
    assert placed == [(("" if index < expected else "lut_") + "pair_multiplier_9x5", str(index)) for index in range(3)]
    modules = re.findall(r"^module (\w+)", design, re.MULTILINE)
    assert len(modules) == len(set(modules))


def all_cases(width: int) -> list[np.ndarray]:
    """All of total, term and first; of wide ones a sample, and the carry through all bits."""
    if width <= 6:
        return [each.ravel() for each in np.mgrid[: 1 << width, : 1 << width, :2]]
    total, term = np.random.default_rng(width).integers(0, 1 << width, (2, 4000))
    total[:4], term[:4] = (1 << width) - 1, (0, 1, 0, 1)
    return [total, term, np.arange(4000) >> 1 & 1]


@pytest.mark.parametrize("width", [1, 20, *slow([2, 3, 6, 9])])
@pytest.mark.parametrize("family", MODELS)
def test_a_gated_adder_adds_or_lets_the_term_pass(family, width, tmp_path):
    cells, models = MODELS[family]
    design = map_blocks(adder_design(width), cells, None)
    for cell, of in (("CCU2C", "ecp5"), ("SB_CARRY", "ice40")):
        assert (cell in design) == (family == of)
    total, term, first = all_cases(width)
    found = Gates(design, tmp_path, models).cycle(total=total, term=term, first=first)["result"]
    assert (found == (np.where(first, 0, total) + term) % (1 << width)).all()


@pytest.mark.parametrize("width", [1, 20, *slow([2, 3, 6, 9])])
@pytest.mark.parametrize("sign", ["+", "-"])
@pytest.mark.parametrize("kind", ["row", "first_row"])
@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_a_row_of_a_product_adds_or_subtracts_what_its_gates_let_pass(family, kind, sign, width, tmp_path):
    cells, models = MODELS[family]
    gates = Gates(f"module top{getattr(cells, kind)(width, sign)}endmodule\n", tmp_path, models)
    total, term, gate = all_cases(width)
    for term_gate in (0, 1) if kind == "first_row" else (None,):
        others = {} if term_gate is None else {"term_gate": np.full_like(gate, term_gate)}
        found = gates.cycle(total=total, term=term, gate=gate, **others)["result"]
        let_pass, added = (0 if term_gate == 0 else term), np.where(gate, total, 0)
        assert (found == (let_pass + added * (1 if sign == "+" else -1)) % (1 << width)).all()


@pytest.mark.parametrize(("kind", "between"), [("", ["PIPELINE"]), ("short_", [])])
def test_a_multiplier_block_of_ecp5_has_all_its_registers_and_signed_operands(kind, between):
    design = map_blocks(multiplier_design(9, 8, kind=kind), ECP5, 1)
    assert design.count("MULT18X18D") == 1
    registers = re.findall(r'\.REG_(\w+)_CLK\("CLK0"\)', design)
    assert registers == ["INPUTA", "INPUTB", *between, "OUTPUT"]
    for port in ("SIGNEDA", "SIGNEDB", "CE0"):
        assert f".{port}(1'b1)" in design
    for name, bits in (("A", 18), ("B", 18), ("P", 36)):
        assert re.findall(rf"\.{name}\d+\({name.lower()}\[(\d+)\]\)", design) == [str(bit) for bit in range(bits)]


@pytest.mark.parametrize(
    ("multipliers", "blocks", "expected"),
    [("auto", 2, 2), ("auto", 3, 3), ("auto", 9, 3), ("auto", None, 3), ("auto", 0, 0), ("lut", 9, 0), ("dsp", 3, 3)],
)
@pytest.mark.parametrize("kind", LATENCY)
@pytest.mark.parametrize("cells", [ECP5, ICE40])
def test_multipliers_are_in_blocks_as_long_as_there_are_any(cells, kind, multipliers, blocks, expected):
    name, design = f"{kind}multiplier_9x8", multiplier_design(9, 8, count=3, kind=kind)
    design = map_blocks(design, cells, blocks, multipliers)
    placed = re.findall(r"^  (\w+) block_(\d) \(", design, re.MULTILINE)
    assert placed == [(("" if index < expected else "lut_") + name, str(index)) for index in range(3)]
    modules = re.findall(r"^module (\w+)", design, re.MULTILINE)
    assert len(modules) == len(set(modules))
    in_tables = {f"lut_{name}", "lut_first_row_add_10", "lut_row_add_10", "lut_row_subtract_10"}
    assert set(modules) == {"top", name, *(in_tables if expected < 3 else ())}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_all_multipliers_of_an_export_are_found(schedule, tmp_path):
    network = random_network(0, [5, 3, 2])
    compiled = compile_network(network, size_array(network, 2, 2, kind=schedule), schedule)
    convert(compiled.accelerator(), "top", tmp_path / "top.v")
    verilog = (tmp_path / "top.v").read_text()
    assert verilog.count(" * ") == 1  # of the one module that all are instances of
    assert " * " not in map_blocks(verilog, ECP5, 0)
    assert map_blocks(verilog, ECP5, 4, "dsp").count("MULT18X18D") == 1
    with pytest.raises(InputError):
        map_blocks(verilog, ECP5, 3, "dsp")


def test_a_family_without_cells_keeps_the_modules_as_they_are():
    design = multiplier_design(9, 8)
    assert map_blocks(design, OTHERS, None) == design
    kept = map_blocks(adder_design(4), Cells(multiplier=ICE40.multiplier), None)
    assert "assign result = first ? term : total + term;" in kept


@pytest.mark.parametrize(("reserved", "needed"), [(0, 3), (1, 4)])
def test_more_multipliers_than_blocks_are_refused_only_where_blocks_are_demanded(reserved, needed):
    message = (
        f"^multipliers must be auto or lut, not dsp: the array needs {needed} multiplier blocks, the device has 2$"
    )
    with pytest.raises(InputError, match=message):
        map_blocks(multiplier_design(9, 8, count=3), ECP5, 2, "dsp", reserved)


@pytest.mark.parametrize(("reserved", "in_tables"), [(0, 1), (1, 2), (2, 3), (3, 3)])
def test_blocks_that_are_not_for_products_are_left(reserved, in_tables):
    design = map_blocks(multiplier_design(9, 8, count=3), ECP5, 2, "auto", reserved)
    assert len(re.findall(r"^  lut_multiplier_9x8 ", design, re.MULTILINE)) == in_tables


@pytest.mark.parametrize("value", ["fast", ""])
def test_an_unknown_place_for_products_is_refused(value):
    with pytest.raises(InputError, match=rf"^multipliers must be one of {', '.join(MULTIPLIERS)}, not '{value}'$"):
        map_blocks(multiplier_design(9, 8), ECP5, 2, value)
