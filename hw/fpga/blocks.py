"""Blocks in the cells of an FPGA: what takes the place of the modules that hw/block.py keeps apart.

Multipliers become the family's multiplier blocks with all their registers, as long as the device has them, and
chains of gated adders beyond that. What a family has no cells for stays as it is.
"""

import re

from hw.config import ArrayConfig
from hw.fpga.cells import Cells, two_multipliers
from hw.fpga.lut_multiplier import lut_multiplier, rows
from sw.errors import InputError

MULTIPLIERS = ("auto", "dsp", "lut")
"""Where products are made: in multiplier blocks as long as there are any, in these alone, in lookup tables alone."""

_MULTIPLIER = r"(?:pair_|short_)?multiplier_\d+x\d+"
_INSTANCE = re.compile(rf"^(\s+)({_MULTIPLIER})(?= \S+ \()", re.MULTILINE)
_MODULE = re.compile(rf"^module ({_MULTIPLIER}|gated_adder_\d+)\b.*?^endmodule\n", re.MULTILINE | re.DOTALL)


def map_blocks(verilog: str, cells: Cells, blocks: int | None, multipliers: str = "auto", reserved: int = 0) -> str:
    """The design with the cells of the family in its blocks, and each product where it is to be made.

    blocks: multiplier blocks that the device has; None if nobody knows. multipliers: of MULTIPLIERS.
    reserved: of the blocks for what else the design multiplies, which yosys finds.
    Raises InputError if `dsp` asks for more than there are.
    """
    if multipliers not in MULTIPLIERS:
        raise InputError(f"multipliers must be one of {', '.join(MULTIPLIERS)}, not {multipliers!r}")
    instances = [match[2] for match in _INSTANCE.finditer(verilog)]
    wanted = sum(_blocks(name, cells) for name in instances)
    room = 0 if multipliers == "lut" else wanted if blocks is None else blocks - reserved
    if multipliers == "dsp" and wanted > room:
        raise InputError(
            f"multipliers must be auto or lut, not dsp: the array needs {wanted + reserved} multiplier blocks, the "
            f"device has {blocks}"
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


def _stages(module: str) -> int:
    """Registers of a multiplier, see hw/multiplier.py."""
    return ArrayConfig(follows_input=module.startswith("short")).multiplier_stages


def _in_cells(module: str, cells: Cells) -> dict[str, str]:
    """What takes the place of a module, and the modules that this needs; nothing where it is to stay."""
    widths = _widths(module)
    if module.startswith("gated_adder"):
        return {module: cells.gated_adder(*widths)} if cells.gated_adder else {}
    if cells.multiplier is None:
        return {}
    if not module.startswith("pair"):
        return {module: cells.multiplier(*widths, _stages(module))}
    if cells.pair_multiplier is not None:
        return {module: cells.pair_multiplier(*widths)}
    single = module.removeprefix("pair_")
    return {module: two_multipliers(single, *widths), single: cells.multiplier(*widths, _stages(single))}


def _in_tables(module: str, cells: Cells) -> dict[str, str]:
    """A multiplier or a pair of them in lookup tables, and the modules that this needs."""
    widths, single = _widths(module), module.removeprefix("pair_")
    bodies = {f"lut_{single}": lut_multiplier(*widths, _stages(single))} | rows(*widths, cells)
    return bodies if single == module else bodies | {f"lut_{module}": two_multipliers(f"lut_{single}", *widths)}
