"""`amarray bitstream` and `amarray run`: a build on a board, and images through it."""

import argparse
import os
import shlex
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from amarray.data import Reader, choose_data, load_data
from amarray.fpga import clock_notes
from amarray.networks import load_network
from amarray.progress import bar
from hw import build as builds
from hw.fpga import tools
from hw.fpga.bitstream import SUFFIX, pack
from hw.fpga.board_top import SILENCE, TOP, BoardPlan, BoardTop
from hw.fpga.boards import find_board
from hw.fpga.driver import Driver
from hw.fpga.estimate import scale_blocks
from hw.fpga.place import check_fit, place
from hw.fpga.synth import synthesize, usable_clock
from hw.load_image import read_load_image
from hw.verilog import convert
from hw.yosys import ToolError
from sw.errors import InputError
from sw.file_kinds import BITSTREAM
from sw.files import check_file
from sw.golden import infer
from sw.image_file import READERS, read_image_file
from sw.network import Network

PATIENCE = 1.0
"""Seconds that a read from the board waits, besides the silence that ends a frame."""
BYTE_BITS = 10
"""Of a byte on the wire, with its start and its stop."""
MOST_BAUD = 100_000_000
MOST_DIGITS = 9
"""Of an image's number."""
GREATEST_SEED = 2**31 - 1
"""That nextpnr takes."""


class SerialLine:
    """A serial port that waits for an answer as long as this and its request take on the wire: hw.fpga.driver.Port.

    Parameters
    ----------
    port: an open serial.Serial.
    """

    def __init__(self, port):
        self._port, self._sent = port, 0

    def write(self, data: bytes) -> None:
        """Hand all of the bytes to the system, which sends them later."""
        self._port.write(data)
        self._sent = len(data)

    def read(self, count: int) -> bytes:
        """Receive so many bytes, or fewer if no more come in time."""
        self._port.timeout = SILENCE + PATIENCE + BYTE_BITS * (self._sent + count) / self._port.baudrate
        return self._port.read(count)

    def close(self) -> None:
        """Close the port."""
        self._port.close()


def bitstream(options: argparse.Namespace) -> dict:
    """`amarray bitstream`."""
    board = find_board(options.board)
    device = board.device(options.device)
    tools.version(device.nextpnr)  # refuses here, before minutes of synthesis
    if not 0 <= options.seed <= GREATEST_SEED:
        raise InputError(f"seed must be 0..{GREATEST_SEED}, not {options.seed}")
    build = builds.load(Path(options.build))  # never edited: the board's top holds the design, not the file
    plan = BoardPlan.of(board, device, build.compiled, clock=options.clock, baud=options.baud)
    output = Path(options.output) if options.output else build.folder / f"{board.name}{SUFFIX[device.nextpnr]}"
    check_file(output, BITSTREAM, options.force)
    with tempfile.TemporaryDirectory(prefix="amarray-") as name:
        folder = Path(name)
        verilog, netlist, placed = folder / "board.v", folder / "netlist.json", folder / "placed"
        with bar(f"synthesize for {device.name}", None, ""):
            convert(BoardTop(plan), TOP, verilog)
            reserved = scale_blocks(build.config, device)
            synthesized = synthesize(verilog, device, top=TOP, netlist=netlist, reserved=reserved)
        check_fit(device, synthesized["resources"])
        pins = folder / "pins"
        pins.write_text(board.constraints(device.family), encoding="utf-8")
        with bar(f"place on {board.title}", None, ""):
            found = place(netlist, device, options.seed, constraints=pins, frequency=plan.mhz, output=placed)
        reached = usable_clock(found["clock_mhz"], synthesized["limits"])
        path = found["critical_path"]
        if reached < plan.mhz:
            raise ToolError(
                f"{board.title} reaches {reached:.1f} MHz with seed {options.seed}, limited from {path['from']} to "
                f"{path['to']}, less than its clock of {plan.mhz:g} MHz, so there is no bitstream; ask for less with "
                f"--clock, or take another --seed"
            )
        with bar("pack the bitstream", None, ""):
            pack(placed, device, output, options.force)
    return {
        "build": str(build.folder),
        "edited": build.edited,
        "board": board.name,
        "device": device.name,
        "clock_mhz": plan.mhz,
        "reached_mhz": reached,
        "critical_path": path,
        "seed": options.seed,
        "baud": options.baud,
        **synthesized["resources"],
        "available": synthesized["available"],
        "images_per_second": plan.mhz * 1e6 / build.compiled.schedule.round_cycles,
        "notes": clock_notes(device),
        "file": str(output),
        "loader": f"{board.loader} {shlex.quote(str(output))}",
    }


