"""Blocks in the cells of an FPGA: what takes the place of the modules that hw/block.py keeps apart.

Multipliers become the family's multiplier blocks with all their registers, as long as the device has them, and
chains of gated adders beyond that. A gated adder takes one lookup table a bit, the gate included. What a family
has no cells for stays as it is.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sw.errors import InputError

MULTIPLIERS = ("auto", "dsp", "lut")
"""Where products are made: in multiplier blocks as long as there are any, in these alone, in lookup tables alone."""

_INSTANCE = re.compile(r"^(\s+)(multiplier_\d+x\d+)(?= \S+ \()", re.MULTILINE)
_MODULE = re.compile(r"^module ((?:multiplier|gated_adder)_\w+)\b.*?^endmodule\n", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Cells:
    """A family's cells for blocks, each as a function of widths that gives the body of a Verilog module.

    Parameters
    ----------
    multiplier: of the bits of activation and weight, None where yosys finds multiplier blocks by itself.
    gated_adder: of the width, None where yosys does as well by itself.
    gated_subtractor: of the width, term - (first ? 0 : total); for the top row of a product in lookup tables.
    """

    multiplier: Callable[[int, int], str] | None = None
    gated_adder: Callable[[int], str] | None = None
    gated_subtractor: Callable[[int], str] | None = None


def map_blocks(verilog: str, cells: Cells, blocks: int | None, multipliers: str = "auto") -> str:
    """The design with the cells of the family in its blocks, and each product where it is to be made.

    blocks: multiplier blocks that the device has; None if nobody knows. multipliers: of MULTIPLIERS.
    Raises InputError if `dsp` asks for more than there are.
    """
    if multipliers not in MULTIPLIERS:
        raise InputError(f"multipliers must be one of {', '.join(MULTIPLIERS)}, not {multipliers!r}")
    wanted = len(_INSTANCE.findall(verilog))
    room = 0 if multipliers == "lut" else wanted if blocks is None else blocks
    if multipliers == "dsp" and wanted > room:
        raise InputError(
            f"multipliers must be auto or lut, not dsp: the array has {wanted}, the device has {room} multiplier blocks"
        )
    count = iter(range(wanted))

    def place(match: re.Match) -> str:
        return match[1] + ("" if next(count) < room else "lut_") + match[2]

    bodies: dict[str, str] = {}  # of the modules, by name

    def take(match: re.Match) -> str:
        kind, widths = match[1].rsplit("_", 1)
        bits = [int(width) for width in widths.split("x")]
        if kind == "multiplier" and wanted > room:
            bodies[f"lut_{match[1]}"] = _lut_multiplier(*bits)
            bodies.update(_gated(bits[0] + 1, cells.gated_adder, "adder", "+"))
            bodies.update(_gated(bits[0] + 1, cells.gated_subtractor, "subtractor", "-"))
        if kind == "gated_adder":
            bodies.update(_gated(*bits, cells.gated_adder, "adder", "+"))
        elif cells.multiplier is not None:
            bodies[match[1]] = cells.multiplier(*bits)
        else:
            return match[0]
        return ""

    verilog = _MODULE.sub(take, _INSTANCE.sub(place, verilog))
    return verilog + "".join(f"module {name}{body}endmodule\n" for name, body in bodies.items())


def _gated(width: int, body: Callable[[int], str] | None, kind: str, sign: str) -> dict[str, str]:
    """The module of an adder or a subtractor, by name."""
    behaviour = f"{_gated_ports(width)}  assign result = first ? term : term {sign} total;\n"
    return {f"gated_{kind}_{width}": body(width) if body else behaviour}


def _gated_ports(width: int) -> str:
    return f"""(input [{width - 1}:0] total, term, input first, output [{width - 1}:0] result);
"""


def _multiplier_ports(activation: int, weight: int) -> str:
    return f"""(input clk, input signed [{activation - 1}:0] activation, input signed [{weight - 1}:0] weight,
    output signed [{activation + weight - 1}:0] product);
