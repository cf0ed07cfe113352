"""Frame receiver: whole frames, and every way in which one can be wrong; the frame after it is taken."""

from random import Random

import pytest
from rtl import run

from hw.fpga.frame_receiver import FrameReceiver
from hw.fpga.frames import START, Status, encode

DEPTH, SILENCE = 20, 40
WHOLE = encode(3, b"whole")
PAUSE = None
"""In a list of bytes: the line is silent."""


def receive(items: list[int | None], *, errors=(), hold: int = 0, seed: int = 0) -> list[tuple]:
    """(command, status, payload) of each frame offered.

    items: bytes and pauses. errors: positions whose stop bit is wrong. hold: cycles for which a frame is not taken.
    """
    receiver, rng, found, memory = FrameReceiver(DEPTH, SILENCE), Random(seed), [], {}
    gaps = [(SILENCE + 2, None) if item is PAUSE else (rng.randrange(SILENCE // 2), item) for item in items]
    cycles = [pair for gap, item in gaps for pair in [None] * gap + [item]] + [None] * (2 * SILENCE + hold)

    async def testbench(ctx):
        held, position = 0, 0
        for byte in cycles:
            ctx.set(receiver.i.valid, byte is not None)
            ctx.set(receiver.i.payload, {"byte": byte or 0, "error": byte is not None and position in errors})
            position += byte is not None
            ctx.set(receiver.o.ready, held >= hold)
            _, _, write, beat, valid, frame = await ctx.tick().sample(
                receiver.write.valid, receiver.write.payload, receiver.o.valid, receiver.o.payload
            )
            if write:
                assert not valid
                memory[beat.address] = beat.byte
            if valid and held >= hold:
                payload = bytes(memory[at] for at in range(frame.length)) if frame.status == Status.OK else None
                found.append((frame.command, frame.status, payload))
            held = held + 1 if valid and held < hold else 0

    run(receiver, testbench)
    return found


@pytest.mark.parametrize("length", [0, 1, 2, DEPTH])
def test_whole_frames_follow_each_other(length):
    payload = Random(length).randbytes(length)
    frames = encode(7, payload) + encode(8, payload[::-1])
    assert receive(list(frames)) == [(7, Status.OK, payload), (8, Status.OK, payload[::-1])]


def test_noise_before_a_frame_is_dropped():
    assert receive([0x00, 0x7F, 0xFF, *WHOLE]) == [(3, Status.OK, b"whole")]


def statuses_before_whole(found) -> list[list[int]]:
    """The statuses between the frames that are WHOLE."""
    groups = [[]]
    for frame in found:
        if frame == (3, Status.OK, b"whole"):
            groups.append([])
        else:
            groups[-1].append(frame[1])
    assert groups.pop() == []
    return groups


def test_each_flipped_bit_is_found_and_the_next_frame_taken():
    items = []
    for bit in range(8 * len(WHOLE)):
        damaged = bytearray(WHOLE)
        damaged[bit // 8] ^= 1 << bit % 8
        items += [*damaged, PAUSE, *WHOLE, PAUSE]
    groups = statuses_before_whole(receive(items))
    assert len(groups) == 8 * len(WHOLE)
    assert groups[:8] == 8 * [[]]  # no start byte, so no frame
    assert {status for group in groups[8:] for status in group} == {Status.CHECKSUM, Status.TRUNCATED, Status.TOO_LONG}
    assert all(len(group) == 1 for group in groups[8:])


def test_a_truncated_frame_ends_when_the_line_is_silent():
    items = [item for length in range(1, len(WHOLE)) for item in [*WHOLE[:length], PAUSE, *WHOLE, PAUSE]]
    assert statuses_before_whole(receive(items)) == (len(WHOLE) - 1) * [[Status.TRUNCATED]]


def test_a_frame_that_is_too_long_is_skipped_whole():
    inside = WHOLE * 5  # frames in its payload are none
    assert receive([*encode(9, inside), PAUSE, *WHOLE]) == [(9, Status.TOO_LONG, None), (3, Status.OK, b"whole")]
    assert receive([*encode(9, bytes(DEPTH + 1)), PAUSE, *WHOLE])[0] == (9, Status.TOO_LONG, None)


def test_a_wrong_stop_bit_spoils_the_frame():
    found = receive([*WHOLE, PAUSE, *WHOLE], errors={5})
    assert found == [(3, Status.CHECKSUM, None), (3, Status.OK, b"whole")]


def test_what_comes_while_a_frame_waits_is_dropped():
    found = receive([*WHOLE, *encode(4, b"lost"), PAUSE, PAUSE, PAUSE, *WHOLE], hold=200)
    assert found == [(3, Status.OK, b"whole"), (3, Status.OK, b"whole")]


def test_start_byte_may_occur_in_a_payload():
    payload = bytes([START] * 6)
    assert receive(list(encode(START, payload))) == [(START, Status.OK, payload)]
