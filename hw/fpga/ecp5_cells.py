"""ECP5: MULT18X18D for one product or two narrow ones, CCU2C for adders with gates."""

from hw.fpga.cells import Cells, adder_ports, multiplier_ports, pair_ports, product_output
from hw.fpga.lut_multiplier import row_ports


def _mult18x18d(a: str, b: str, stages: int = 4) -> str:
    """MULT18X18D with input, output and, unless there are 2 stages, pipeline registers: p = a · b."""
    names = ("INPUTA", "INPUTB", *(["PIPELINE"] if stages > 2 else []), "OUTPUT")
    registers = ", ".join(f'.REG_{name}_CLK("CLK0")' for name in names)
    ports = [f".A{bit}(a[{bit}]), .B{bit}(b[{bit}]), .C{bit}(1'b0)" for bit in range(18)]
    ports += [f".P{bit}(p[{bit}])" for bit in range(36)]
    ports += [".SIGNEDA(1'b1), .SIGNEDB(1'b1), .SOURCEA(1'b0), .SOURCEB(1'b0)", ".CLK0(clk), .CE0(1'b1), .RST0(1'b0)"]
    return f"""  wire signed [17:0] a = {a}, b = {b}; wire [35:0] p;
  MULT18X18D #({registers}) block ({", ".join(ports)});
"""


def _multiplier(activation: int, weight: int, stages: int) -> str:
    block = _mult18x18d("activation", "weight", stages)
    return multiplier_ports(activation, weight) + block + product_output(activation + weight, stages)


def _pair_multiplier(activation: int, weight: int) -> str:
    """A block that multiplies with high · 2^field + low; the lower product is `field` bits.

    The register outside gives the higher product back what a negative lower one has borrowed.
    """
    field, bits = activation + weight - 1, activation + weight
    return (
        f"{pair_ports(activation, weight)}  wire signed [{field}:0] wide = low;\n"
        f"  wire [{weight - 1}:0] above = high - low[{weight - 1}];\n"
        + _mult18x18d("activation", f"$signed({{above, wide[{field - 1}:0]}})")
        + f"""  reg signed [{field - 1}:0] lower; reg signed [{bits - 1}:0] higher;
  always @(posedge clk) begin lower <= p[{field - 1}:0]; higher <= p[{field + bits - 1}:{field}] + p[{field - 1}]; end
  assign low_product = lower, high_product = higher;
"""
    )


def _sum(width: int, gate: str, *, opens: int = 1, term_gate: str = "1'b1", sign: str = "+") -> str:
    """result = (term_gate ? term : 0) ± (gate == opens ? total : 0), in CCU2C, two bits each.

    LUT4 is the propagate bit. Where nothing propagates, the carry is LUT2 of A and B, which is LUT4 for C = D = 0: the
    total behind its gate.
    """
    table, minus = 0, int(sign == "-")
    for index in range(16):
        a, b, c, d = (index >> bit & 1 for bit in range(4))
        table |= (a & (b == opens) ^ minus ^ c & d) << index
    pairs, settings = -(-width // 2), f".INIT0(16'd{table}), .INIT1(16'd{table})"
    lines = [f"  wire [{2 * pairs - 1}:0] a = total, c = term, s; wire [{pairs}:0] carry; assign result = s;"]
    lines.append(f"  assign carry[0] = 1'b{minus};")
    for pair in range(pairs):
        ports = [
            f".{port}{half}({value})"
            for half, bit in enumerate((2 * pair, 2 * pair + 1))
            for port, value in {"A": f"a[{bit}]", "B": gate, "C": f"c[{bit}]", "D": term_gate, "S": f"s[{bit}]"}.items()
        ]
        ports += [f".CIN(carry[{pair}])", f".COUT(carry[{pair + 1}])"]
        lines.append(f'  CCU2C #({settings}, .INJECT1_0("NO"), .INJECT1_1("NO")) pair_{pair} ({", ".join(ports)});')
    return "\n".join(lines) + "\n"


def _gated_adder(width: int) -> str:
    return adder_ports(width, "first") + _sum(width, "first", opens=0)


def _row(width: int, sign: str) -> str:
    return row_ports("row", width) + _sum(width, "gate", sign=sign)


def _first_row(width: int, sign: str) -> str:
    return row_ports("first_row", width) + _sum(width, "gate", term_gate="term_gate", sign=sign)


ECP5 = Cells(
    multiplier=_multiplier, pair_multiplier=_pair_multiplier, gated_adder=_gated_adder, row=_row, first_row=_first_row
)
