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

# Per family: yosys's commands, and which cells make up each resource. A cell counts as often as its number says.
# The commands are those of yosys's own synthesis script for the family, but its step `map_luts` runs `abc`
# instead of `abc9`: in the WebAssembly build, abc9 ends yosys without a message on some designs. For iCE40 the
# step `coarse` is written out without `ice40_dsp`, which in yosys 0.70 takes the product register of a multiplier
# for the adder of another one and loses the multiplier.
FAMILIES: dict[str, dict] = {
    "ecp5": {
        "script": """
            synth_ecp5 -top {top} -run begin:map_luts
            techmap -map +/lattice/latches_map.v
            abc -dress -lut 4:7
            clean
            synth_ecp5 -top {top} -run map_cells:
        """,
        "luts": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4},
        "ffs": {"TRELLIS_FF": 1},
        "block_rams": {"DP16KD": 1, "PDPW16KD": 1},
        "multipliers": {"MULT18X18D": 1},
    },
    "ice40": {
        "script": """
            synth_ice40 -dsp -top {top} -run begin:coarse
            opt_expr
            opt_clean
            opt -nodffe -nosdff
            fsm
            opt
            wreduce
            peepopt
            opt_clean
            share
            techmap -map +/cmp2lut.v -D LUT_WIDTH=4
            opt_expr
            opt_clean
            memory_dff
            wreduce t:$mul
            techmap -map +/mul2dsp.v -map +/ice40/dsp_map.v -D DSP_A_MAXWIDTH=16 -D DSP_B_MAXWIDTH=16 \
                -D DSP_A_MINWIDTH=2 -D DSP_B_MINWIDTH=2 -D DSP_Y_MINWIDTH=11 -D DSP_NAME=$__MUL16X16
            opt_expr -fine
            chtype -set $mul t:$__soft_mul
            alumacc
            opt
            memory -nomap
            opt_clean
            synth_ice40 -dsp -top {top} -run map_ram:map_luts
            techmap -map +/ice40/latches_map.v
            abc -dress -lut 4
            ice40_wrapcarry -unwrap
            techmap -map +/ice40/ff_map.v
            clean
            opt_lut -tech ice40
            synth_ice40 -dsp -top {top} -run map_cells:
        """,
        "luts": {"SB_LUT4": 1},
        "ffs": {"SB_DFF*": 1},
        "block_rams": {"SB_RAM40_4K*": 1},
        "multipliers": {"SB_MAC16": 1},
    },
    "gowin": {
        "script": """
            synth_gowin -top {top} -run begin:map_luts
            abc -dress -lut 4:8
            clean
            synth_gowin -top {top} -run map_cells:
        """,
        "luts": {"LUT1": 1, "LUT2": 1, "LUT3": 1, "LUT4": 1, "ALU": 1, "RAM16SDP4": 4, "RAM16SDP2": 2, "RAM16SDP1": 1},
        "ffs": {"DFF*": 1},
        "block_rams": {"SDPB": 1, "SDPX9B": 1, "DPB": 1, "DPX9B": 1, "SP": 1, "SPX9": 1, "pROM": 1, "pROMX9": 1},
        "multipliers": {"MULT9X9": 1, "MULT18X18": 1, "MULT36X36": 4, "MULTALU*": 1},
    },
    "xilinx": {
        "script": """
            synth_xilinx -flatten -top {top} -run begin:map_luts
            opt_expr -mux_undef -noclkinv
            abc -dress -luts 2:2,3,6:5,10,20
            clean
            xilinx_srl -fixed -minlen 3
            techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6
            xilinx_dffopt
            opt_lut_ins -tech xilinx
            synth_xilinx -flatten -top {top} -run finalize:
        """,
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
            {FAMILIES[family]["script"].format(top=TOP)}
            tee -q -o stat.json stat -json
            """,
            folder,
            "stat.json",
        )
        cells = _cell_counts(folder / "stat.json")
    result = {
        "family": family,
        "yosys": yosys.version(),
        "resources": {name: _count(cells, FAMILIES[family][name]) for name in RESOURCES},
        "cells": cells,
    }
    if output is not None:
        write_text(output, json.dumps(result, indent=2) + "\n")
    return result


def _cell_counts(path: Path) -> dict[str, int]:
    """Count of each cell type in yosys's statistics, yosys's own notes on hierarchy left out."""
    statistics = json.loads(path.read_text(encoding="utf-8"))
    cells = statistics["design"]["num_cells_by_type"]
    return {cell: count for cell, count in sorted(cells.items()) if not cell.startswith("$")}


def _count(cells: dict[str, int], rules: dict[str, float]) -> int:
    """Cells that match a rule, each as often as the rule says, rounded up."""
    total = sum(
        weight * count for cell, count in cells.items() for pattern, weight in rules.items() if fnmatch(cell, pattern)
    )
    return math.ceil(total)
