"""Images a second and cells beside NNgen 1.3.4's, for the same perceptron through the same yosys and nextpnr.

    make bench-nngen

Both are placed in the same harness on the same device with the same seeds. NNgen's Verilog is its default one, one
multiplier a layer; its weights are in external memory, which is not counted, amarray's are in block RAMs. Its cycles
are those of bench/against_nngen.py, with its default bus. As in `amarray place`, no image is counted with a clock above
what the data sheet allows the blocks in use.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import nngen as ng
from against_nngen import BUSES, MLP, nngen_cycles, nngen_graph, random_network
from bare_array import clocks
from rich.console import Console
from rich.table import Table

from hw import build as builds
from hw import yosys
from hw.compiler import compile_network, size_array
from hw.fpga.devices import device
from hw.fpga.synth import usable_clock

SHAPES = ((16, 1, 1), (4, 7, 1))
"""Lanes, taps and pixels of amarray's arrays."""
TOP = "nngen_top"


def nngen_verilog(network, folder: Path) -> tuple[Path, dict]:
    """NNgen's hardware with a clock named `clk`, and the port map of it."""
    _, logits = nngen_graph(network, (1, 1))
    design = ng.to_veriloggen([logits], "nngen_core", silent=True, config={"maxi_datawidth": BUSES[0]})
    text = design.to_verilog()
    (folder / "core.v").write_text(text, encoding="utf-8")
    yosys.run("read_verilog core.v; hierarchy -top nngen_core; proc; write_json core.json", folder, "core.json")
    ports = json.loads((folder / "core.json").read_text(encoding="utf-8"))["modules"]["nngen_core"]["ports"]
    names = {name: "clk" if name == "CLK" else name for name in ports}
    widths = {names[name]: {"direction": port["direction"], "width": len(port["bits"])} for name, port in ports.items()}
    declared = ", ".join(f"{port['direction']} [{port['width'] - 1}:0] {name}" for name, port in widths.items())
    connected = ", ".join(f".{name}({names[name]})" for name in ports)
    wrapped = f"{text}\nmodule {TOP}({declared});\n  nngen_core nngen ({connected});\nendmodule\n"
    (folder / "nngen.v").write_text(wrapped, encoding="utf-8")
    return folder / "nngen.v", widths


def main() -> int:
    """Place both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="ecp5-25k")
    parser.add_argument("--speed")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    target, network = device(options.device, options.speed), random_network(*MLP)
    table = Table("", "LUTs", "flip-flops", "multipliers", "block RAMs", "clock, MHz", "cycles", "images/s", "ratio")
    with tempfile.TemporaryDirectory(prefix="amarray-bench-") as name:
        folder = Path(name)
        verilog, ports = nngen_verilog(network, folder)
        theirs = clocks(verilog, ports, TOP, target, options.seeds, folder)
        rows = [("NNgen", *theirs, nngen_cycles(network, (1, 1), BUSES[0], folder / "simulation"))]
        for shape in SHAPES:
            compiled = compile_network(network, size_array(network, *shape))
            build = builds.write(compiled, folder / "x".join(map(str, shape)))
            ours = clocks(build.verilog, build.ports, "accelerator", target, options.seeds, folder)
            rows.append((f"amarray, {build.config.shape}", *ours, compiled.schedule.round_cycles))
    rates = [
        usable_clock(placed["clock_mhz"]["median"], counts["limits"]) * 1e6 / cycles
        for _, counts, placed, cycles in rows
    ]
    for (who, counts, placed, cycles), rate in zip(rows, rates, strict=True):
        numbers = [f"{counts['resources'][each]:,}" for each in ("luts", "ffs", "dsps", "brams")]
        table.add_row(
            who,
            *numbers,
            f"{placed['clock_mhz']['median']:.1f}",
            f"{cycles:,}",
            f"{rate:,.0f}",
            f"{rate / rates[0]:.0f}",
        )
    print(f"{MLP[0]} on {target.name} speed {target.speed}, medians of {options.seeds} seeds")
    Console(width=110).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
