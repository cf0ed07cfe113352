import pytest
from amaranth import Module
from rtl import run

from hw.fpga.frame_sender import FrameSender
from hw.fpga.frames import ANSWER, Status, encode
from hw.fpga.payload_buffer import PayloadBuffer
from hw.stream import connect
from sim.protocol import BACK_PRESSURE, stall_pattern


def send(answers, pattern: str) -> bytes:
    """The bytes of (command, status, payload), each put into the buffer and sent."""
    m, found = Module(), []
    m.submodules.buffer = buffer = PayloadBuffer(16)
    m.submodules.sender = sender = FrameSender()
    connect(m, buffer.o, sender.i_payload)
    stall = stall_pattern(pattern, BACK_PRESSURE, "sender")

    async def testbench(ctx):
        for command, status, payload in answers:
            for address, byte in enumerate(payload):
                ctx.set(buffer.write.payload, {"address": address, "byte": byte})
                ctx.set(buffer.write.valid, 1)
                await ctx.tick()
            ctx.set(buffer.write.valid, 0)
            ctx.set(buffer.length, len(payload))
            ctx.set(buffer.start, 1)
            await ctx.tick()
            ctx.set(buffer.start, 0)
            ctx.set(sender.i.payload, {"command": command, "length": len(payload), "status": status})
            ctx.set(sender.i.valid, 1)
            waiting, taken = False, False
            for _ in range(1000):
                ready = not stall(waiting)
                ctx.set(sender.o.ready, ready)
                _, _, waiting, byte, taken = await ctx.tick().sample(sender.o.valid, sender.o.payload, sender.i.ready)
                if waiting and ready:
                    found.append(byte)
                if taken:
                    break
            assert taken
            ctx.set(sender.i.valid, 0)

    run(m, testbench)
    return bytes(found)


@pytest.mark.parametrize("pattern", BACK_PRESSURE)
def test_answers_are_the_frames_that_the_host_expects(pattern):
    answers = [
        (3, Status.OK, b"logits"),
        (9, Status.COMMAND, b""),
        (1, Status.OK, bytes(range(16))),
        (2, Status.OK, b"x"),
    ]
    expected = b"".join(encode(command | ANSWER, bytes([status]) + payload) for command, status, payload in answers)
    assert send(answers, pattern) == expected
