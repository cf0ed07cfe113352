"""Synthesis: what a build costs in an FPGA, counted by yosys."""

import json
import math
import shutil
import tempfile
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path

from hw import yosys
from hw.verilog import TOP
from sw.errors import InputError
from sw.files import write_text

# Per family: the yosys command, and which cells make up each resource. A cell with a number counts that often.
FAMILIES: dict[str, dict] = {
    "ecp5": {
        "command": "synth_ecp5",
        "luts": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4},
        "ffs": {"TRELLIS_FF": 1},
        "block_rams": {"DP16KD": 1, "PDPW16KD": 1},
        "multipliers": {"MULT18X18D": 1},
    },
    "ice40": {
        "command": "synth_ice40 -dsp",
        "luts": {"SB_LUT4": 1},
        "ffs": {"SB_DFF*": 1},
        "block_rams": {"SB_RAM40_4K*": 1},
        "multipliers": {"SB_MAC16": 1},
    },
    "gowin": {
        "command": "synth_gowin",
        "luts": {"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "ALU": 1, "RAM16SDP4": 4, "RAM16SDP2": 2, "RAM16SDP1": 1},
        "ffs": {"DFF*": 1},
        "block_rams": {"SDPB": 1, "SDPX9B": 1, "DPB": 1, "DPX9B": 1, "SP": 1, "SPX9": 1, "pROM": 1, "pROMX9": 1},
        "multipliers": {"MULT9X9": 1, "MULT18X18": 1, "MULT36X36": 4, "MULTALU*": 1},
    },
    "xilinx": {
        "command": "synth_xilinx -flatten",
        "luts": {"LUT?": 1, "RAM32M": 4, "RAM64M": 4, "RAM32X1D": 2, "RAM64X1D": 2, "SRL16E": 1, "SRLC32E": 1},
        "ffs": {"FDRE": 1, "FDSE": 1, "FDCE": 1, "FDPE": 1},
        "block_rams": {"RAMB36E1": 1, "RAMB18E1": 0.5},
        "multipliers": {"DSP48E1": 1},
    },
}
RESOURCES = ("luts", "ffs", "block_rams", "multipliers")


def synthesize(verilog: Path, family: str, output: Path | None = None) -> dict:
    """Synthesize a build's Verilog for a family of FPGAs.

    verilog: accelerator.v of a build. family: a key of FAMILIES. output: JSON file for the result, if any.
    Returns `family`, `yosys` (version), `resources` (RESOURCES by name) and `cells` (every cell type's count).
    Raises InputError for an unknown family.
    """
    if family not in FAMILIES:
        raise InputError(f"device must be one of {', '.join(FAMILIES)}, not {family!r}")
    with tempfile.TemporaryDirectory(prefix="amarray-") as name:
        folder = Path(name)
        shutil.copy(verilog, folder / "design.v")
        yosys.run(
            f"""
            read_verilog design.v
            {FAMILIES[family]["command"]} -top {TOP}
            tee -q -o stat.json stat -json
            """,
            folder,
        )
        cells = _cell_counts(json.loads((folder / "stat.json").read_text(encoding="utf-8")))
    result = {
        "family": family,
        "yosys": yosys.version(),
        "resources": {name: _count(cells, FAMILIES[family][name]) for name in RESOURCES},
        "cells": cells,
    }
    if output is not None:
        write_text(output, json.dumps(result, indent=2) + "\n")
    return result


def _cell_counts(statistics: dict) -> dict[str, int]:
    """Count of each cell type in yosys's statistics."""
    return dict(sorted(statistics["design"]["num_cells_by_type"].items()))


def _count(cells: dict[str, int], rules: dict[str, float]) -> int:
    """Cells that match a rule, each as often as the rule says, rounded up."""
    total = sum(
        weight * count for cell, count in cells.items() for pattern, weight in rules.items() if fnmatch(cell, pattern)
    )
    return math.ceil(total)
