"""Accuracy of the shipped networks as integers, over several seeds: mean and best of each.

    python bench/accuracy.py [--networks mlp cnn] [--seeds 3] [--jobs 2] [--runs runs/accuracy]

Trains what is not yet in the folder, by `amarray train NAME --seed N`, quantizes by the commands of CASES, and
classifies all 10,000 test images with the golden model. Each seed counts, none is chosen. With two cores all networks
take about two hours; a network whose runs are there takes seconds, or minutes where it is trained on as integers.
"""

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import mean

from sw.shipped import NAMES

CASES = {
    "mlp": {"int8": (), "5-bit weights, aware": ("--weight-bits", "5", "--aware")},
    "cnn": {"int8": (), "4-bit weights, aware": ("--weight-bits", "4", "--aware")},
}
"""By network the ways to quantize it; for the others int8."""
INT8 = {"int8": ()}


def main() -> None:
    """Train, quantize, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=NAMES, default=list(NAMES), metavar="NAME")
    parser.add_argument("--seeds", type=int, default=3, help="1..N (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time (default: %(default)s)")
    parser.add_argument("--runs", type=Path, default=Path("runs/accuracy"), help="folder (default: %(default)s)")
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    with ThreadPoolExecutor(options.jobs) as pool:
        runs = {
            (name, seed): pool.submit(trained, name, seed, options.runs) for name in options.networks for seed in seeds
        }
        results = {
            (name, case, seed): pool.submit(quantized, runs[name, seed].result(), case, how)
            for name in options.networks
            for case, how in CASES.get(name, INT8).items()
            for seed in seeds
        }
    row = "{:10} {:>10}  {:22} {:>8} {:>8} {:>8} {:>8}  {}".format
    print(row("network", "parameters", "case", "float", "best", "integers", "best", "integers by seed"))
    for name in options.networks:
        for case in CASES.get(name, INT8):
            found = [results[name, case, seed].result() for seed in seeds]
            floats, integers = ([entry[key] for entry in found] for key in ("float_accuracy", "quantized_accuracy"))
            percents = [f"{100 * value:.2f}" for value in (mean(floats), max(floats), mean(integers), max(integers))]
            each = " ".join(f"{100 * value:.2f}" for value in integers)
            print(row(name, f"{found[0]['parameters']:,}", case, *percents, each))


def trained(name: str, seed: int, folder: Path) -> Path:
    """The run of a network and seed, trained if it is not there."""
    run = folder / f"{name}-{seed}"
    if not (run / "run.json").exists():
        amarray("train", name, "--seed", str(seed), "-o", str(run))
    return run


def quantized(run: Path, case: str, how: tuple[str, ...]) -> dict:
    """What `amarray quantize` says of a run; kept beside it."""
    output = run.with_name(f"{run.name}-{case.split()[0].rstrip(',')}")
    record = output.with_suffix(".json")
    if not record.exists():
        result = amarray("quantize", str(run), *how, "-o", str(output.with_suffix(".npz")))
        record.write_text(json.dumps(result), encoding="utf-8")
    return json.loads(record.read_text(encoding="utf-8"))


def amarray(*arguments: str) -> dict:
    """The JSON result of a command; its messages pass to standard error."""
    command = [sys.executable, "-m", "amarray", *arguments, "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


if __name__ == "__main__":
    main()
