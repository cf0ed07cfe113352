"""Cycles per image over a grid of arrays: predicted by the compiler, measured in Verilator, side by side.

The network is 784-16-16-10 with random weights: cycles do not depend on weights. The last column is the
speed of the simulation in clock cycles a second, start of the simulator included.
Prints a table; with a file name as argument it also writes the rows there as JSON.
"""

import json
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hw import build as builds
from hw.compiler import compile_network, size_array
from hw.schedule import SCHEDULES
from sim.simulate import compare, simulate
from sw import mnist
from sw.files import write_text
from sw.fixed import Format
from sw.network import Dense, InputContract, Network, Requantize

SEED = 1
IMAGES = 200
WIDTHS = (784, 16, 16, 10)
ARRAYS = ((16, 1), (28, 1), (8, 4), (16, 5), (16, 8), (16, 16))
COLUMNS = ("lanes", "taps", "schedule", "MACs", "predicted", "measured", "utilization", "mismatches", "cycles/s")


def random_network() -> Network:
    """784-16-16-10 with random 8-bit weights."""
    rng = np.random.default_rng(SEED)
    layers = []
    for index, (inputs, outputs) in enumerate(pairwise(WIDTHS)):
        weight = rng.integers(-127, 128, (outputs, inputs))
        ones = np.ones(outputs, dtype=np.int64)
        is_last = index == len(WIDTHS) - 2
        scale = None if is_last else Requantize(ones, 12 * ones, Format(8, signed=False))
        layers.append(Dense(weight, 0 * ones, 8, scale))
    return Network("random 784-16-16-10", InputContract((28, 28, 1)), tuple(layers))


def measure(network: Network, lanes: int, taps: int, kind: str, images: np.ndarray, folder: Path) -> dict:
    """One row of the table."""
    compiled = compile_network(network, size_array(network, lanes, taps, kind=kind), kind)
    build = builds.write(compiled, folder / f"{lanes}x{taps}-{kind}")
    done = simulate(build, images, "verilator")
    cycles = compiled.schedule.cycles_per_image(done.result_cycles, done.counters["busy"])
    return {
        "lanes": lanes,
        "taps": taps,
        "schedule": kind,
        "MACs": lanes * taps,
        "predicted": compiled.schedule.round_cycles,
        "measured": cycles,
        "utilization": network.macs / (lanes * taps * cycles),
        "mismatches": len(compare(build, images, done)),
        "cycles/s": round(done.counters["cycles"] / done.seconds["run"]),
    }


def main() -> int:
    """Measure the grid; 0 if every image is equal and every prediction exact."""
    network, images = random_network(), mnist.load().test_images[:IMAGES]
    print(f"seed {SEED}, {IMAGES} images each")
    rows = []
    with tempfile.TemporaryDirectory(prefix="amarray-bench-") as name:
        for lanes, taps in ARRAYS:
            for kind in SCHEDULES:
                rows.append(measure(network, lanes, taps, kind, images, Path(name)))
                print(f"{lanes} x {taps} {kind}: {rows[-1]['measured']:g} cycles", file=sys.stderr)
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*(f"{row[column]:.4g}" if column == "utilization" else str(row[column]) for column in COLUMNS))
    Console(width=110).print(table)
    if len(sys.argv) > 1:
        write_text(Path(sys.argv[1]), json.dumps(rows, indent=2) + "\n")
    return int(any(row["mismatches"] or row["predicted"] != row["measured"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
