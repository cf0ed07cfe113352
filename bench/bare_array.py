"""The clock of a bare array, the yardstick for the whole accelerator: block RAM, multiplier, accumulator, no more.

Each multiplier has a lane of one tap, a weight of its own in a block RAM and the activation of all lanes; one counter
addresses both memories. The contents are random. Device, seeds and bits of a weight are those of a row of
bench/placements.py, so are the multipliers: blocks, or products where these are in lookup tables.

    .venv/bin/python bench/bare_array.py                  # the table of docs/results.md, from bench/bare_array.json
    .venv/bin/python bench/bare_array.py --renew [NAME ...]    # measure: yosys, and nextpnr with all seeds
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from amaranth import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from placements import RECORD as PLACEMENTS
from placements import SEEDS, keep, placed_device

from hw.config import ArrayConfig
from hw.fpga.place import place, place_seeds
from hw.fpga.synth import synthesize
from hw.mac import Lane
from hw.memories import StaticMemory
from hw.multiplier import Multiplier
from hw.stream import delayed
from hw.verilog import convert

DEPTH = 512
"""Words of both memories: one block RAM deep."""
NAME = "bare_array"
RECORD = Path(__file__).with_suffix(".json")
BESIDE = {
    # row of bench/placements.py: multipliers, bits of a weight
    "mlp-16x1-25k-6": (16, 8),
    "mlp-16x1-25k-8": (16, 8),
    "mlp-4x7-25k-6": (28, 8),
    "mlp-5bit-16x16-85k-6": (128, 5),
    "cnn-8x9x2-85k-6": (144, 8),
    "mlp-6bit-8x1-up5k": (8, 6),
    "cnn-4x5-hx8k": (20, 8),
}


class BareArray(wiring.Component):
    """So many multipliers, each in a lane of one tap, that never stop; a sum begins with each round of the counter.

    Members
    -------
    first: In(1), a sum begins. sums: Out, the accumulators.
    """

    def __init__(self, multipliers: int, weight_bits: int):
        self.config, self.multipliers = ArrayConfig(lanes=1, taps=1, weight_bits=weight_bits), multipliers
        sums = data.ArrayLayout(signed(self.config.accumulator_bits), multipliers)
        super().__init__({"first": In(1), "sums": Out(sums)})

    def elaborate(self, platform):
        """Build counter, memories, lanes."""
        m = Module()
        config, rng = self.config, np.random.default_rng(1)
        bits = self.multipliers * config.weight_bits
        words = [int.from_bytes(rng.bytes(-(-bits // 8)), "little") % (1 << bits) for _ in range(DEPTH)]
        m.submodules.weights = weights = StaticMemory(bits, DEPTH, words)
        m.submodules.activations = activations = StaticMemory(8, DEPTH, rng.integers(0, 256, DEPTH).tolist())
        address = Signal(range(DEPTH))
        m.d.sync += address.eq(address + 1)
        m.d.comb += [weights.address.eq(address), activations.address.eq(address)]
        first = delayed(m, self.first, 1)
        weight = data.View(data.ArrayLayout(signed(config.weight_bits), self.multipliers), weights.data)
        for index in range(self.multipliers):
            m.submodules[f"multiplier_{index}"] = multiplier = Multiplier(config)
            m.submodules[f"lane_{index}"] = lane = Lane(config)
            m.d.comb += [
                multiplier.activation.eq(activations.data),
                multiplier.weight.eq(weight[index]),
                lane.products[0].eq(multiplier.product),
                lane.add.eq(1),
                lane.first.eq(first),
                self.sums[index].eq(lane.accumulator),
            ]
        return m


def clocks(verilog: Path, ports: dict, top: str, target, seeds: int, folder: Path) -> tuple[dict, dict]:
    """Of a design in the harness: what synthesize tells, and its clocks."""
    netlist = folder / f"{top}.json"
    counts = synthesize(verilog, target, top=top, ports=ports, netlist=netlist)
    return counts, place_seeds(range(1, seeds + 1), lambda seed: place(netlist, target, seed))


def measure(name: str) -> dict:
    """Counts and clock of the bare array beside a row."""
    count, bits = BESIDE[name]
    target = placed_device(name)
    with tempfile.TemporaryDirectory(prefix="amarray-bench-") as place_of_files:
        folder = Path(place_of_files)
        bare = BareArray(count, bits)
        convert(bare, NAME, folder / "bare.v")
        ports = {name: {"direction": "input", "width": 1} for name in ("clk", "rst", "first")}
        ports["sums"] = {"direction": "output", "width": len(bare.sums.as_value())}
        counts, placed = clocks(folder / "bare.v", ports, NAME, target, SEEDS, folder)
    return {"multipliers": count, "weight_bits": bits, **counts["resources"], "clock_mhz": placed["clock_mhz"]}


def markdown(record: dict, placements: dict) -> str:
    """The table of docs/results.md."""
    lines = ["| multipliers, device | bare array, MHz | accelerator | clock, MHz | share |", "| --- " * 5 + "|"]
    for name, row in record.items():
        target = placed_device(name)
        part = f"`{target.name}`" + (f" speed {target.speed}" if target.speed else "")
        tables = "" if row["dsps"] else " in tables"
        bare, whole = (each["clock_mhz"]["median"] for each in (row, placements[name]))
        lines.append(
            f"| {row['multipliers']}{tables}, {part} | {bare:.1f} | `{name}` | {whole:.1f} | {whole / bare:.0%} |"
        )
    return "\n".join(lines).replace("%", " %")


def main() -> None:
    """Measure if asked to; print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BESIDE))
    parser.add_argument("--renew", action="store_true", help="measure, and write what was found to the record")
    options = parser.parse_args()
    if unknown := set(options.names) - set(BESIDE):
        parser.error(f"NAME must be one of {', '.join(BESIDE)}, not {', '.join(sorted(unknown))}")
    if options.names and not options.renew:
        parser.error("names say what to measure, with --renew")
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    for name in (options.names or BESIDE) if options.renew else ():
        row = measure(name)
        record = keep(RECORD, record, name, row)
        print(f"{name}: {row}", file=sys.stderr, flush=True)
    print(markdown(record, json.loads(PLACEMENTS.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
