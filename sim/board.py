"""Simulates a board by the pins of its UART: the driver that runs on the host speaks with the Verilog."""

import json
import tempfile
from pathlib import Path

from hw.compiler import Compiled
from hw.fpga.hosted import HostedAccelerator
from hw.verilog import convert
from sim.build import compiled
from sim.launch import run_test

TOP = "board"
"""Name of the Verilog module."""
LEDS = 5
CLOCK_HZ = 100_000_000
SILENT_BITS = 40
"""So many bits of silence end a frame: two bytes more than the longest pause within an answer."""


def play(
    network: Compiled,
    steps: list[tuple[str, bytes]],
    folder: Path,
    *,
    divisor: int = 8,
    mismatch: float = 0,
    simulator: str = "verilator",
) -> list[dict]:
    """Take the steps one after the other; returns an answer to each, see sim/cosim_board.py.

    Parameters
    ----------
    network: on its array. steps: names and data: info, image (pixels), counters, reset, load (a load image) or bytes.
    folder: for the Verilog and the compiled simulator.
    divisor: clock cycles a bit of the board. mismatch: by which share the host's bits are longer.

    Raises SimulationError where the simulator fails or the board's answers are no bytes.
    """
    hosted = HostedAccelerator(network, divisor=divisor, clock_hz=CLOCK_HZ, silence=SILENT_BITS * divisor, leds=LEDS)
    folder.mkdir(parents=True, exist_ok=True)
    convert(hosted, TOP, folder / f"{TOP}.v")
    place = compiled(folder / f"{TOP}.v", folder, simulator, top=TOP)
    scenario = {
        "divisor": divisor,
        "mismatch": mismatch,
        "steps": [(name, bytes(data).hex()) for name, data in steps],
    }
    with tempfile.TemporaryDirectory(prefix="amarray-") as name:
        run = Path(name)
        (run / "scenario.json").write_text(json.dumps(scenario), encoding="utf-8")
        plusargs = [f"+scenario={run / 'scenario.json'}", f"+answers={run / 'answers.json'}"]
        run_test(simulator, place, run, module="sim.cosim_board", top=TOP, plusargs=plusargs)
        return json.loads((run / "answers.json").read_text(encoding="utf-8"))