def run(options: argparse.Namespace) -> dict:
    """`amarray run`."""
    network = load_network(options.network) if options.network else None
    if options.image.isdecimal():
        pixels, data, notes = _test_image(options, network)
    else:
        pixels, data, notes = read_image(options.image), None, []
    if network is not None and pixels.shape != network.input.shape:
        found, reads = (" x ".join(map(str, shape)) for shape in (pixels.shape, network.input.shape))
        raise InputError(f"network {options.network} reads images of {reads}; {options.image} is {found}")
    load_image = read_load_image(Path(options.load)) if options.load else None
    port = open_port(options.port, options.baud)
    try:
        driver = Driver(port)
        info = driver.info()
        if load_image is not None:
            with bar(f"load {options.load}", None, ""):
                info = driver.load(load_image, info)
        before = driver.counters()
        result = driver.classify(pixels, info)
        counters = driver.counters()
    finally:
        port.close()
    answer = {
        "port": options.port,
        "image": options.image,
        "data": data,
        "notes": notes,
        "label": result.label,
        "logits": result.logits.tolist(),
        "counters": counters,
        "busy_cycles": (counters["busy"] - before["busy"]) % (1 << 32),
        "board": asdict(info),
    }
    if network is None:
        return answer
    golden = infer(network, pixels[None], all_taps=False)
    same = np.array_equal(golden.logits[0], result.logits) and golden.labels[0] == result.label
    return answer | {"network": network.name, "mismatches": int(not same), "golden": golden.logits[0].tolist()}


def open_port(name: str, baud: int) -> SerialLine:
    """The serial port.

    Raises InputError where pyserial is not installed or the port cannot be opened.
    """
    try:
        import serial
        from serial.tools import list_ports
    except ImportError:
        raise InputError("a serial port needs pyserial, which is not installed: pip install 'amarray[fpga]'") from None
    if not 1 <= baud <= MOST_BAUD:
        raise InputError(f"baud must be that of the bitstream, 1..{MOST_BAUD}, not {baud}")
    try:
        port = serial.serial_for_url(name, baudrate=baud)
    except (serial.SerialException, ValueError) as error:
        reason = os.strerror(error.errno) if getattr(error, "errno", None) else error
        there = ", ".join(sorted(each.device for each in list_ports.comports())) or "none; is the board connected?"
        raise InputError(f"port {name} cannot be opened: {reason}; ports of this machine: {there}") from error
    port.reset_input_buffer()
    return SerialLine(port)


def _test_image(options: argparse.Namespace, network: Network | None) -> tuple[np.ndarray, str, list[str]]:
    """The test image of a number, the name of its data and what must be said of them."""
    if network is None:
        dataset, notes = load_data(options.data), []
    else:
        dataset, notes = choose_data(options.data, Reader.of_network(f"network {options.network}", network))
    images, number = dataset.test_images, options.image
    if len(number) > MOST_DIGITS or int(number) >= len(images):
        raise InputError(f"image must be 0..{len(images) - 1}, not {number}")
    return images[int(number)], dataset.name, notes


def read_image(name: str) -> np.ndarray:
    """(height, width, channels) uint8 pixels of a file, see sw.image_file."""
    if Path(name).suffix not in READERS:
        raise InputError(f"image must be the number of a test image, a .npy or a .pgm file, not {name}")
    return read_image_file(Path(name))
