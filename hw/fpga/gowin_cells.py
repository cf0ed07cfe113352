"""Gowin: MULT9X9 for a product."""

from hw.fpga.cells import Cells, multiplier_ports, product_output


def _multiplier(activation: int, weight: int, stages: int) -> str:
    """A block with input, output and, unless there are 2 stages, pipeline registers."""
    names = ("AREG", "BREG", "ASIGN_REG", "BSIGN_REG", *(["PIPE_REG"] if stages > 2 else []), "OUT_REG")
    registers = ", ".join(f".{name}(1'b1)" for name in names)
    operands = ".A(a), .B(b), .ASIGN(1'b1), .BSIGN(1'b1), .ASEL(1'b0), .BSEL(1'b0), .SIA(9'b0), .SIB(9'b0)"
    return f"""{multiplier_ports(activation, weight)}  wire signed [8:0] a = activation, b = weight; wire [17:0] p;
  MULT9X9 #({registers}) block ({operands}, .CLK(clk), .CE(1'b1), .RESET(1'b0), .DOUT(p));
{product_output(activation + weight, stages)}"""


GOWIN = Cells(multiplier=_multiplier)
