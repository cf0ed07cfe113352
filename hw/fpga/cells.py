"""What a family of FPGAs has for the modules that hw/block.py keeps apart, and the ports of these modules."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cells:
    """A family's cells for blocks, each as a function of widths that gives the ports and the body of a Verilog module.

    Parameters
    ----------
    multiplier: of the bits of activation and weight, and its stages, see `product_output`; None where yosys finds
        multiplier blocks by itself.
    pair_multiplier: of the bits of activation and weight; None where two products take two blocks.
    gated_adder: of the width, None where yosys does as well by itself.
    row, first_row: of the width and the sign, + or -, for hw/fpga/lut_multiplier.py; None as before.
    """

    multiplier: Callable[[int, int, int], str] | None = None
    pair_multiplier: Callable[[int, int], str] | None = None
    gated_adder: Callable[[int], str] | None = None
    row: Callable[[int, str], str] | None = None
    first_row: Callable[[int, str], str] | None = None


OTHERS = Cells()
"""Of the families for which everything is left to yosys."""


def multiplier_ports(activation: int, weight: int) -> str:
    """Of hw.multiplier.Multiplier."""
    return f"""(input clk, input signed [{activation - 1}:0] activation, input signed [{weight - 1}:0] weight,
    output signed [{activation + weight - 1}:0] product);
"""


def pair_ports(activation: int, weight: int) -> str:
    """Of hw.pair_multiplier.PairMultiplier."""
    product = f"output signed [{activation + weight - 1}:0]"
    return f"""(input clk, input signed [{activation - 1}:0] activation, input signed [{weight - 1}:0] low, high,
    {product} low_product, high_product);
"""


def adder_ports(width: int, *gates: str) -> str:
    """Of hw.gated_adder.GatedAdder with the gate `first`, and of the rows of a product with theirs."""
    return f"(input [{width - 1}:0] total, term, input {', '.join(gates)}, output [{width - 1}:0] result);\n"


def product_output(bits: int, stages: int) -> str:
    """The product from the output p of its block, which has registers of its operands and of its product.

    Of 4 stages, the block has one in its middle, and one here carries the product away from it: it is far from most
    adders. Of 2 stages there are neither.
    """
    if stages == 2:
        return f"  assign product = p[{bits - 1}:0];\n"
    return f"  reg signed [{bits - 1}:0] late; always @(posedge clk) late <= p[{bits - 1}:0]; assign product = late;\n"


def two_multipliers(single: str, activation: int, weight: int) -> str:
    """A pair of products from two multipliers, of the module `single`."""
    ports = ".clk(clk), .activation(activation)"
    lines = [
        f"  {single} {each}_multiplier ({ports}, .weight({each}), .product({each}_product));\n"
        for each in ("low", "high")
    ]
    return pair_ports(activation, weight) + "".join(lines)
