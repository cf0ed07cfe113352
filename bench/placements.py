"""Resources and clock of fixed configurations, compared with those of bench/placements.json.

    .venv/bin/python bench/placements.py [NAME ...]            # compare; all of them without a name
    .venv/bin/python bench/placements.py --renew [NAME ...]    # write what was found to the file
    .venv/bin/python bench/placements.py --table               # the rows of docs/results.md

Each is made by the commands that the file holds, the last one is `amarray place`. Compared are yosys's
counts and the median clock of the seeds; more than 3 % in a count or 8 % in the clock is a failure, in either
direction: what has become better is to be renewed, too.
"""

import argparse
import contextlib
import io
import json
import shlex
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from amarray.cli import main as amarray
from hw.fpga.devices import Device, device
from sw.files import write_text

RECORD = Path(__file__).with_name("placements.json")
TOLERANCE = {"luts": 0.03, "ffs": 0.03, "dsps": 0.03, "brams": 0.03, "sprams": 0.03, "clock": 0.08}
"""Greatest change of each figure, relative to the record."""
SEEDS = 5
CONFIGURATIONS = {
    # name: (the network's command if it is not a shipped one, arguments of generate, arguments of place)
    "mlp-16x1-25k-6": ("", "mlp --lanes 16 --taps 1", "--device ecp5-25k --speed 6"),
    "mlp-16x1-latency-25k-6": ("", "mlp --lanes 16 --taps 1 --schedule latency", "--device ecp5-25k --speed 6"),
    "mlp-16x1-25k-8": ("", "mlp --lanes 16 --taps 1", "--device ecp5-25k --speed 8"),
    "mlp-4x7-25k-6": ("", "mlp --lanes 4 --taps 7", "--device ecp5-25k --speed 6"),
    "mlp-5bit-8x7-25k-6": (
        "quantize mlp --weight-bits 5 -o mlp-5.npz",
        "mlp-5.npz --lanes 8 --taps 7",
        "--device ecp5-25k --speed 6",
    ),
    "mlp-16x8-25k-6": ("", "mlp --lanes 16 --taps 8", "--device ecp5-25k --speed 6"),
    "cnn-8x4x4-25k-6": ("", "cnn --lanes 8 --taps 4 --pixels 4", "--device ecp5-25k --speed 6"),
    "mlp-5bit-16x16-85k-6": (
        "quantize mlp --weight-bits 5 -o mlp-5.npz",
        "mlp-5.npz --lanes 16 --taps 16",
        "--device ecp5-85k --speed 6",
    ),
    "cnn-8x9x2-85k-6": ("", "cnn --lanes 8 --taps 9 --pixels 2", "--device ecp5-85k --speed 6"),
    "mlp-6bit-8x1-up5k": (
        "quantize mlp --weight-bits 6 -o mlp-6.npz",
        "mlp-6.npz --lanes 8 --taps 1",
        "--device ice40-up5k",
    ),
    "mlp-5bit-16x2-up5k": (
        "quantize mlp --weight-bits 5 -o mlp-5.npz",
        "mlp-5.npz --lanes 16 --taps 2",
        "--device ice40-up5k",
    ),
    "mlp-4bit-16x4-hx8k": (
        "quantize mlp --weight-bits 4 --aware -o mlp-4.npz",
        "mlp-4.npz --lanes 16 --taps 4",
        "--device ice40-hx8k",
    ),
    "cnn-3x5-up5k": ("", "cnn --lanes 3 --taps 5", "--device ice40-up5k"),
    "mlp-16x1-gw1n-9c": ("", "mlp --lanes 16 --taps 1", "--device gw1n-9c"),
    "cnn-4x5-hx8k": ("", "cnn --lanes 4 --taps 5", "--device ice40-hx8k"),
}


