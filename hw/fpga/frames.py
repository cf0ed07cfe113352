"""Frames between host and board, in plain Python; hardware and driver take their numbers from here.

    start      1 byte    0xA5
    kind       1 byte    of a request its Command, of an answer the same with the highest bit set
    length     2 bytes   of the payload
    payload              of an answer: its Status, then what the command asks for
    checksum   4 bytes   CRC-32 (ISO-HDLC, as zlib computes it) of all bytes before it

Numbers are little-endian. The board answers each frame that begins with the start byte, once, and before it takes
the next one. docs/boards.md tells the payload of each command.
"""

import zlib
from enum import IntEnum

START = 0xA5
ANSWER = 0x80
"""Bit of an answer's kind."""
HEADER_BYTES = 4
"""Start, kind and length."""
CHECKSUM_BYTES = 4
MOST_PAYLOAD = 0xFFFF
VERSION = 1
"""Of this protocol."""


class Command(IntEnum):
    """What a request asks for."""

    INFO = 1
    RESET = 2  # forget images, counts and what of a load image has come
    IMAGE = 3  # classify
    COUNTERS = 4
    LOAD = 5  # a piece of a load image
    LOAD_LAST = 6  # its last piece


class Status(IntEnum):
    """First byte of an answer's payload."""

    OK = 0
    CHECKSUM = 1
    TRUNCATED = 2
    TOO_LONG = 3
    COMMAND = 4
    LENGTH = 5
    REFUSED = 6


MEANING = {
    Status.CHECKSUM: "the frame was damaged: its checksum is wrong",
    Status.TRUNCATED: "the frame was truncated: the line fell silent in the middle of it",
    Status.TOO_LONG: "the payload is longer than the board's buffer",
    Status.COMMAND: "the board does not know this command",
    Status.LENGTH: "the payload's length is wrong for this command",
    Status.REFUSED: "the load image was refused",
}
"""Of each error."""

INFO_FIELDS = {
    "version": 1,
    "taps": 1,
    "logit_bytes": 1,
    "reloadable": 1,
    "buffer_bytes": 2,
    "image_bytes": 2,
    "array": 4,
    "clock_hz": 4,
}
"""Payload of the answer to INFO behind its status: bytes of each number."""
STATUS_BYTES = 1
"""Of an answer's payload; what the command asks for follows."""
LABEL_BYTES = 2
"""Of the label, which follows the logits."""
COUNTER_BYTES = 4


def encode(kind: int, payload: bytes = b"") -> bytes:
    """The frame. Raises ValueError where its length does not fit in two bytes."""
    if len(payload) > MOST_PAYLOAD:
        raise ValueError(f"a frame's payload must have at most {MOST_PAYLOAD} bytes, not {len(payload)}")
    frame = bytes([START, kind]) + len(payload).to_bytes(2, "little") + payload
    return frame + zlib.crc32(frame).to_bytes(CHECKSUM_BYTES, "little")


def length(header: bytes) -> int:
    """Bytes of the payload of the frame that begins so."""
    return int.from_bytes(header[2:4], "little")


def is_whole(frame: bytes) -> bool:
    """Whether the checksum at its end is right."""
    return zlib.crc32(frame[:-CHECKSUM_BYTES]) == int.from_bytes(frame[-CHECKSUM_BYTES:], "little")
