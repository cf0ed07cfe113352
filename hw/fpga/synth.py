"""Synthesis: what a build costs in an FPGA, counted by yosys, and its netlist for place and route."""

import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path

from hw import yosys
from hw.fpga import pins
from hw.fpga.blocks import map_blocks
from hw.fpga.cells import OTHERS, Cells
from hw.fpga.devices import RESOURCES, Device
from hw.fpga.ecp5_cells import ECP5 as ECP5_CELLS
from hw.fpga.gowin_cells import GOWIN as GOWIN_CELLS
from hw.fpga.ice40_cells import ICE40 as ICE40_CELLS
from hw.fpga.netlist import pack_output_registers
from hw.verilog import TOP
from sw.files import write_text


@dataclass(frozen=True)
class Family:
    """How yosys synthesizes for a family of FPGAs.

    Parameters
    ----------
    script: yosys's commands from the design to the family's cells; {top} is the top module, {mapping} MAPPING.
    counts: which cells make up each resource; a cell counts as often as its number says.
    cells: what takes the place of the modules that hw/block.py keeps apart.
    pads: commands on the flat netlist, where nextpnr demands pads.
    rewrite: Python functions that change the cells of the flat netlist, by name, before they are counted.
    """

    script: str
    counts: dict[str, dict[str, float]]
    cells: Cells = OTHERS
    pads: str = ""
    rewrite: tuple[Callable[[dict[str, dict]], None], ...] = ()


# The commands are those of yosys's own synthesis script for the family, but its step `map_luts` runs `abc`
# instead of `abc9`: in the WebAssembly build, abc9 ends yosys without a message on some designs. For iCE40 the
# step `coarse` is written out without `share`, which takes minutes and shares no adder of ours, and without
# `ice40_dsp`, which in yosys 0.70 takes the product register of a multiplier for the adder of another one and loses
# the multiplier. The eight cells of an iCE40 tile share one enable: where few flip-flops each have their own, nextpnr
# may find no placement, so fewer than four get none. Gowin's pads come last, for its own step puts some at the ports
# of each module.
#
# For ECP5 and iCE40 abc runs {mapping} in place of yosys's own script: it also makes the deepest paths shorter before
# it maps them to tables. Gowin's clock falls with it.
MAPPING = "-script +strash;&get,-n;&fraig,-x;&put;scorr;dc2;if,-g;st;dch,-f;if;mfs2"
ECP5 = """
    synth_ecp5 -no-rw-check -top {top} -run begin:map_luts
    techmap -map +/lattice/latches_map.v
    abc -dress -lut 4:7 {mapping}
    clean
    synth_ecp5 -top {top} -run map_cells:
"""
ICE40_BEGIN = """
    synth_ice40 -top {top} -run begin:coarse
    opt_expr
    opt_clean
    opt -nodffe -nosdff
    fsm
    opt
    wreduce
    peepopt
    opt_clean
    techmap -map +/cmp2lut.v -D LUT_WIDTH=4
    opt_expr
    opt_clean
    memory_dff -no-rw-check
"""
ICE40_MULTIPLIERS = """
    wreduce t:$mul
    techmap -map +/mul2dsp.v -map +/ice40/dsp_map.v -D DSP_A_MAXWIDTH=16 -D DSP_B_MAXWIDTH=16 \
        -D DSP_A_MINWIDTH=2 -D DSP_B_MINWIDTH=2 -D DSP_Y_MINWIDTH=11 -D DSP_NAME=$__MUL16X16
    opt_expr -fine
    chtype -set $mul t:$__soft_mul
"""
ICE40_END = """
    alumacc
    opt
    memory -nomap
    opt_clean
    synth_ice40 -dffe_min_ce_use 4 -top {top} -run map_ram:map_luts
    techmap -map +/ice40/latches_map.v
    abc -dress -lut 4 {mapping}
    ice40_wrapcarry -unwrap
    techmap -map +/ice40/ff_map.v
    clean
    opt_lut -tech ice40
    synth_ice40 -top {top} -run map_cells:
"""
ICE40_COUNTS = {
    "luts": {"SB_LUT4": 1},
    "ffs": {"SB_DFF*": 1},
    "dsps": {"SB_MAC16": 1},
    "brams": {"SB_RAM40_4K*": 1},
    "sprams": {"SB_SPRAM256KA": 1},
}
GOWIN = """
    synth_gowin -noiopads -no-rw-check -top {top} -run begin:map_luts
    abc -dress -lut 4:8
    clean
    synth_gowin -noiopads -top {top} -run map_cells:
"""
XILINX = """
    synth_xilinx -family {part} -flatten -top {top} -run begin:map_luts
    opt_expr -mux_undef -noclkinv
    abc -dress -luts 2:2,3,6:5,10,20
    clean
    xilinx_srl -fixed -minlen 3
    techmap -map +/xilinx/lut_map.v -map +/xilinx/cells_map.v -D LUT_WIDTH=6
    xilinx_dffopt
    opt_lut_ins -tech xilinx
    synth_xilinx -family {part} -flatten -top {top} -run finalize:
"""
XILINX_COUNTS = {
    "luts": {
        "LUT?": 1,
        "RAM32M": 4,
        "RAM64M": 4,
        "RAM32M16": 8,
        "RAM64M8": 8,
        "RAM32X1D": 2,
        "RAM64X1D": 2,
        "SRL16E": 1,
        "SRLC32E": 1,
    },
    "ffs": {"FDRE": 1, "FDSE": 1, "FDCE": 1, "FDPE": 1},
    "dsps": {"DSP48E?": 1},
    "brams": {"RAMB36E?": 1, "RAMB18E?": 0.5, "URAM288": 8},
}

