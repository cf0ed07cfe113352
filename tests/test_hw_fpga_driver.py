"""The driver against answers written by hand."""

import numpy as np
import pytest

from hw.fpga.driver import Driver, Info, LinkError
from hw.fpga.frames import ANSWER, INFO_FIELDS, VERSION, Command, Status, encode
from hw.reloader import LoadError
from sw.errors import InputError

INFO = Info(VERSION, 3, 2, True, 300, 12, 7, 1_000_000)


class FakePort:
    """Answers with the given bytes, and keeps what was written."""

    def __init__(self, *answers: bytes):
        self.written, self._answers, self._left = [], list(answers), b""

    def write(self, data):
        self.written.append(data)
        self._left += self._answers.pop(0)

    def read(self, count):
        data, self._left = self._left[:count], self._left[count:]
        return data


def answer(command, payload=b"", status=Status.OK):
    return encode(command | ANSWER, bytes([status]) + payload)


def test_classify_fills_the_last_beat_and_reads_signed_logits():
    port = FakePort(answer(Command.IMAGE, (-2).to_bytes(2, "little", signed=True) + b"\x05\x01" + b"\x01\x00"))
    result = Driver(port).classify(np.arange(11, dtype=np.uint8), INFO)
    assert (result.label, result.logits.tolist()) == (1, [-2, 0x105])
    assert port.written == [encode(Command.IMAGE, bytes([*range(11), 0]))]


@pytest.mark.parametrize("size", [9, 13])
def test_classify_refuses_an_image_of_another_size(size):
    with pytest.raises(InputError, match=rf"image must have 10..12 pixels .* not {size}"):
        Driver(FakePort()).classify(np.zeros(size, dtype=np.uint8), INFO)


def test_info_and_counters():
    payload = bytes([VERSION, 3, 2, 1]) + b"\x2c\x01" + b"\x0c\x00" + (7).to_bytes(4, "little") + b"\x40\x42\x0f\x00"
    counts = b"".join(value.to_bytes(4, "little") for value in range(6))
    driver = Driver(FakePort(answer(Command.INFO, payload), answer(Command.COUNTERS, counts)))
    assert driver.info() == INFO
    assert driver.counters() == {
        name: value for value, name in enumerate(("cycles", "busy", "mac", "images", "stalled_input", "stalled_output"))
    }
    with pytest.raises(LinkError, match="version 9 of the protocol"):
        Driver(FakePort(answer(Command.INFO, b"\x09" + payload[1:]))).info()


def test_load_is_cut_into_pieces_after_a_reset():
    image = bytes(range(250)) * 3
    payload = bytes([VERSION, 3, 2, 1]) + b"\x2c\x01" + b"\x0c\x00" + (7).to_bytes(4, "little") + b"\x40\x42\x0f\x00"
    commands = [Command.RESET, Command.LOAD, Command.LOAD, Command.LOAD_LAST]
    port = FakePort(*map(answer, commands), answer(Command.INFO, payload))
    assert Driver(port).load(image, INFO) == INFO
    assert port.written[1:4] == [
        encode(command, image[at : at + 300]) for command, at in zip(commands[1:], (0, 300, 600), strict=True)
    ]


def test_load_is_refused():
    refused = answer(Command.LOAD_LAST, bytes([LoadError.ARRAY.value]), Status.REFUSED)
    with pytest.raises(LinkError, match="refused: it was made for another array") as error:
        Driver(FakePort(answer(Command.RESET), refused)).load(b"x", INFO)
    assert error.value.status == Status.REFUSED
    with pytest.raises(InputError, match="takes no load image"):
        Driver(FakePort()).load(b"x", Info(VERSION, 3, 2, False, 300, 12, 7, 1_000_000))


DAMAGED = bytearray(answer(Command.RESET))
DAMAGED[4] ^= 1


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "does not answer"),
        (b"\x00noise", "does not answer"),
        (bytes(5000), "is no answer; is it the board's"),
        (answer(Command.RESET)[:3], "ends after 3 bytes"),
        (answer(Command.RESET)[:-1], "ends after 4 of 5 bytes"),
        (bytes(DAMAGED), "damaged: its checksum is wrong"),
        (answer(Command.IMAGE), "answered to command 3, not to 2"),
        (answer(Command.RESET, status=Status.TRUNCATED), "truncated"),
        (answer(Command.RESET, status=77), "status 77, which this driver does not know"),
    ],
)
def test_whatever_else_comes_is_an_error(data, message):
    with pytest.raises(LinkError, match=message):
        Driver(FakePort(data)).reset()


def test_noise_before_an_answer_is_dropped():
    Driver(FakePort(b"\x00\xff" + answer(Command.RESET))).reset()


def test_a_frame_has_at_most_65535_bytes():
    assert len(encode(1, bytes(65535))) == 65543
    with pytest.raises(ValueError, match="at most 65535 bytes, not 65536"):
        encode(1, bytes(65536))


@pytest.mark.parametrize("command", list(Command))
def test_an_echo_is_called_one(command):
    class Loop(FakePort):
        def write(self, data):
            self._left += data

    with pytest.raises(LinkError, match=r"^what comes back is what was sent: an echo or a loop"):
        Driver(Loop()).ask(command, b"payload")


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5])
def test_an_answer_to_an_image_has_whole_logits_and_a_label(size):
    with pytest.raises(LinkError, match=f"answer to an image has {size} bytes"):
        Driver(FakePort(answer(Command.IMAGE, bytes(size)))).classify(np.zeros(12, np.uint8), INFO)


def test_a_label_is_that_of_a_logit():
    with pytest.raises(LinkError, match="has 6 bytes and label 2; must have 2 for each class and 2 for the label"):
        Driver(FakePort(answer(Command.IMAGE, bytes(4) + b"\2\0"))).classify(np.zeros(12, np.uint8), INFO)


@pytest.mark.parametrize("size", [0, 20, 25, 28])
def test_counters_are_all_there(size):
    with pytest.raises(LinkError, match=f"counters have {size} bytes; must be 6 of 4 each"):
        Driver(FakePort(answer(Command.COUNTERS, bytes(size)))).counters()


def info_payload(**changes) -> bytes:
    values = vars(INFO) | changes
    return b"".join(int(values[name]).to_bytes(size, "little") for name, size in INFO_FIELDS.items())


@pytest.mark.parametrize(
    "payload",
    [
        info_payload(taps=0),
        info_payload(taps=13),
        info_payload(logit_bytes=0),
        info_payload(logit_bytes=9),
        info_payload(buffer_bytes=0),
        info_payload(clock_hz=0),
        info_payload()[:-1],
        info_payload() + b"\0",
    ],
)
def test_what_a_board_says_of_itself_must_make_sense(payload):
    with pytest.raises(LinkError, match="what the board says of itself makes no sense"):
        Driver(FakePort(answer(Command.INFO, payload))).info()
