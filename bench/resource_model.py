"""The coefficients of hw/fpga/estimate.py from yosys's counts of a grid of arrays, and the errors of the model.

    .venv/bin/python bench/resource_model.py [--renew] [ecp5 | ice40 ...]

The counts are kept in bench/resource_model.json. Arrays that it lacks are synthesized, with --renew all, in an hour.
Networks are the shipped ones; behind a dash stand the bits to which weights are quantized.
Prints, for each array, the counts, the estimate and its error, the ranges of the parameters for hw/fpga/fitted.py, and
the coefficients that fit best; each is kept at 0 or above, and the errors are relative, so that small arrays weigh as
much as large ones. What to expect of another array tells the error of each where it is left out of the fit.
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

from amarray.cli import main as amarray
from hw import build as builds
from hw.block_rams import block_rams
from hw.compiler import compile_network, size_array
from hw.config import ArrayConfig
from hw.fpga.devices import DEVICES
from hw.fpga.estimate import FABRICS, ff_parts, lut_parts, products, total
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
        *(("ecp5-85k", "cnn", *each) for each in ((8, 8, 1), (8, 8, 2), (8, 9, 2))),
        ("ecp5-25k", "cnn", 8, 4, 4),
        *(("ecp5-25k", "mlp-5", *each, 1) for each in ((8, 7), (16, 5))),
        *(("ecp5-25k", "mlp-3", *each, 1) for each in ((4, 8), (16, 2))),
        ("ecp5-85k", "mlp-5", 16, 16, 1),
        ("ecp5-85k", "cnn-4", 8, 8, 2),
    ),
    "ice40": (
        *(("ice40-up5k", "mlp", *each, 1) for each in ((2, 1), (4, 1), (8, 1), (16, 1), (4, 2), (2, 4), (4, 4))),
        *(("ice40-up5k", "cnn", *each) for each in ((2, 1, 1), (2, 2, 1), (2, 4, 1), (4, 2, 1), (2, 2, 2), (3, 5, 1))),
        *(("ice40-hx8k", "mlp", *each, 1) for each in ((8, 1), (4, 4), (16, 2))),
        *(("ice40-hx8k", "cnn", *each, 1) for each in ((2, 4), (4, 5))),
        ("ice40-up5k", "mlp-6", 8, 1, 1),
        ("ice40-up5k", "mlp-5", 16, 2, 1),
        ("ice40-up5k", "mlp-3", 4, 8, 1),
        ("ice40-hx8k", "mlp-4", 16, 4, 1),
        ("ice40-hx8k", "cnn-4", 4, 6, 1),
    ),
}


def synthesize_grid(family: str, known: list[dict]) -> list[dict]:
    """Configuration and counts of each array, of known ones as they are."""
    rows = {tuple(row["array"]): row for row in known}
    with tempfile.TemporaryDirectory(prefix="amarray-bench-") as folder:
        for array in GRID[family]:
            if array not in rows:
                rows[array] = synthesize_array(array, Path(folder))
                print(f"{' '.join(map(str, array))}: {rows[array]['counts']}", file=sys.stderr, flush=True)
    return [rows[array] for array in GRID[family]]


def synthesize_array(array: tuple, folder: Path) -> dict:
    """Configuration and counts of one array."""
    device, name, *shape = array
    network, _, bits = name.partition("-")
    path = network_path(network)
    if bits:
        path = folder / f"{name}.npz"
        if amarray(["quantize", network, "--weight-bits", bits, "-o", str(path)]):
            raise SystemExit(f"{network} cannot be quantized to {bits} bits")
    network = network_file.load(path)
    with tempfile.TemporaryDirectory(dir=folder) as output:
        build = builds.write(compile_network(network, size_array(network, *shape)), Path(output) / "build")
        counts = synthesize(build.verilog, DEVICES[device])["resources"]
    return {"array": array, "device": device, "config": build.config.to_json(), "counts": counts}


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


def predict_unseen(parts: list[dict[str, float]], counts: list[int]) -> list[int]:
    """The model's count of each array, by coefficients that are fitted to the others."""
    others = [[*range(index), *range(index + 1, len(parts))] for index in range(len(parts))]
    fits = [solve([parts[other] for other in left], [counts[other] for other in left]) for left in others]
    return [total(*each) for each in zip(parts, fits, strict=True)]


def errors(estimates: list[int], counts: list[int]) -> str:
    """Relative errors, for a person."""
    found = np.array(estimates) / np.array(counts) - 1
    return f"root mean square {np.sqrt((found**2).mean()):.1%}, worst {abs(found).max():.1%}"


def report(family: str, rows: list[dict]) -> None:
    """Fit and print."""
    fabric = FABRICS[family]
    configs = [ArrayConfig.from_json(row["config"]) for row in rows]
    made = [products(config, DEVICES[row["device"]]) for config, row in zip(configs, rows, strict=True)]
    found, estimates = {}, {"brams": [block_rams(config, fabric.block_ram) for config in configs]}
    parts_of = {
        "luts": [lut_parts(*array, fabric) for array in zip(configs, made, strict=True)],
        "ffs": [ff_parts(*array) for array in zip(configs, made, strict=True)],
    }
    counts = {resource: [row["counts"][resource] for row in rows] for resource in ("luts", "ffs", "brams")}
    for resource, parts in parts_of.items():
        found[resource] = solve(parts, counts[resource])
        estimates[resource] = [total(part, found[resource]) for part in parts]
    table = Table("device", "network", "array", *(f"{name}, estimate" for name in ("LUTs", "flip-flops", "block RAMs")))
    for index, row in enumerate(rows):
        both = [(counts[resource][index], estimates[resource][index]) for resource in counts]
        cells = [f"{count:,}, {guess:,} ({guess / count - 1:+.1%})" for count, guess in both]
        table.add_row(*row["array"][:2], configs[index].shape, *cells)
    Console(width=120).print(table)
    values = {name: [row["config"][name] for row in rows] for name in rows[0]["config"]}
    print(f"fitted to { ({name: (min(each), max(each)) for name, each in values.items()}) }")
    for resource, coefficients in found.items():
        print(
            f"{resource}: {errors(estimates[resource], counts[resource])}", end="; an array that the fit has not seen: "
        )
        print(errors(predict_unseen(parts_of[resource], counts[resource]), counts[resource]))
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
        record[family] = synthesize_grid(family, [] if options.renew else record.get(family, []))
        write_text(RECORD, json.dumps(record, indent=1) + "\n")
        print(family)
        report(family, record[family])


if __name__ == "__main__":
    main()
