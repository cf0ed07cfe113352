"""A product in lookup tables: a chain of rows, each gated by a bit of the weight.

Row k adds the activation, if bit k of the weight is set, to half of what row k - 1 gave, whose lowest bit is done: bit
k of a weight counts 2^k, its highest one -2^(weight-1). Row 1 takes in row 0, which is a gate alone.
"""

from math import ceil

from hw.fpga.cells import Cells, adder_ports, multiplier_ports


def lut_multiplier(activation: int, weight: int, stages: int) -> str:
    """Ports and body of the module, with so many registers; its rows are those of `rows`.

    There is a share of the rows before each register, the first one included: operands come from registers. Where
    there are fewer rows than registers, the first registers hold operands, which are fewer bits than a row.
    """
    width = activation + 1
    lines = [f"  wire signed [{width - 1}:0] a_0 = activation; wire [{weight - 1}:0] w_0 = weight;"]
    ready, done, bits = "", "", 1  # ready: what the last row gave; done: the bits below it, so many
    for stage in range(stages):
        for row in (row for row in range(1, weight) if ceil(stages * row / (weight - 1)) == stage + 1):
            if row == 1:
                term, gate, done = f"a_{stage}", f".term_gate(w_{stage}[0]), ", f"a_{stage}[0] & w_{stage}[0]"
            else:
                term, gate, done, bits = ready, "", f"{ready}[0], {done}", bits + 1
            ready = f"row_{row}"
            lines.append(f"  wire signed [{width - 1}:0] {ready};")
            lines.append(
                f"  {_name(*_kind(row, weight), width)} {ready}_sum (.total(a_{stage}), .term({term} >>> 1), "
                f".gate(w_{stage}[{row}]), {gate}.result({ready}));"
            )
        late = stage + 1  # behind the register
        lines.append(f"  reg signed [{width - 1}:0] a_{late}; reg [{weight - 1}:0] w_{late};")
        lines.append(f"  always @(posedge clk) begin a_{late} <= a_{stage}; w_{late} <= w_{stage}; end")
        if ready:
            lines.append(f"  reg signed [{width - 1}:0] sum_{late}; reg [{bits - 1}:0] done_{late};")
            lines.append(f"  always @(posedge clk) begin sum_{late} <= {ready}; done_{late} <= {{{done}}}; end")
            ready, done = f"sum_{late}", f"done_{late}"
    lines.append(f"  assign product = {{{ready}, {done}}};")
    return multiplier_ports(activation, weight) + "\n".join(lines) + "\n"


def rows(activation: int, weight: int, cells: Cells) -> dict[str, str]:
    """The modules of the rows by name: ports and body, in the family's cells where it has some for them."""
    width, modules = activation + 1, {}
    for kind, sign in (_kind(row, weight) for row in range(1, weight)):
        body = getattr(cells, kind)
        modules[_name(kind, sign, width)] = body(width, sign) if body else _behaviour(kind, sign, width)
    return modules


def row_ports(kind: str, width: int) -> str:
    """Of a row: result = term ± (gate ? total : 0); a `first_row` has a gate for the term, too."""
    return adder_ports(width, "gate", *(["term_gate"] if kind == "first_row" else []))


def _kind(row: int, weight: int) -> tuple[str, str]:
    """Whether it is the first row or another one, and its sign."""
    return "first_row" if row == 1 else "row", "-" if row == weight - 1 else "+"


def _name(kind: str, sign: str, width: int) -> str:
    return f"lut_{kind}_{'add' if sign == '+' else 'subtract'}_{width}"


def _behaviour(kind: str, sign: str, width: int) -> str:
    term = "(term_gate ? term : 0)" if kind == "first_row" else "term"
    return f"{row_ports(kind, width)}  assign result = {term} {sign} (gate ? total : 0);\n"
