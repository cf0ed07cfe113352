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

_INSTANCE = re.compile(r"^(\s+)((?:pair_)?multiplier_\d+x\d+)(?= \S+ \()", re.MULTILINE)
_MODULE = re.compile(
    r"^module ((?:pair_)?multiplier_\d+x\d+|gated_adder_\d+)\b.*?^endmodule\n", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Cells:
    """A family's cells for blocks, each as a function of widths that gives the body of a Verilog module.

    Parameters
    ----------
    multiplier: of the bits of activation and weight, None where yosys finds multiplier blocks by itself.
    pair_multiplier: of the same; None where two products take two blocks.
    gated_adder: of the width, None where yosys does as well by itself.
    gated_subtractor: of the width, term - (first ? 0 : total); for the top row of a product in lookup tables.
    """

    multiplier: Callable[[int, int], str] | None = None
    pair_multiplier: Callable[[int, int], str] | None = None
    gated_adder: Callable[[int], str] | None = None
    gated_subtractor: Callable[[int], str] | None = None


def map_blocks(verilog: str, cells: Cells, blocks: int | None, multipliers: str = "auto") -> str:
    """The design with the cells of the family in its blocks, and each product where it is to be made.

    blocks: multiplier blocks that the device has; None if nobody knows. multipliers: of MULTIPLIERS.
    Raises InputError if `dsp` asks for more than there are.
    """
    if multipliers not in MULTIPLIERS:
        raise InputError(f"multipliers must be one of {', '.join(MULTIPLIERS)}, not {multipliers!r}")
    instances = [match[2] for match in _INSTANCE.finditer(verilog)]
    wanted = sum(_blocks(name, cells) for name in instances)
    room = 0 if multipliers == "lut" else wanted if blocks is None else blocks
    if multipliers == "dsp" and wanted > room:
        raise InputError(
            f"multipliers must be auto or lut, not dsp: the array needs {wanted} multiplier blocks, the device has "
            f"{room}"
        )
    bodies: dict[str, str] = {}  # of the modules, by name

    def place(match: re.Match) -> str:
        nonlocal room
        taken = _blocks(match[2], cells)
        if taken <= room:
            room -= taken
            return match[0]
        bodies.update(_in_tables(match[2], cells))
        return f"{match[1]}lut_{match[2]}"

    def take(match: re.Match) -> str:
        found = _in_cells(match[1], cells)
        bodies.update(found)
        return "" if match[1] in found else match[0]

    verilog = _MODULE.sub(take, _INSTANCE.sub(place, verilog))
    return verilog + "".join(f"module {name}{body}endmodule\n" for name, body in bodies.items())


def _blocks(module: str, cells: Cells) -> int:
    """Multiplier blocks of a multiplier or a pair of them."""
    return 2 if module.startswith("pair") and cells.pair_multiplier is None else 1


def _widths(module: str) -> list[int]:
    return [int(width) for width in module.rsplit("_", 1)[1].split("x")]


def _in_cells(module: str, cells: Cells) -> dict[str, str]:
    """What takes the place of a module, and the modules that this needs; nothing where it is to stay."""
    widths = _widths(module)
    if module.startswith("gated_adder"):
        return _gated(*widths, cells.gated_adder, "adder", "+")
    if cells.multiplier is None:
        return {}
    if not module.startswith("pair"):
        return {module: cells.multiplier(*widths)}
    if cells.pair_multiplier is not None:
        return {module: cells.pair_multiplier(*widths)}
    single = module.removeprefix("pair_")
    return {module: _two_multipliers(single, *widths), single: cells.multiplier(*widths)}


def _in_tables(module: str, cells: Cells) -> dict[str, str]:
    """A multiplier or a pair of them in lookup tables, and the modules that this needs."""
    widths, single = _widths(module), module.removeprefix("pair_")
    bodies = {f"lut_{single}": _lut_multiplier(*widths)}
    bodies |= _gated(widths[0] + 1, cells.gated_adder, "adder", "+")
    bodies |= _gated(widths[0] + 1, cells.gated_subtractor, "subtractor", "-")
    return bodies if single == module else bodies | {f"lut_{module}": _two_multipliers(f"lut_{single}", *widths)}


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


def _pair_ports(activation: int, weight: int) -> str:
    product = f"output signed [{activation + weight - 1}:0]"
    return f"""(input clk, input signed [{activation - 1}:0] activation, input signed [{weight - 1}:0] low, high,
    {product} low_product, high_product);
"""


def _two_multipliers(single: str, activation: int, weight: int) -> str:
    ports = ".clk(clk), .activation(activation)"
    lines = [
        f"  {single} {each}_multiplier ({ports}, .weight({each}), .product({each}_product));\n"
        for each in ("low", "high")
    ]
    return _pair_ports(activation, weight) + "".join(lines)


def _product_register(bits: int) -> str:
    """Carries a product from its block, which is far from most adders."""
    return f"reg signed [{bits - 1}:0] late; always @(posedge clk) late <= p[{bits - 1}:0]; assign product = late;"


def _lut_multiplier(activation: int, weight: int) -> str:
    """Rows of the product, each gated by a bit of the weight, in two chains that are then added.

    Bit k of a weight counts 2^k, its highest one -2^(weight-1). A chain keeps the bits below the next row aside, and
    has a register behind its first half; a_0, w_0 are the operands of the first half, a_1, w_1 those of the second.
    """
    half, width = weight // 2, activation + 1
    lines = []
    for stage, (a, w) in enumerate((("activation", "weight"), ("a_0", "w_0"))):
        lines.append(f"  reg signed [{width - 1}:0] a_{stage}; reg [{weight - 1}:0] w_{stage};")
        lines.append(f"  always @(posedge clk) begin a_{stage} <= {a}; w_{stage} <= {w}; end")
    for name, rows in (("low", range(half)), ("high", range(half, weight))):
        last, split = len(rows) - 1, (len(rows) - 1) // 2  # the register is behind row `split`
        for index, row in enumerate(rows):
            stage, is_top = int(index > split), row == weight - 1
            result = f"{name}_{index}"
            lines.append(f"  wire signed [{width - 1}:0] {result};")
            if index == 0 and not is_top:
                lines.append(f"  assign {result} = a_0 & {{{width}{{w_0[{row}]}}}};")
            else:
                before = f"{name}_{index - 1}{'_late' if index == split + 1 else ''} >>> 1" if index else "0"
                lines.append(f"  wire signed [{width - 1}:0] {name}_above_{index} = {before};")
                kind = "gated_subtractor" if is_top else "gated_adder"
                lines.append(
                    f"  {kind}_{width} {name}_row_{index} (.total(a_{stage}), .term({name}_above_{index}), "
                    f".first(~w_{stage}[{row}]), .result({result}));"
                )
            if index <= split:
                lines.append(
                    f"  reg signed [{width - 1}:0] {result}_late; always @(posedge clk) {result}_late <= {result};"
                )
        ready = [f"{name}_{index}{'_late' if index <= split else ''}" for index in range(last + 1)]
        below = "".join(f", {each}[0]" for each in reversed(ready[:-1]))
        lines.append(f"  reg signed [{width + last - 1}:0] {name};")
        lines.append(f"  always @(posedge clk) {name} <= {{{ready[-1]}{below}}};")
    lines.append(f"  reg signed [{activation + weight - 1}:0] sum; assign product = sum;")
    lines.append(f"  always @(posedge clk) sum <= {{(low >>> {half}) + high, low[{half - 1}:0]}};")
    return _multiplier_ports(activation, weight) + "\n".join(lines) + "\n"


def _mult18x18d(a: str, b: str) -> str:
    """MULT18X18D with input, pipeline and output registers: p = a · b."""
    registers = ", ".join(f'.REG_{name}_CLK("CLK0")' for name in ("INPUTA", "INPUTB", "PIPELINE", "OUTPUT"))
    ports = [f".A{bit}(a[{bit}]), .B{bit}(b[{bit}]), .C{bit}(1'b0)" for bit in range(18)]
    ports += [f".P{bit}(p[{bit}])" for bit in range(36)]
    ports += [".SIGNEDA(1'b1), .SIGNEDB(1'b1), .SOURCEA(1'b0), .SOURCEB(1'b0)", ".CLK0(clk), .CE0(1'b1), .RST0(1'b0)"]
    return f"""  wire signed [17:0] a = {a}, b = {b}; wire [35:0] p;
  MULT18X18D #({registers}) block ({", ".join(ports)});
"""


def _ecp5_multiplier(activation: int, weight: int) -> str:
    """A block, and a register outside."""
    register = _product_register(activation + weight)
    return f"{_multiplier_ports(activation, weight)}{_mult18x18d('activation', 'weight')}  {register}\n"


def _ecp5_pair_multiplier(activation: int, weight: int) -> str:
    """A block that multiplies with high · 2^field + low; the lower product is `field` bits.

    The register outside gives the higher product back what a negative lower one has borrowed.
    """
    field, bits = activation + weight - 1, activation + weight
    return (
        f"{_pair_ports(activation, weight)}  wire signed [{field}:0] wide = low;\n"
        f"  wire [{weight - 1}:0] above = high - low[{weight - 1}];\n"
        + _mult18x18d("activation", f"$signed({{above, wide[{field - 1}:0]}})")
        + f"""  reg signed [{field - 1}:0] lower; reg signed [{bits - 1}:0] higher;
  always @(posedge clk) begin lower <= p[{field - 1}:0]; higher <= p[{field + bits - 1}:{field}] + p[{field - 1}]; end
  assign low_product = lower, high_product = higher;
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


def _ice40_gated(width: int, inverts: bool) -> str:
    """SB_CARRY, and an SB_LUT4 with the sum and the gate: where `first` is 1 it lets the term pass, carry or not."""
    sum_or_term = sum(
        1 << index
        for index in range(16)
        for first, total, term, carry in [(index & 1, index >> 1 & 1, index >> 2 & 1, index >> 3)]
        if (term if first else total ^ term ^ carry)
    )
    lines = [f"  wire [{width - 1}:0] other = {'~' * inverts}total; wire [{width}:0] carry;"]
    lines.append(f"  assign carry[0] = 1'b{int(inverts)};")
    for bit in range(width):
        operands = f"other[{bit}]), .I{{}}(term[{bit}])"
        lines.append(
            f"  SB_LUT4 #(.LUT_INIT(16'd{sum_or_term})) sum_{bit} (.I0(first), .I1({operands.format(2)}, "
            f".I3(carry[{bit}]), .O(result[{bit}]));"
        )
        lines.append(f"  SB_CARRY carry_{bit} (.I0({operands.format(1)}, .CI(carry[{bit}]), .CO(carry[{bit + 1}]));")
    return _gated_ports(width) + "\n".join(lines) + "\n"


def _ice40_multiplier(activation: int, weight: int) -> str:
    """SB_MAC16 with input, pipeline and output registers, and one outside."""
    registers = ("A_REG", "B_REG", "TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG")
    registers += ("PIPELINE_16x16_MULT_REG1", "PIPELINE_16x16_MULT_REG2")
    settings = ", ".join(f".{name}(1'b1)" for name in (*registers, "A_SIGNED", "B_SIGNED"))
    zeros = ("C", "D", "AHOLD", "BHOLD", "CHOLD", "DHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT")
    zeros += ("OLOADTOP", "OLOADBOT", "ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT", "CI", "ACCUMCI", "SIGNEXTIN")
    idle = ", ".join(f".{name}(0)" for name in zeros)
    return (
        _multiplier_ports(activation, weight)
        + f"""  wire signed [15:0] a = activation, b = weight; wire [31:0] p;
  {_product_register(activation + weight)}
  SB_MAC16 #({settings}, .TOPOUTPUT_SELECT(2'b11), .BOTOUTPUT_SELECT(2'b11))
    block (.CLK(clk), .CE(1'b1), .A(a), .B(b), .O(p), {idle});
"""
    )


ECP5 = Cells(
    multiplier=_ecp5_multiplier,
    pair_multiplier=_ecp5_pair_multiplier,
    gated_adder=lambda width: _ecp5_gated(width, inverts=False),
    gated_subtractor=lambda width: _ecp5_gated(width, inverts=True),
)
ICE40 = Cells(
    multiplier=_ice40_multiplier,
    gated_adder=lambda width: _ice40_gated(width, inverts=False),
    gated_subtractor=lambda width: _ice40_gated(width, inverts=True),
)
OTHERS = Cells()
