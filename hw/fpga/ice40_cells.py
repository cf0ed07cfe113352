"""iCE40: SB_MAC16 for products, SB_LUT4 with SB_CARRY for adders with a gate."""

from hw.fpga.cells import Cells, adder_ports, multiplier_ports, product_output
from hw.fpga.lut_multiplier import row_ports


def _multiplier(activation: int, weight: int, stages: int) -> str:
    """SB_MAC16 with input, output and, unless there are 2 stages, pipeline registers."""
    between = ("TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG", "PIPELINE_16x16_MULT_REG1") if stages > 2 else ()
    registers = ("A_REG", "B_REG", *between, "PIPELINE_16x16_MULT_REG2")
    settings = ", ".join(f".{name}(1'b1)" for name in (*registers, "A_SIGNED", "B_SIGNED"))
    zeros = ("C", "D", "AHOLD", "BHOLD", "CHOLD", "DHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT")
    zeros += ("OLOADTOP", "OLOADBOT", "ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT", "CI", "ACCUMCI", "SIGNEXTIN")
    idle = ", ".join(f".{name}(0)" for name in zeros)
    output = product_output(activation + weight, stages)
    return f"""{multiplier_ports(activation, weight)}  wire signed [15:0] a = activation, b = weight; wire [31:0] p;
{output}  SB_MAC16 #({settings}, .TOPOUTPUT_SELECT(2'b11), .BOTOUTPUT_SELECT(2'b11))
    block (.CLK(clk), .CE(1'b1), .A(a), .B(b), .O(p), {idle});
"""


def _sum(width: int, gate: str, *, opens: int = 1, term: str = "term", sign: str = "+") -> str:
    """result = term ± (gate == opens ? total : 0).

    SB_CARRY cannot be gated: where the gate is shut, SB_LUT4 lets the term pass, carry or not.
    """
    table, minus = 0, int(sign == "-")
    for index in range(16):
        shut, one, other, carry = (index & 1) != opens, index >> 1 & 1, index >> 2 & 1, index >> 3
        table |= (other if shut else one ^ other ^ carry) << index
    lines = [f"  wire [{width - 1}:0] one = {'~' * minus}total, other = {term}; wire [{width}:0] carry;"]
    lines.append(f"  assign carry[0] = 1'b{minus};")
    for bit in range(width):
        lines.append(
            f"  SB_LUT4 #(.LUT_INIT(16'd{table})) sum_{bit} (.I0({gate}), .I1(one[{bit}]), .I2(other[{bit}]), "
            f".I3(carry[{bit}]), .O(result[{bit}]));"
        )
        lines.append(
            f"  SB_CARRY carry_{bit} (.I0(one[{bit}]), .I1(other[{bit}]), .CI(carry[{bit}]), .CO(carry[{bit + 1}]));"
        )
    return "\n".join(lines) + "\n"


def _gated_adder(width: int) -> str:
    return adder_ports(width, "first") + _sum(width, "first", opens=0)


def _row(width: int, sign: str) -> str:
    return row_ports("row", width) + _sum(width, "gate", sign=sign)


def _first_row(width: int, sign: str) -> str:
    return row_ports("first_row", width) + _sum(width, "gate", term=f"term & {{{width}{{term_gate}}}}", sign=sign)


ICE40 = Cells(multiplier=_multiplier, gated_adder=_gated_adder, row=_row, first_row=_first_row)
