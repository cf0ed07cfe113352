"""The top of a board without a PLL, by its pins: power-on reset, button, polarity of the LEDs."""

from dataclasses import replace

import pytest
from amaranth.sim import Simulator
from networks import random_images, random_network

from hw.compiler import compile_network, size_array
from hw.config import ArrayConfig
from hw.fpga.board_top import RESET_CYCLES, BoardPlan, BoardTop, baud_divisor
from hw.fpga.boards import find_board
from hw.fpga.frames import ANSWER, HEADER_BYTES, START, Command, encode
from hw.fpga.payload_buffer import buffer_bytes
from sw.errors import InputError
from sw.golden import infer

NETWORK = random_network(5, [20, 5, 3])
COMPILED = compile_network(NETWORK, size_array(NETWORK, lanes=2, taps=3))
DIVISOR = 4
FRAME_CYCLES = 60 * 10 * DIVISOR


def plan(**options) -> BoardPlan:
    board = find_board("tangnano9k")
    return BoardPlan.of(board, board.device(), COMPILED, **options)


def test_button_and_leds():
    board = BoardTop(plan(baud=27_000_000 // DIVISOR))
    image = random_images(1, NETWORK, 1)
    label = int(infer(NETWORK, image, all_taps=False).labels[0])
    request = encode(Command.IMAGE, image.tobytes() + b"\0")
    seen = {}

    async def cycle(ctx):
        for level in (1, 0):
            ctx.set(board.clk, level)
            await ctx.delay(1e-8)

    async def ask(ctx) -> bytes:
        """Send an image; returns the bytes that come within a frame's time."""
        wire = [bit for byte in request for bit in (0, *(byte >> i & 1 for i in range(8)), 1) for _ in range(DIVISOR)]
        levels = []
        for level in wire + [1] * FRAME_CYCLES:
            ctx.set(board.rx, level)
            levels.append(ctx.get(board.tx))
            await cycle(ctx)
        found = []
        while 0 in levels:
            levels = levels[levels.index(0) :]
            samples = levels[DIVISOR // 2 :: DIVISOR][1:9]
            found.append(sum(bit << i for i, bit in enumerate(samples)))
            levels = levels[10 * DIVISOR - 1 :]
        return bytes(found)

    async def testbench(ctx):
        ctx.set(board.rx, 1)
        ctx.set(board.button, 1)
        for _ in range(10):
            await cycle(ctx)
        seen["in reset"] = await ask(ctx)  # shorter than the reset
        for _ in range(RESET_CYCLES):
            await cycle(ctx)
        seen["dark"] = ctx.get(board.leds)
        seen["answer"] = await ask(ctx)
        seen["lit"] = ctx.get(board.leds)
        ctx.set(board.button, 0)
        for _ in range(10):
            await cycle(ctx)
        ctx.set(board.button, 1)
        seen["pressed"] = ctx.get(board.leds)

    simulator = Simulator(board)
    simulator.add_testbench(testbench)
    simulator.run()
    assert seen["in reset"] == b""
    assert seen["dark"] == 0b111111  # off at 1
    assert seen["answer"][:2] == bytes([START, Command.IMAGE | ANSWER])
    assert seen["answer"][HEADER_BYTES] == 0
    assert seen["lit"] == 0b111111 ^ (1 << 5 | label)
    assert seen["pressed"] == 0b111111


def test_baud_rate_must_be_one_that_the_clock_makes():
    assert baud_divisor(27, 115200) == 234
    assert (baud_divisor(27, 300), baud_divisor(27, 6_750_000)) == (90_000, 4)
    for baud in (299, 6_750_001):
        with pytest.raises(InputError, match=rf"baud must be 300..6750000 with a clock of 27 MHz, not {baud}"):
            baud_divisor(27, baud)
    with pytest.raises(InputError, match=r"baud must be 300..6000000 with a clock of 24 MHz, not 8000000"):
        baud_divisor(24, 8_000_000)
    with pytest.raises(InputError, match="whole fraction of the clock of 24 MHz, within 1%, not 5300000"):
        baud_divisor(24, 5_300_000)


def test_plan():
    assert (plan().mhz, plan().setting, plan().divisor) == (27, None, 234)
    assert plan(clock=54).setting.dividers == {"IDIV_SEL": 0, "FBDIV_SEL": 1, "ODIV_SEL": 8}
    with pytest.raises(InputError, match="clock must be one that the PLL makes of 27 MHz"):
        plan(clock=900)


def test_an_image_must_fit_in_a_frame():
    config = ArrayConfig(taps=1)
    assert buffer_bytes(config, 65_535) == 65_535
    with pytest.raises(InputError, match="image on a board, and its logits, must have at most 65535 bytes, not 65536"):
        buffer_bytes(config, 65_536)
    assert buffer_bytes(ArrayConfig(taps=15), 4369) == 65_535
    with pytest.raises(InputError, match="not 65536"):
        buffer_bytes(ArrayConfig(taps=16), 4096)
    reloadable = ArrayConfig(taps=3, input_words=2 * 21_844, reloadable=True)
    assert buffer_bytes(reloadable, 1) == 65_535
    with pytest.raises(InputError, match="not 65538"):
        buffer_bytes(replace(reloadable, input_words=2 * 21_845), 1)


def test_an_answer_must_fit_in_a_frame_with_its_status():
    config = ArrayConfig(logit_bits=8, result_words=65_532)
    assert buffer_bytes(config, 1) == 65_534
    with pytest.raises(InputError, match="must have at most 65535 bytes, not 65536"):
        buffer_bytes(replace(config, result_words=65_533), 1)


def test_the_buffer_holds_an_image_and_an_answer():
    config = ArrayConfig(taps=2, result_words=200, logit_bits=17)
    assert buffer_bytes(config, 400) == 800
    assert buffer_bytes(config, 100) == 200 * 3 + 2
    assert buffer_bytes(replace(config, result_words=16), 100) == 256
