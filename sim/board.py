"""Simulates a board by its pins: the driver that runs on the host speaks with the Verilog of the board's top."""

import json
import tempfile
from pathlib import Path

from hw.compiler import Compiled
from hw.fpga.board_top import TOP, BoardPlan, BoardTop
from hw.fpga.boards import Board
from hw.verilog import convert
from sim.build import compiled
from sim.launch import run_test

MHZ = 0.1
"""Clock of the simulated board, so slow that the silence after a damaged frame is a few thousand cycles."""


def play(
    network: Compiled,
    board: Board,
    steps: list[tuple[str, bytes]],
    *,
    divisor: int = 8,
    mismatch: float = 0,
    simulator: str = "verilator",
) -> list[dict]:
    """Take the steps one after the other; returns an answer to each, see sim/cosim_board.py.

    Parameters
    ----------
    network: on its array. board: it is simulated with its default FPGA and without PLL.
    steps: names and data: info, image (pixels), counters, reset, load (a load image) or bytes.
    divisor: clock cycles a bit of the board. mismatch: by which share the host's bits are longer.

    Raises SimulationError where the simulator fails or the board's answers are no bytes.
    """
    plan = BoardPlan(board, board.device(), network, setting=None, mhz=MHZ, divisor=divisor)
    scenario = {
        "divisor": divisor,
        "mismatch": mismatch,
        "button_low": board.button_low,
        "leds_low": board.leds_low,
        "steps": [(name, bytes(data).hex()) for name, data in steps],
    }
    with tempfile.TemporaryDirectory(prefix="amarray-") as name:
        run = Path(name)
        convert(BoardTop(plan), TOP, run / f"{TOP}.v")
        place = compiled(run / f"{TOP}.v", simulator, top=TOP)
        (run / "scenario.json").write_text(json.dumps(scenario), encoding="utf-8")
        plusargs = [f"+scenario={run / 'scenario.json'}", f"+answers={run / 'answers.json'}"]
        run_test(simulator, place, run, module="sim.cosim_board", top=TOP, plusargs=plusargs)
        return json.loads((run / "answers.json").read_text(encoding="utf-8"))
