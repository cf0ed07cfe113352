"""Driver: the host's side of the frames, over any stream of bytes."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hw.accelerator import Counters
from hw.fpga.frames import (
    ANSWER,
    CHECKSUM_BYTES,
    COUNTER_BYTES,
    HEADER_BYTES,
    INFO_FIELDS,
    LABEL_BYTES,
    MEANING,
    START,
    VERSION,
    Command,
    Status,
    encode,
    is_whole,
    length,
)
from hw.reloader import LoadError
from sw.errors import InputError

LOAD_ERRORS = {
    LoadError.MAGIC: "it is none",
    LoadError.VERSION: "it is of another version",
    LoadError.ARRAY: "it was made for another array",
    LoadError.LENGTH: "its length is wrong",
    LoadError.CHECKSUM: "its checksum is wrong",
}
"""Why a load image is refused."""


MOST_LOGIT_BYTES = 8
"""More than any array has."""
MOST_NOISE = 4096
"""Bytes before an answer that are dropped."""


class Port(Protocol):
    """A stream of bytes in both directions, such as pyserial's Serial."""

    def write(self, data: bytes) -> object:
        """Send all of the bytes."""

    def read(self, count: int) -> bytes:
        """Receive so many bytes, or fewer if no more come in time."""


class LinkError(Exception):
    """The board did not answer, or answered with an error: one line.

    Attributes
    ----------
    status: of the answer; None where there was none, or one that cannot be read.
    """

    def __init__(self, reason: str, status: Status | None = None):
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Info:
    """What a board says of itself.

    Attributes
    ----------
    version: of the frames. taps: pixels a beat. logit_bytes: of each logit in an answer.
    reloadable: whether it takes load images. buffer_bytes: of a payload at most.
    image_bytes: payload of an image, beats filled up. array: digest of the array's parameters, as in a load image.
    clock_hz: of the array's clock.
    """

    version: int
    taps: int
    logit_bytes: int
    reloadable: bool
    buffer_bytes: int
    image_bytes: int
    array: int
    clock_hz: int


@dataclass(frozen=True, eq=False)
class Result:
    """Answer to an image: its label, and its logits as int64 (classes,)."""

    label: int
    logits: np.ndarray