FAMILIES: dict[str, Family] = {
    "ecp5": Family(
        script=ECP5,
        cells=ECP5_CELLS,
        rewrite=(pack_output_registers,),
        counts={
            "luts": {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 4},
            "ffs": {"TRELLIS_FF": 1},
            "dsps": {"MULT18X18D": 1},
            "brams": {"DP16KD": 1, "PDPW16KD": 1},
        },
    ),
    "ice40": Family(script=ICE40_BEGIN + ICE40_MULTIPLIERS + ICE40_END, cells=ICE40_CELLS, counts=ICE40_COUNTS),
    "ice40-lut": Family(script=ICE40_BEGIN + ICE40_END, cells=ICE40_CELLS, counts=ICE40_COUNTS),
    "gowin": Family(
        script=GOWIN,
        cells=GOWIN_CELLS,
        pads="iopadmap -bits -inpad IBUF O:I -outpad OBUF I:O -toutpad TBUF ~OEN:I:O"
        " -tinoutpad IOBUF ~OEN:O:I:IO {top}",
        counts={
            "luts": {"LUT?": 1, "ALU": 1, "RAM16SDP4": 4, "RAM16SDP2": 2, "RAM16SDP1": 1},
            "ffs": {"DFF*": 1},
            "dsps": {"MULT9X9": 1, "MULT18X18": 2, "MULT36X36": 8, "MULTALU*": 2, "MULTADDALU*": 4},
            "brams": {"SDPB": 1, "SDPX9B": 1, "DPB": 1, "DPX9B": 1, "SP": 1, "SPX9": 1, "pROM": 1, "pROMX9": 1},
        },
    ),
    "xilinx-7": Family(script=XILINX.replace("{part}", "xc7"), counts=XILINX_COUNTS),
    "xilinx-us": Family(script=XILINX.replace("{part}", "xcup"), counts=XILINX_COUNTS),
}


def clock_limits(device: Device, cells: set[str]) -> list[dict]:
    """The caps of the device, at its speed grade, for types of cells in which they hold, lowest first."""
    found = [cap for cap in device.caps if cap.cell in cells]
    limits = [{"cell": cap.cell, "mhz": cap.at(device.speed), "reason": cap.reason} for cap in found]
    return sorted(limits, key=lambda limit: limit["mhz"])