"""


def _lut_multiplier(activation: int, weight: int) -> str:
    """Rows of the product, each gated by a bit of the weight, in two chains that are then added.

    Bit k of a weight counts 2^k, its highest one -2^(weight-1). A chain keeps the bits below the next row aside.
    """
    half, width = weight // 2, activation + 1
    lines = [f"  reg signed [{activation - 1}:0] a; reg [{weight - 1}:0] w; wire signed [{width - 1}:0] wide = a;"]
    lines.append("  always @(posedge clk) begin a <= activation; w <= weight; end")
    for name, rows in (("low", range(half)), ("high", range(half, weight))):
        kept = len(rows) - 1  # bits that lie below the last row
        for index, row in enumerate(rows):
            is_top = row == weight - 1
            lines.append(f"  wire signed [{width - 1}:0] {name}_{index};")
            if index == 0 and not is_top:
                lines.append(f"  assign {name}_{index} = wide & {{{width}{{w[{row}]}}}};")
                continue
            before = f"{name}_{index - 1} >>> 1" if index else "0"
            lines.append(f"  wire signed [{width - 1}:0] {name}_above_{index} = {before};")
            kind = "gated_subtractor" if is_top else "gated_adder"
            lines.append(
                f"  {kind}_{width} {name}_row_{index} (.total(wide), .term({name}_above_{index}), "
                f".first(~w[{row}]), .result({name}_{index}));"
            )
        below = "".join(f", {name}_{index}[0]" for index in reversed(range(kept)))
        lines.append(f"  reg signed [{width + kept - 1}:0] {name};")
        lines.append(f"  always @(posedge clk) {name} <= {{{name}_{kept}{below}}};")
    lines.append(f"  reg signed [{activation + weight - 1}:0] sum; assign product = sum;")
    lines.append(f"  always @(posedge clk) sum <= {{(low >>> {half}) + high, low[{half - 1}:0]}};")
    return _multiplier_ports(activation, weight) + "\n".join(lines) + "\n"


def _ecp5_multiplier(activation: int, weight: int) -> str:
    """MULT18X18D with input, pipeline and output registers."""
    registers = ", ".join(f'.REG_{name}_CLK("CLK0")' for name in ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT"))
    ports = [f".A{bit}(a[{bit}]), .B{bit}(b[{bit}]), .C{bit}(1'b0)" for bit in range(18)]
    ports += [f".P{bit}(p[{bit}])" for bit in range(36)]
    ports += [".SIGNEDA(1'b1), .SIGNEDB(1'b1), .SOURCEA(1'b0), .SOURCEB(1'b0)", ".CLK0(clk), .CE0(1'b1), .RST0(1'b0)"]
    return (
        _multiplier_ports(activation, weight)
        + f"""  wire signed [17:0] a = activation, b = weight; wire [35:0] p;
  assign product = p[{activation + weight - 1}:0];
  MULT18X18D #({registers}) block ({", ".join(ports)});
"""
    )


def _ecp5_gated(width: int, inverts: bool) -> str:
    """CCU2C, two bits each: LUT4 is the propagate bit, LUT2 (INIT[3:0]) the carry where nothing propagates.

    Input D is 1, so that INIT[3:0] is free for LUT2 = term; INIT[15:8] is term ^ (total or its inverse, unless first).
    """
    init = "16'b1100_1001_0000_1100" if inverts else "16'b1100_0110_0000_1100"
    pairs, gate = -(-width // 2), "~first" if inverts else "1'b0"
    lines = [f"  wire [{2 * pairs - 1}:0] a = total, b = term, s; wire [{pairs}:0] carry; assign result = s;"]
    lines.append(f"  assign carry[0] = {gate};")
    for pair in range(pairs):
        ports = [
            f".{port}{half}({value})"
            for half, bit in enumerate((2 * pair, 2 * pair + 1))
            for port, value in {"A": f"a[{bit}]", "B": f"b[{bit}]", "C": "first", "D": "1'b1", "S": f"s[{bit}]"}.items()
        ]
        ports += [f".CIN(carry[{pair}])", f".COUT(carry[{pair + 1}])"]
        settings = f'.INIT0({init}), .INIT1({init}), .INJECT1_0("NO"), .INJECT1_1("NO")'
        lines.append(f"  CCU2C #({settings}) pair_{pair} ({', '.join(ports)});")
    return _gated_ports(width) + "\n".join(lines) + "\n"


def _ice40_multiplier(activation: int, weight: int) -> str:
    """SB_MAC16 with input, pipeline and output registers."""
    registers = ("A_REG", "B_REG", "TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG")
    registers += ("PIPELINE_16x16_MULT_REG1", "PIPELINE_16x16_MULT_REG2")
    settings = ", ".join(f".{name}(1'b1)" for name in (*registers, "A_SIGNED", "B_SIGNED"))
    zeros = ("C", "D", "AHOLD", "BHOLD", "CHOLD", "DHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT")
    zeros += ("OLOADTOP", "OLOADBOT", "ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT", "CI", "ACCUMCI", "SIGNEXTIN")
    idle = ", ".join(f".{name}(0)" for name in zeros)
    return (
        _multiplier_ports(activation, weight)
        + f"""  wire signed [15:0] a = activation, b = weight; wire [31:0] p;
  assign product = p[{activation + weight - 1}:0];
  SB_MAC16 #({settings}, .TOPOUTPUT_SELECT(2'b11), .BOTOUTPUT_SELECT(2'b11))
    block (.CLK(clk), .CE(1'b1), .A(a), .B(b), .O(p), {idle});
"""
    )


ECP5 = Cells(
    multiplier=_ecp5_multiplier,
    gated_adder=lambda width: _ecp5_gated(width, inverts=False),
    gated_subtractor=lambda width: _ecp5_gated(width, inverts=True),
)
ICE40 = Cells(multiplier=_ice40_multiplier)
OTHERS = Cells()