class Driver:
    """Speaks with a board, a request and its answer at a time.

    Parameters
    ----------
    port: see Port. Its reads must wait longer than the board does until a line counts as silent.

    Each method raises LinkError where the board does not answer or answers with an error.
    """

    def __init__(self, port: Port):
        self._port, self._sent = port, b""

    def ask(self, command: int, payload: bytes = b"") -> bytes:
        """Send one request; returns the payload of its answer behind the status."""
        self._sent = encode(command, payload)
        self._port.write(self._sent)
        return self.answer(command)

    def answer(self, command: int) -> bytes:
        """Receive the answer to a command that was sent; returns its payload behind the status."""
        header = self._read_header()
        if not header[1] & ANSWER and header == self._sent[:HEADER_BYTES]:
            raise LinkError("what comes back is what was sent: an echo or a loop; is the port that of the board?")
        rest = self._port.read(length(header) + CHECKSUM_BYTES)
        if len(rest) < length(header) + CHECKSUM_BYTES:
            raise LinkError(f"the board's answer ends after {len(rest)} of {length(header) + CHECKSUM_BYTES} bytes")
        if not is_whole(header + rest) or not length(header):
            raise LinkError("the board's answer is damaged: its checksum is wrong; is the baud rate right?")
        status, payload = rest[0], rest[1:-CHECKSUM_BYTES]
        if status != Status.OK:
            raise self._error(status, payload)
        if header[1] != command | ANSWER:
            raise LinkError(f"the board answered to command {header[1] & ~ANSWER}, not to {command}")
        return payload

    def info(self) -> Info:
        """What is on the board."""
        payload, values, at = self.ask(Command.INFO), {}, 0
        for name, size in INFO_FIELDS.items():
            values[name] = int.from_bytes(payload[at : at + size], "little")
            at += size
        if values["version"] != VERSION:
            raise LinkError(f"the board speaks version {values['version']} of the protocol, this driver {VERSION}")
        if at != len(payload) or not values["buffer_bytes"] or not values["clock_hz"]:
            raise LinkError("what the board says of itself makes no sense")
        if not 1 <= values["taps"] <= values["image_bytes"] or not 1 <= values["logit_bytes"] <= MOST_LOGIT_BYTES:
            raise LinkError("what the board says of itself makes no sense")
        return Info(**values | {"reloadable": bool(values["reloadable"])})

    def reset(self) -> None:
        """Forget images, counts and a load image that is not yet whole; the network stays."""
        self.ask(Command.RESET)

    def classify(self, pixels: np.ndarray, info: Info) -> Result:
        """Classify one image of uint8 pixels. Raises InputError where it is not of the right size."""
        data = np.ascontiguousarray(pixels, dtype=np.uint8).tobytes()
        if not info.image_bytes - info.taps < len(data) <= info.image_bytes:
            raise InputError(
                f"image must have {info.image_bytes - info.taps + 1}..{info.image_bytes} pixels for the network on the "
                f"board, not {len(data)}"
            )
        answer = self.ask(Command.IMAGE, data.ljust(info.image_bytes, b"\0"))
        logits, label = answer[:-LABEL_BYTES], int.from_bytes(answer[-LABEL_BYTES:], "little")
        if not logits or len(logits) % info.logit_bytes or label >= len(logits) // info.logit_bytes:
            raise LinkError(
                f"the board's answer to an image has {len(answer)} bytes and label {label}; must have "
                f"{info.logit_bytes} for each class and {LABEL_BYTES} for the label"
            )
        words = [logits[at : at + info.logit_bytes] for at in range(0, len(logits), info.logit_bytes)]
        values = [int.from_bytes(word, "little", signed=True) for word in words]
        return Result(label, np.array(values, dtype=np.int64))

    def counters(self) -> dict[str, int]:
        """The accelerator's counters, see hw.accelerator.Counters."""
        answer = self.ask(Command.COUNTERS)
        if len(answer) != COUNTER_BYTES * len(Counters.NAMES):
            raise LinkError(
                f"the board's counters have {len(answer)} bytes; must be {len(Counters.NAMES)} of {COUNTER_BYTES} each"
            )
        words = [answer[at : at + COUNTER_BYTES] for at in range(0, len(answer), COUNTER_BYTES)]
        return dict(zip(Counters.NAMES, (int.from_bytes(word, "little") for word in words), strict=True))

    def load(self, image: bytes, info: Info) -> Info:
        """Change the network; returns what the board then says of itself. Counters begin at 0.

        image: what `amarray load` wrote. Raises InputError where the board takes none.
        """
        if not info.reloadable:
            raise InputError("the array on this board takes no load image; generate its build with --reloadable")
        self.reset()
        pieces = [image[at : at + info.buffer_bytes] for at in range(0, len(image), info.buffer_bytes)] or [b"\0"]
        for piece in pieces[:-1]:
            self.ask(Command.LOAD, piece)
        self.ask(Command.LOAD_LAST, pieces[-1])
        return self.info()

    def _read_header(self) -> bytes:
        """The next start byte and the rest of its header; what precedes it is no answer."""
        for _ in range(MOST_NOISE):
            first = self._port.read(1)
            if not first:
                raise LinkError("the board does not answer; is it configured, and are port and baud rate right?")
            if first[0] == START:
                header = first + self._port.read(HEADER_BYTES - 1)
                if len(header) < HEADER_BYTES:
                    raise LinkError(f"the board's answer ends after {len(header)} bytes")
                return header
        raise LinkError("what comes from the port is no answer; is it the board's, and is the baud rate right?")

    def _error(self, status: int, payload: bytes) -> LinkError:
        try:
            reason = MEANING[Status(status)]
            if status == Status.REFUSED:
                reason = f"{reason}: {LOAD_ERRORS[LoadError(payload[0])]}"
        except (ValueError, LookupError):
            return LinkError(f"the board's answer has status {status}, which this driver does not know")
        return LinkError(reason, Status(status))
