"""UART: bytes through both halves, other clocks, idle times, glitches and breaks."""

from random import Random

import pytest
from amaranth import Module
from rtl import check_refusal, run

from hw.fpga.uart import BITS, LEAST_DIVISOR, UartReceiver, UartTransmitter

BYTES = [0x00, 0xFF, 0x55, 0xAA, 0xA5, 0x01, 0x80, *Random(1).randbytes(20)]


def bits(byte: int) -> list[int]:
    return [0, *(byte >> index & 1 for index in range(8)), 1]


def receive(divisor: int, levels: list[tuple[int, float]]) -> list[tuple[int, int]]:
    """(byte, error) of what comes in when the wire takes each level for so many cycles, fractions included."""
    receiver, found = UartReceiver(divisor), []
    wire, end = [], 0.0
    for level, cycles in levels:
        end += cycles
        wire += [level] * (round(end) - len(wire))

    async def testbench(ctx):
        for level in wire + [1] * 2 * divisor:
            ctx.set(receiver.rx, level)
            _, _, valid, payload = await ctx.tick().sample(receiver.o.valid, receiver.o.payload)
            if valid:
                found.append((payload.byte, payload.error))

    run(receiver, testbench)
    return found


@pytest.mark.parametrize("mismatch", [-0.02, 0, 0.02])
@pytest.mark.parametrize("divisor", [LEAST_DIVISOR, 5, 8, 25, 104])
def test_receiver_takes_bytes_of_another_clock_after_any_idle_time(divisor, mismatch):
    rng, levels = Random(divisor), [(1, 3.0)]
    for byte in BYTES:
        levels += [(bit, divisor * (1 + mismatch)) for bit in bits(byte)]
        levels.append((1, rng.choice([0, 0, rng.random() * 3 * divisor])))
    assert receive(divisor, levels) == [(byte, 0) for byte in BYTES]


def test_receiver_ignores_a_glitch():
    levels = [(1, 10), (0, 3), (1, 20)] + [(bit, 8) for bit in bits(0x5A)]
    assert receive(8, levels) == [(0x5A, 0)]


def test_receiver_marks_a_missing_stop_bit_and_a_broken_line_gives_one_byte():
    wrong = [(bit, 8) for bit in bits(0x3C)[:-1]] + [(0, 8), (1, 8)]
    right = [(bit, 8) for bit in bits(0x81)]
    assert receive(8, wrong + right) == [(0x3C, 1), (0x81, 0)]
    assert receive(8, [(0, 1000), (1, 8), *right]) == [(0x00, 1), (0x81, 0)]


@pytest.mark.parametrize("divisor", [LEAST_DIVISOR, 7])
def test_transmitter_and_receiver_agree(divisor):
    m, found, cycles = Module(), [], 0
    m.submodules.transmitter = transmitter = UartTransmitter(divisor)
    m.submodules.receiver = receiver = UartReceiver(divisor)
    m.d.comb += receiver.rx.eq(transmitter.tx)

    async def testbench(ctx):
        nonlocal cycles
        left = list(BYTES)
        while len(found) < len(BYTES):
            assert cycles < 2 * len(BYTES) * BITS * divisor
            ctx.set(transmitter.i.valid, bool(left))
            ctx.set(transmitter.i.payload, left[0] if left else 0)
            _, _, ready, valid, payload = await ctx.tick().sample(
                transmitter.i.ready, receiver.o.valid, receiver.o.payload
            )
            if left and ready:
                left.pop(0)
            if valid:
                found.append((payload.byte, payload.error))
            cycles += 1

    run(m, testbench)
    assert found == [(byte, 0) for byte in BYTES]
    assert cycles <= len(BYTES) * (BITS * divisor + 1)


@pytest.mark.parametrize("component", [UartReceiver, UartTransmitter])
def test_divisor_is_checked(component):
    check_refusal(ValueError, "divisor must be 4 or more, not 3", lambda: component(3))
    check_refusal(TypeError, "divisor must be an int, not float", lambda: component(8.0))