def usable_clock(mhz: float, limits: list[dict]) -> float:
    """The clock in MHz that may be used where nextpnr found `mhz`: no more than any of synthesize's `limits`."""
    return min([mhz, *(limit["mhz"] for limit in limits)])


def synthesize(
    verilog: Path,
    device: Device,
    output: Path | None = None,
    *,
    top: str = TOP,
    ports: dict[str, dict] | None = None,
    netlist: Path | None = None,
    multipliers: str = "auto",
    reserved: int = 0,
) -> dict:
    """Synthesize Verilog for a device.

    verilog: accelerator.v of a build, or another file. output: JSON file for the result, if any. top: its top module.
    ports: the top module's port map; with it, the netlist is the module in the harness of hw.fpga.pins, and the
    harness is not counted. netlist: file for the netlist in yosys's JSON, for hw.fpga.place, if any.
    multipliers: where products are made, reserved: blocks that are not for them, see hw.fpga.blocks.
    Returns `device`, `yosys` (version), `resources` (RESOURCES by name), `available` (the same of the device), `limits`
    (caps that hold: `cell`, `mhz`, `reason`) and `cells` (every cell type's count).
    """
    family = FAMILIES[device.family]
    with tempfile.TemporaryDirectory(prefix="amarray-") as name:
        folder = Path(name)
        mapped = map_blocks(verilog.read_text(encoding="utf-8"), family.cells, device.dsps, multipliers, reserved)
        (folder / "design.v").write_text(mapped, encoding="utf-8")
        if ports is not None:
            (folder / "pins.il").write_text(pins.convert(top, ports), encoding="utf-8")
        yosys.run(_script(family, top, ports is not None), folder, "netlist.json")
        design = json.loads((folder / "netlist.json").read_text(encoding="utf-8"))
    all_cells = design["modules"][top if ports is None else pins.TOP]["cells"]
    for rewrite in family.rewrite:
        rewrite(all_cells)
    if netlist is not None:
        write_text(netlist, json.dumps(design))
    prefix = "" if ports is None else f"{pins.CORE}."
    cells = [cell for name, cell in all_cells.items() if name.startswith(prefix) and not cell["type"].startswith("$")]
    counts = dict(sorted(Counter(cell["type"] for cell in cells).items()))
    result = {
        "device": device.name,
        "yosys": yosys.version(),
        "resources": {name: _count(counts, family.counts.get(name, {})) for name in RESOURCES},
        "available": device.available,
        "limits": clock_limits(device, {cap.cell for cap in device.caps if any(map(cap.holds, cells))}),
        "cells": counts,
    }
    if output is not None:
        write_text(output, json.dumps(result, indent=2) + "\n")
    return result


def _script(family: Family, top: str, harnessed: bool) -> str:
    """From the design's files to netlist.json.

    The module in the harness keeps its ports until it is mapped: the harness changes nothing in it.
    """
    whole = pins.TOP if harnessed else top
    read = f"read_rtlil pins.il\n setattr -mod -set keep_hierarchy 1 {top}" if harnessed else ""
    flatten = f"setattr -mod -unset keep_hierarchy {top}\n flatten -noscopeinfo\n clean" if harnessed else ""
    return f"""
        read_verilog design.v
        {read}
        hierarchy -top {whole}
        {family.script.replace("{top}", whole).replace("{mapping}", MAPPING)}
        {flatten}
        {family.pads.replace("{top}", whole)}
        write_json netlist.json
    """


def _count(cells: dict[str, int], rules: dict[str, float]) -> int:
    """Cells that match a rule, each as often as the rule says, rounded up."""
    total = sum(
        weight * count for cell, count in cells.items() for pattern, weight in rules.items() if fnmatch(cell, pattern)
    )
    return math.ceil(total)
