"""Gowin: MULT9X9 for a product."""

from hw.fpga.cells import Cells, multiplier_ports, product_register


def _multiplier(activation: int, weight: int) -> str:
    """A block with input, pipeline and output registers, and a register outside."""
    names = ("AREG", "BREG", "ASIGN_REG", "BSIGN_REG", "PIPE_REG", "OUT_REG")
    registers = ", ".join(f".{name}(1'b1)" for name in names)
    operands = ".A(a), .B(b), .ASIGN(1'b1), .BSIGN(1'b1), .ASEL(1'b0), .BSEL(1'b0), .SIA(9'b0), .SIB(9'b0)"
    return f"""{multiplier_ports(activation, weight)}  wire signed [8:0] a = activation, b = weight; wire [17:0] p;
  MULT9X9 #({registers}) block ({operands}, .CLK(clk), .CE(1'b1), .RESET(1'b0), .DOUT(p));
  {product_register(activation + weight)}
"""


GOWIN = Cells(multiplier=_multiplier)
