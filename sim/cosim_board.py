"""cocotb test: the driver of hw/fpga speaks with a board by its UART pins; started by sim/board.py.

The plusargs name files: +scenario holds the steps, +answers is written.
"""

import json

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import Event, First, Timer

from hw.fpga.board_top import RESET_CYCLES
from hw.fpga.driver import Driver, LinkError
from hw.fpga.frames import START
from sim.bench import SimulationError

PERIOD = 10_000
"""Of the clock, in picoseconds."""
PATIENCE = 200_000
"""Clock cycles that a read waits for a byte."""
PRESSED_CYCLES = 10
"""So long the button is pressed."""


@cocotb.test()
async def board(dut):
    """Press the button, wait for the end of the reset, play the scenario, save the answers."""
    with open(cocotb.plusargs["scenario"], encoding="utf-8") as file:
        scenario = json.load(file)
    Clock(dut.clk, PERIOD, "ps").start()
    dut.rx.value = 1
    for pressed, cycles in ((True, PRESSED_CYCLES), (False, RESET_CYCLES + PRESSED_CYCLES)):
        dut.button.value = pressed ^ scenario["button_low"]
        for _ in range(cycles):
            await dut.clk.rising_edge
    port = Pins(dut, round(PERIOD * scenario["divisor"] * (1 + scenario["mismatch"])), scenario["leds_low"])
    cocotb.start_soon(port.listen())
    answers = await bridge(play)(port, scenario["steps"], lambda: port.leds)
    with open(cocotb.plusargs["answers"], "w", encoding="utf-8") as file:
        json.dump(answers, file)


class Pins:
    """The two wires of a UART as the driver's port, for use in a thread of cocotb's bridge.

    bit: duration of a bit in picoseconds, as the host has it. leds_low: whether a LED is on at 0.
    """

    def __init__(self, dut, bit: int, leds_low: bool):
        self._dut, self._bit, self._leds_low = dut, bit, leds_low
        self._received, self._came = bytearray(), Event()
        self.write, self.read = resume(self._write), resume(self._read)

    @property
    def leds(self) -> int:
        """Which LEDs are on, the lowest in bit 0."""
        value = self._dut.leds.value.to_unsigned()
        return value ^ (1 << len(self._dut.leds)) - 1 if self._leds_low else value

    async def listen(self):
        """Receive bytes for ever."""
        while True:
            await self._dut.tx.falling_edge
            await Timer(self._bit // 2, "ps")
            levels = []
            for _ in range(10):
                levels.append(int(self._dut.tx.value))
                if len(levels) < 10:
                    await Timer(self._bit, "ps")
            if (levels[0], levels[-1]) != (0, 1):
                raise SimulationError(f"the board sent the bits {levels}; a byte begins with 0 and ends with 1")
            self._received.append(sum(level << index for index, level in enumerate(levels[1:9])))
            self._came.set()

    async def _write(self, data: bytes):
        for byte in data:
            for level in (0, *(byte >> index & 1 for index in range(8)), 1):
                self._dut.rx.value = level
                await Timer(self._bit, "ps")

    async def _read(self, count: int) -> bytes:
        while len(self._received) < count:
            self._came.clear()
            late = Timer(PATIENCE * PERIOD, "ps")
            if await First(self._came.wait(), late) is late:
                break
        data = bytes(self._received[:count])
        del self._received[:count]
        return data


def play(port, steps: list, leds) -> list[dict]:
    """Take each step with the driver; returns the answers, errors of the board among them."""
    driver, answers = Driver(port), []
    info = driver.info()
    for name, text in steps:
        data = bytes.fromhex(text)
        try:
            match name:
                case "info":
                    info = driver.info()
                    answer = vars(info)
                case "image":
                    result = driver.classify(np.frombuffer(data, dtype=np.uint8), info)
                    answer = {"label": result.label, "logits": result.logits.tolist(), "leds": leds()}
                case "counters":
                    answer = driver.counters()
                case "reset":
                    answer = {"reset": driver.reset()}
                case "load":
                    info = driver.load(data, info)
                    answer = vars(info)
                case "bytes":  # as they are; what they begin with tells to which command they are
                    port.write(data)
                    answer = {"payload": driver.answer(data[1] if data[:1] == bytes([START]) else 0).hex()}
        except LinkError as error:
            answer = {"error": str(error), "status": error.status}
        answers.append(answer)
    return answers
