"""Time of training and inference beside PyTorch: the same networks, batches, optimizer and number of threads.

Both sides train with Adam on the softmax cross-entropy of random images of 28 x 28 pixels in batches of 128, for some
steps after a warm-up, which are scaled to an epoch of 60,000 images; then they infer 10,000 images in batches of 1000.
Values do not matter for the time. Each repetition is a process of its own, and the two sides take turns, so that other
load on the machine meets both. What is shown is the median of the repetitions, and their range.

PyTorch is not among the dependencies of this project. Make an interpreter that has it, and name it:

    python3 -m venv DIR && DIR/bin/pip install torch==2.13.0
    python bench/training.py --torch DIR/bin/python

Under that interpreter this same file runs with `--side torch`, and so imports nothing at its top that may be missing
there. Without `--torch` only the project's side is measured. Prints a table; with `--json FILE` also writes the rows.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

SEED = 1
IMAGES, BATCH = 60_000, 128
INFERRED, INFERRED_AT_ONCE = 10_000, 1000
WARM_UP = 10
RATE = 1e-3
STEPS = {"cnn": 100, "batchnorm": 20}
"""Networks, and how many steps are measured. cnn: conv 5x5 1→8, ReLU, max pool 2, conv 5x5 8→16, ReLU, max pool 2,
dense 256→10. batchnorm: conv 3x3 1→16, 16→16, max pool 2, conv 3x3 16→32, max pool 2, each convolution with padding 1,
batch normalization and ReLU; global average pool, dense 32→10."""


def amarray_side(network: str, count: int) -> dict:
    """Seconds of this project's library."""
    import numpy as np

    from sw.nn import layers
    from sw.nn.data_parallel import DataParallel
    from sw.nn.losses import softmax_cross_entropy
    from sw.nn.optimizers import Adam

    rng = np.random.default_rng(SEED)

    def block(inputs: int, outputs: int) -> list:
        return [layers.Conv2d(inputs, outputs, 3, rng, padding=1), layers.BatchNorm(outputs), layers.ReLU()]

    if network == "cnn":
        first = [layers.Conv2d(1, 8, 5, rng), layers.ReLU(), layers.MaxPool()]
        second = [layers.Conv2d(8, 16, 5, rng), layers.ReLU(), layers.MaxPool()]
        model = layers.Sequential(*first, *second, layers.Flatten(), layers.Dense(256, 10, rng))
    else:
        first = [*block(1, 16), *block(16, 16), layers.MaxPool()]
        second = [*block(16, 32), layers.MaxPool(), layers.GlobalAvgPool()]
        model = layers.Sequential(*first, *second, layers.Dense(32, 10, rng))
    parameters = model.parameters().values()
    optimizer = Adam(parameters)
    images = rng.random((STEPS[network] * BATCH, 28, 28, 1), np.float32)
    labels = rng.integers(0, 10, len(images))
    more = rng.random((INFERRED, 28, 28, 1), np.float32)

    with DataParallel(model, count) as parallel:

        def step(rows: slice) -> None:
            parallel.backward(softmax_cross_entropy, images[rows], labels[rows])
            optimizer.step(RATE)

        def infer(rows: slice) -> None:
            parallel.infer(more[rows])

        result = measure(network, step, lambda: model.set_training(False), infer)
    return result | {"parameters": sum(parameter.data.size for parameter in parameters)}


def torch_side(network: str, count: int) -> dict:
    """Seconds of PyTorch."""
    import torch
    from torch import nn

    torch.manual_seed(SEED)
    torch.set_num_threads(count)

    def block(inputs: int, outputs: int) -> list:
        return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]

    if network == "cnn":
        first = [nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2)]
        second = [nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2)]
        model = nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(256, 10))
    else:
        first = [*block(1, 16), *block(16, 16), nn.MaxPool2d(2)]
        second = [*block(16, 32), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1)]
        model = nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    criterion = nn.CrossEntropyLoss()
    images = torch.rand(STEPS[network] * BATCH, 1, 28, 28)
    labels = torch.randint(0, 10, (len(images),))
    more = torch.rand(INFERRED, 1, 28, 28)

    def step(rows: slice) -> None:
        optimizer.zero_grad()
        criterion(model(images[rows]), labels[rows]).backward()
        optimizer.step()

    def infer(rows: slice) -> None:
        with torch.no_grad():
            model(more[rows])

    result = measure(network, step, model.eval, infer)
    return result | {"parameters": sum(parameter.numel() for parameter in model.parameters())}


