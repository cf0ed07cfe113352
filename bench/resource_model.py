"""The coefficients of hw/fpga/estimate.py from yosys's counts of a grid of arrays, and the errors of the model.

    .venv/bin/python bench/resource_model.py [--renew] [ecp5 | ice40 ...]

The counts are kept in bench/resource_model.json; --renew synthesizes the grid again, which takes an hour.
Prints, for each array, the counts, the estimate and its error, and the coefficients that fit best; each is kept at 0 or
above, and the errors are relative, so that small arrays weigh as much as large ones.
"""

import argparse
import json
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from hw import build as builds
from hw.block_rams import block_rams
from hw.compiler import compile_network, size_array
from hw.config import ArrayConfig
from hw.fpga.devices import DEVICES
from hw.fpga.estimate import FABRICS, ff_parts, lut_parts, products
from hw.fpga.synth import synthesize
from sw import network_file
from sw.files import write_text
from sw.shipped import network_path

RECORD = Path(__file__).with_name("resource_model.json")
GRID = {
    # family: (device, network, lanes, taps, pixels)
    "ecp5": (
        *(("ecp5-25k", "mlp", *each, 1) for each in ((4, 1), (16, 1), (4, 4), (4, 7), (8, 5), (16, 8))),
        *(("ecp5-25k", "cnn", *each) for each in ((2, 2, 1), (4, 7, 1), (7, 4, 1), (8, 5, 1), (4, 5, 2), (4, 4, 4))),
        *(("ecp5-25k", "lenet5", *each, 1) for each in ((2, 8), (6, 5))),
        *(("ecp5-85k", "mlp", *each, 1) for each in ((16, 4), (16, 8), (16, 16))),
        *(("ecp5-85k", "cnn", *each) for each in ((8, 8, 1), (8, 8, 2))),
    ),
    "ice40": (
        *(("ice40-up5k", "mlp", *each, 1) for each in ((2, 1), (4, 1), (8, 1), (16, 1), (4, 2), (2, 4), (4, 4))),
        *(("ice40-up5k", "cnn", *each) for each in ((2, 1, 1), (2, 2, 1), (2, 4, 1), (4, 2, 1), (2, 2, 2), (3, 5, 1))),
        *(("ice40-hx8k", "mlp", *each, 1) for each in ((8, 1), (4, 4), (16, 2))),
        ("ice40-hx8k", "cnn", 2, 4, 1),
    ),
}


def synthesize_grid(family: str) -> list[dict]:
    """Configuration and counts of each array."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="amarray-bench-") as folder:
        for index, (device, network_name, *shape) in enumerate(GRID[family]):
            network = network_file.load(network_path(network_name))
            build = builds.write(compile_network(network, size_array(network, *shape)), Path(folder) / str(index))
            counts = synthesize(build.verilog, DEVICES[device])["resources"]
            rows.append({"device": device, "network": network_name, "config": build.config.to_json(), "counts": counts})
            print(f"{network_name} on {build.config.shape}: {counts}", file=sys.stderr, flush=True)
    return rows


def solve(parts: list[dict[str, float]], counts: list[int]) -> dict[str, float]:
    """Coefficients of least relative squares with none below 0: the best of all choices of parts."""
    names, target = list(parts[0]), np.array(counts, dtype=float)
    matrix = np.array([[part[name] for name in names] for part in parts]) / target[:, None]
    best, least = np.zeros(len(names)), np.inf
    for chosen in product([False, True], repeat=len(names)):
        columns = np.flatnonzero(chosen)
        found = np.linalg.lstsq(matrix[:, columns], np.ones(len(target)), rcond=None)[0]
        error = float(((matrix[:, columns] @ found - 1) ** 2).sum())
        if error < least and (found >= 0).all():
            least, best = error, np.zeros(len(names))
            best[columns] = found
    return {name: round(float(value), 3) for name, value in zip(names, best, strict=True)}


def report(family: str, rows: list[dict]) -> None:
    """Fit and print."""
    fabric = FABRICS[family]
    configs = [ArrayConfig.from_json(row["config"]) for row in rows]
    soft = [products(config, DEVICES[row["device"]])[1] for config, row in zip(configs, rows, strict=True)]
    found, estimates = {}, {"brams": [block_rams(config, fabric.block_ram) for config in configs]}
    arrays = list(zip(configs, soft, strict=True))
    parts_of = {"luts": [lut_parts(*each, fabric) for each in arrays], "ffs": [ff_parts(*each) for each in arrays]}
    for resource, parts in parts_of.items():
        found[resource] = solve(parts, [row["counts"][resource] for row in rows])
        estimates[resource] = [round(sum(found[resource][name] * part[name] for name in part)) for part in parts]
    table = Table("network", "array", *(f"{name}, estimate" for name in ("LUTs", "flip-flops", "block RAMs")))
    for index, row in enumerate(rows):
        cells = []
        for resource in ("luts", "ffs", "brams"):
            count, guess = row["counts"][resource], estimates[resource][index]
            cells.append(f"{count:,}, {guess:,} ({guess / count - 1:+.1%})")
        table.add_row(row["network"], configs[index].shape, *cells)
    Console(width=120).print(table)
    for resource, coefficients in found.items():
        errors = np.array([g / row["counts"][resource] - 1 for g, row in zip(estimates[resource], rows, strict=True)])
        print(f"{resource}: root mean square {np.sqrt((errors**2).mean()):.1%}, worst {abs(errors).max():.1%}")
        print(f"    {resource}={coefficients},")


def main() -> None:
    """Synthesize if asked to, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", metavar="FAMILY", help=", ".join(GRID))
    parser.add_argument("--renew", action="store_true", help="synthesize the grid again")
    options = parser.parse_args()
    if unknown := set(options.families) - set(GRID):
        parser.error(f"FAMILY must be one of {', '.join(GRID)}, not {', '.join(sorted(unknown))}")
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    for family in options.families or GRID:
        if options.renew:
            record[family] = synthesize_grid(family)
            write_text(RECORD, json.dumps(record, indent=1) + "\n")
        print(family)
        report(family, record[family])


if __name__ == "__main__":
    main()
