"""Cycles per image over a grid of networks, arrays and schedules: predicted by the compiler, measured in Verilator.

The networks are shipped ones. Utilization is useful multiply-accumulates / (multipliers · measured cycles), loading
of images and argmax included. Latency is the cycles from the last pixels of the first image to its last
logit. The last column is the speed of the simulation in clock cycles a second, start of the
simulator included. Every logit is compared with golden's.
Prints a table; with a file name as argument it also writes the rows there as JSON.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hw import build as builds
from hw.compiler import compile_network, size_array
from hw.schedule import SCHEDULES
from sim.simulate import compare, simulate
from sw import mnist, network_file
from sw.files import write_text
from sw.network import Network
from sw.shipped import network_path

IMAGES = 200
GRID = {
    "mlp": ((16, 1, 1), (28, 1, 1), (8, 4, 1), (16, 5, 1), (16, 8, 1), (16, 16, 1)),
    "cnn": ((4, 7, 1), (8, 5, 1), (8, 4, 2), (8, 5, 2), (8, 8, 2), (8, 5, 4), (8, 8, 4), (8, 10, 4)),
    "lenet5": ((2, 8, 1), (4, 7, 1), (6, 8, 1), (6, 10, 1), (6, 5, 2), (8, 16, 1), (6, 10, 2)),
}
"""Lanes, taps and pixels by network."""
COLUMNS = (
    "network",
    "array",
    "schedule",
    "MACs",
    "predicted",
    "measured",
    "latency",
    "utilization",
    "mismatches",
    "cycles/s",
)


def measure(network: Network, shape: tuple[int, int, int], kind: str, images: np.ndarray, folder: Path) -> dict:
    """One row of the table."""
    compiled = compile_network(network, size_array(network, *shape, kind=kind), kind)
    array = " x ".join(map(str, shape))
    build = builds.write(compiled, folder / f"{network.name}-{array}-{kind}".replace(" ", ""))
    done = simulate(build, images, "native")
    cycles = compiled.schedule.cycles_per_image(done.result_cycles, done.counters["busy"])
    schedule, count = compiled.schedule, len(images)
    predicted = schedule.cycles_per_image(schedule.result_cycles(count), schedule.busy_cycles(count))
    exact = done.result_cycles.tolist() == schedule.result_cycles(count).tolist()
    return {
        "network": network.name,
        "array": array,
        "schedule": kind,
        "MACs": compiled.config.macs,
        "predicted": predicted,
        "measured": cycles,
        "latency": done.first_result,
        "utilization": network.macs / (compiled.config.macs * cycles),
        "exact": exact,
        "mismatches": len(compare(build.network, images, done)),
        "cycles/s": round(done.counters["cycles"] / done.seconds["run"]),
    }


def main() -> int:
    """Measure the grid; 0 if every image is equal and every prediction exact."""
    images = mnist.load().test_images[:IMAGES]
    print(f"the first {IMAGES} test images each")
    rows = []
    with tempfile.TemporaryDirectory(prefix="amarray-bench-") as name:
        for network_name, shapes in GRID.items():
            network = network_file.load(network_path(network_name))
            for shape in shapes:
                for kind in SCHEDULES:
                    rows.append(measure(network, shape, kind, images, Path(name)))
                    print(f"{network_name} {rows[-1]['array']} {kind}: {rows[-1]['measured']:g}", file=sys.stderr)
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*(f"{row[column]:.4g}" if column == "utilization" else str(row[column]) for column in COLUMNS))
    Console(width=120).print(table)
    if len(sys.argv) > 1:
        write_text(Path(sys.argv[1]), json.dumps(rows, indent=2) + "\n")
    return int(any(row["mismatches"] or not row["exact"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