def measure(name: str, folder: Path) -> dict:
    """Make and place a configuration: the commands and what they found."""
    network, generate, place = CONFIGURATIONS[name]
    commands = [f"generate {generate} -o {name}", f"place {name} {place} --seeds {SEEDS}"]
    commands[:0] = [network] if network else []
    with contextlib.chdir(folder):
        placed = [_run(command) for command in commands][-1]
    counts = {resource: placed[resource] for resource in ("luts", "ffs", "dsps", "brams", "sprams")}
    kept = ("cycles_per_image", "images_per_second", "latency_us", "clock_mhz", "used_clock_mhz", "yosys", "nextpnr")
    path = {end: placed["critical_path"][end] for end in ("from", "to")}
    return {"commands": [f"amarray {command}" for command in commands], **counts} | {
        **{key: placed[key] for key in kept},
        "critical_path": path,
    }


def placed_device(name: str) -> Device:
    """The device, at its speed grade, of a row."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device")
    parser.add_argument("--speed")
    row = parser.parse_args(CONFIGURATIONS[name][2].split())
    return device(row.device, row.speed)


def _run(command: str) -> dict:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = amarray([*shlex.split(command), "--json"])
    if code:
        raise SystemExit(f"amarray {command} failed")
    return json.loads(printed.getvalue())


def keep(path: Path, record: dict, name: str, row: dict) -> dict:
    """The record with a row, written to its file; rows are in the order of CONFIGURATIONS."""
    found = record | {name: row}
    found = {each: found[each] for each in CONFIGURATIONS if each in found}
    write_text(path, json.dumps(found, indent=2) + "\n")
    return found


def figures(row: dict) -> dict[str, float]:
    """What is compared."""
    return {**{name: row[name] for name in TOLERANCE if name != "clock"}, "clock": row["clock_mhz"]["median"]}


def compare(old: dict, new: dict) -> list[str]:
    """What differs by more than its tolerance, one line each, and with it tools of other versions."""
    found = figures(new)
    lines = [
        f"{name}: {was:g} before, {found[name]:g} now, more than {TOLERANCE[name]:.0%} apart"
        for name, was in figures(old).items()
        if abs(found[name] - was) > TOLERANCE[name] * was
    ]
    others = [f"{tool} {old[tool]} before, {new[tool]} now" for tool in ("yosys", "nextpnr") if old[tool] != new[tool]]
    return lines + others if lines else []


def markdown(record: dict) -> str:
    """The table of docs/results.md."""
    lines = [
        "| name | LUTs | flip-flops | multipliers | block RAMs | cycles an image | clock, median of 5 (best), MHz "
        "| images/s | latency, µs |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, row in record.items():
        clock = row["clock_mhz"]
        brams = f"{row['brams']} + {row['sprams']} SPRAM" if row["sprams"] else row["brams"]
        lines.append(
            f"| `{name}` | {row['luts']:,} | {row['ffs']:,} | {row['dsps']} | {brams} | {row['cycles_per_image']:,} "
            f"| {clock['median']:.1f} ({clock['best']:.1f}) | {row['images_per_second']:,.0f} "
            f"| {row['latency_us']:.2f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure and compare, or print the record; 0 if all is within its tolerance."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CONFIGURATIONS))
    parser.add_argument("--renew", action="store_true", help="write what was found to the record")
    parser.add_argument("--table", action="store_true", help="print the record as the table of docs/results.md")
    options = parser.parse_args()
    record = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    if options.table:
        print(markdown(record))
        return 0
    if unknown := set(options.names) - set(CONFIGURATIONS):
        parser.error(f"NAME must be one of {', '.join(CONFIGURATIONS)}, not {', '.join(sorted(unknown))}")
    table, failures = Table("configuration", "figure", "record", "now", "change"), []
    with tempfile.TemporaryDirectory(prefix="amarray-bench-") as folder:
        for name in options.names or CONFIGURATIONS:
            row = measure(name, Path(folder))
            old = record.get(name, row)
            for figure, now in figures(row).items():
                was = figures(old)[figure]
                table.add_row(name, figure, f"{was:g}", f"{now:g}", f"{now / was - 1:+.1%}" if was else "")
            if options.renew:
                record = keep(RECORD, record, name, row)
            elif name not in record:
                failures.append(f"{name} is not in {RECORD.name}; write it there with --renew")
            else:
                failures += [f"{name}: {line}" for line in compare(old, row)]
    Console(width=110).print(table)
    for line in failures:
        print(line, file=sys.stderr)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