def measure(network: str, step, end_training, infer) -> dict:
    """Seconds of an epoch, and of inferring all images; `step` and `infer` take the rows of a batch."""
    batches = [slice(start * BATCH, (start + 1) * BATCH) for start in range(STEPS[network])]
    for rows in batches[:WARM_UP]:
        step(rows)
    start = time.perf_counter()
    for rows in batches:
        step(rows)
    epoch = (time.perf_counter() - start) / len(batches) * IMAGES / BATCH
    end_training()
    infer(slice(0, INFERRED_AT_ONCE))
    start = time.perf_counter()
    for first in range(0, INFERRED, INFERRED_AT_ONCE):
        infer(slice(first, first + INFERRED_AT_ONCE))
    return {"epoch": epoch, "inference": time.perf_counter() - start}


SIDES = {"amarray": amarray_side, "torch": torch_side}


def run(side: str, python: str, network: str, threads: int) -> dict:
    """What one side measures in a process of its own."""
    command = [python, str(Path(__file__).resolve()), "--side", side, "--network", network, "--threads", str(threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def compare(pythons: dict[str, str], network: str, threads: int, repetitions: int) -> list[dict]:
    """Rows of the table: one for each thing measured, with all repetitions of each side."""
    results: dict[str, list[dict]] = {side: [] for side in pythons}
    for repetition in range(repetitions):
        for side, python in pythons.items():
            results[side].append(run(side, python, network, threads))
        print(f"{network}, {threads} threads: {repetition + 1} of {repetitions}", file=sys.stderr)
    counts = {side: found[0]["parameters"] for side, found in results.items()}
    if len(set(counts.values())) > 1:
        sys.exit(f"the networks differ, they have {counts} parameters")
    return [
        {"network": network, "threads": threads, "measured": name}
        | {side: [result[name] for result in found] for side, found in results.items()}
        for name in ("epoch", "inference")
    ]


def show(rows: list[dict], sides: list[str]) -> None:
    """Print the table: seconds, and how many times those of PyTorch they are."""
    from rich.console import Console
    from rich.table import Table

    table = Table("network", "threads", "seconds of", *sides, "ratio")
    for row in rows:
        medians = [statistics.median(row[side]) for side in sides]
        cells = [f"{m:.2f} ({min(row[s]):.2f}..{max(row[s]):.2f})" for m, s in zip(medians, sides, strict=True)]
        ratio = f"{medians[0] / medians[1]:.2f}" if len(sides) > 1 else ""
        table.add_row(row["network"], str(row["threads"]), row["measured"], *cells, ratio)
    Console(width=110).print(table)


def main() -> int:
    """Measure all networks and numbers of threads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--torch", metavar="PYTHON", help="an interpreter that has PyTorch")
    parser.add_argument("--network", choices=STEPS, help="only this one")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows there, too")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(SIDES[arguments.side](arguments.network, *arguments.threads)))
        return 0
    pythons = {"amarray": sys.executable} | ({"torch": arguments.torch} if arguments.torch else {})
    networks = [arguments.network] if arguments.network else list(STEPS)
    rows = [
        row
        for network in networks
        for threads in arguments.threads
        for row in compare(pythons, network, threads, arguments.repetitions)
    ]
    show(rows, list(pythons))
    if arguments.json:
        from sw.files import write_text

        write_text(arguments.json, json.dumps(rows, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
