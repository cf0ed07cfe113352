"""`amarray bitstream`, and `amarray run` with a board that is played by the golden model."""

import json
import re
import shutil
import zlib
from dataclasses import replace

import numpy as np
import pytest
from networks import random_network

from amarray import board
from amarray.cli import main
from hw.fpga.devices import RESOURCES
from hw.fpga.frames import ANSWER, INFO_FIELDS, Command, Status, encode
from hw.load_image import MAGIC
from sw import mnist, network_file
from sw.file_kinds import BITSTREAM
from sw.golden import infer
from sw.shipped import network_path

MLP = network_file.load(network_path("mlp"))


class GoldenBoard:
    """A serial port behind which golden answers; `wrong` is added to each first logit."""

    def __init__(self, wrong: int = 0):
        self.wrong, self.closed, self._left, self.loaded, self.images = wrong, False, b"", b"", 0

    def write(self, frame):
        command, payload = frame[1], frame[4:-4]
        match command:
            case Command.INFO:
                values = dict(zip(INFO_FIELDS, (1, 8, 3, 1, 792, 784, 7, 50_000_000), strict=True))
                answer = b"".join(values[name].to_bytes(size, "little") for name, size in INFO_FIELDS.items())
            case Command.COUNTERS:
                counts = (5000, 102 * self.images, 101 * self.images, self.images, 4000, 0)
                answer = b"".join(value.to_bytes(4, "little") for value in counts)
            case Command.IMAGE:
                self.images += 1
                golden = infer(MLP, np.frombuffer(payload, np.uint8).reshape(1, 28, 28, 1), all_taps=False)
                logits = golden.logits[0].tolist()
                logits[0] += self.wrong
                answer = b"".join(logit.to_bytes(3, "little", signed=True) for logit in logits)
                answer += int(golden.labels[0]).to_bytes(2, "little")
            case Command.RESET:
                self.loaded, answer = b"", b""
            case _:
                self.loaded += payload
                answer = b""
        self._left += encode(command | ANSWER, bytes([Status.OK]) + answer)

    def read(self, count):
        data, self._left = self._left[:count], self._left[count:]
        return data

    def close(self):
        self.closed = True


@pytest.fixture
def golden_board(monkeypatch):
    port = GoldenBoard()
    monkeypatch.setattr(board, "open_port", lambda name, baud: port)
    return port


def run_json(capsys, *arguments):
    code = main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def fails(capsys, *arguments):
    code = main([*map(str, arguments)])
    *_, line = capsys.readouterr().err.splitlines()
    return code, line


def test_run_a_test_image_and_compare(golden_board, capsys):
    code, result = run_json(capsys, "run", 17, "--port", "COM3", "--network", "mlp")
    golden = infer(MLP, mnist.load().test_images[17:18], all_taps=False)
    assert (code, result["mismatches"], result["label"]) == (0, 0, golden.labels[0])
    assert result["logits"] == result["golden"] == golden.logits[0].tolist()
    assert (result["busy_cycles"], result["counters"]["images"]) == (102, 1)
    assert golden_board.closed
    assert main(["run", "17", "--port", "COM3", "--network", "mlp"]) == 0
    assert re.search(r"cycles of this image +102, 2.0 us at 50 MHz", capsys.readouterr().out)
    golden_board.wrong = 1
    code, result = run_json(capsys, "run", 17, "--port", "COM3", "--network", "mlp")
    assert (code, result["mismatches"]) == (1, 1)


def test_run_takes_the_data_of_its_network(golden_board, tmp_path, capsys):
    arguments = ("run", 17, "--port", "COM3", "--network", tmp_path / "net.npz")
    network_file.save(MLP, tmp_path / "net.npz")
    _, result = run_json(capsys, *arguments)
    assert (result["data"], result["notes"]) == ("mnist", [])
    network_file.save(replace(MLP, data=None), tmp_path / "net.npz")
    _, result = run_json(capsys, *arguments)
    assert "records nothing of its data: MNIST is taken" in result["notes"][0]
    network_file.save(replace(MLP, data=replace(MLP.data, sha256="0" * 64, path="my digits")), tmp_path / "net.npz")
    golden_board.closed = False
    code, line = fails(capsys, *arguments)
    assert (code, golden_board.closed) == (2, False)
    assert "not with MNIST, and opens no other data by itself; give --data 'my digits', as it says" in line


def test_run_files_and_a_load_image(golden_board, tmp_path, capsys):
    pixels = mnist.load().test_images[3]
    expected = int(infer(MLP, pixels[None], all_taps=False).labels[0])
    np.save(tmp_path / "three.npy", pixels[:, :, 0])
    (tmp_path / "three.pgm").write_bytes(b"P5\n# a comment\n28 28\n255\n" + pixels.tobytes())
    load_image = MAGIC + (1).to_bytes(4, "little") + b"size" + (2000).to_bytes(4, "little") + bytes(2000)
    load_image += zlib.crc32(load_image).to_bytes(4, "little")
    (tmp_path / "other.load").write_bytes(load_image)
    for name in ("three.npy", "three.pgm"):
        arguments = ("run", tmp_path / name, "--port", "COM3", "--load", tmp_path / "other.load")
        code, result = run_json(capsys, *arguments)
        assert (code, result["label"], result["data"]) == (0, expected, None)
        assert golden_board.loaded == load_image


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.png", b"", "image must be the number of a test image, a .npy or a .pgm file"),
        ("a.npy", b"nothing", "it is not a plain array: .npy"),
        ("a.npy", b"", "it is not a plain array: .npy"),
        ("a.npy", b"PK\x03\x04", "it is not a plain array: .npy"),
        ("a.pgm", b"P2\n1 1\n255\n0", "must be a binary .pgm file, which begins with P5"),
        ("a.pgm", b"P5 2", "must be a binary .pgm file"),
        ("a.pgm", b"P5\n" + b"9" * 5000 + b" 1\n255\nabc", "must be a binary .pgm file"),
        ("a.pgm", b"P5\n2 2\n255\nabc", "must have 4 pixels of 0..255, not 3 of 0..255"),
        ("a.pgm", b"P5\n2 2\n255\nabcd", "image must have 777..784 pixels for the network on the board, not 4"),
    ],
)
def test_a_wrong_image_is_refused(golden_board, tmp_path, capsys, name, content, message):
    (tmp_path / name).write_bytes(content)
    code, line = fails(capsys, "run", tmp_path / name, "--port", "COM3")
    assert code == 2
    assert message in line


def test_an_image_of_another_shape_than_the_network_is_refused_before_the_board_is_asked(
    golden_board, tmp_path, capsys
):
    np.save(tmp_path / "wide.npy", np.zeros((14, 56), np.uint8))  # as many pixels as the board expects
    code, line = fails(capsys, "run", tmp_path / "wide.npy", "--port", "COM3", "--network", "mlp")
    assert (code, golden_board.closed) == (2, False)
    assert line == f"amarray: network mlp reads images of 28 x 28 x 1; {tmp_path}/wide.npy is 14 x 56 x 1"


def test_run_refuses_a_number_beyond_the_test_images_and_a_port_that_is_none(tmp_path, capsys):
    assert fails(capsys, "run", 10000, "--port", "COM3") == (2, "amarray: image must be 0..9999, not 10000")
    code, line = fails(capsys, "run", 1, "--port", tmp_path / "no-port")
    assert code == 2
    assert line.startswith(
        f"amarray: port {tmp_path / 'no-port'} cannot be opened: No such file or directory; ports of"
    )
    for baud in (0, 100_000_001):
        message = f"amarray: baud must be that of the bitstream, 1..100000000, not {baud}"
        assert fails(capsys, "run", 1, "--port", "loop://", "--baud", baud) == (2, message)
    missing = tmp_path / "none.npy"
    assert fails(capsys, "run", missing, "--port", "COM3") == (
        2,
        f"amarray: cannot read image {missing}: No such file or directory; name one of uint8 pixels",
    )


class Waiting:
    """A serial port that keeps how long its reads would wait."""

    baudrate, timeout, waits = 1000, None, ()

    def write(self, data):
        self.timeout = None

    def read(self, count):
        self.waits += (self.timeout,)
        return bytes(count)


def test_a_slow_line_is_waited_for():
    port = Waiting()
    line = board.SerialLine(port)
    line.write(bytes(800))
    assert line.read(100) == bytes(100)
    line.write(bytes(10))
    line.read(1)
    at_once = board.SILENCE + board.PATIENCE
    assert port.waits == pytest.approx([at_once + 9, at_once + 0.11])  # 100 bytes a second


def test_a_board_that_does_not_answer_ends_in_one_line(capsys):
    code, line = fails(capsys, "run", 1, "--port", "loop://")  # pyserial's echo: the request comes back
    assert code == 1
    assert line == "amarray: what comes back is what was sent: an echo or a loop; is the port that of the board?"


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bitstream")
    network_file.save(random_network(5, [20, 5, 3], weight_bits=4), folder / "tiny.npz")
    arguments = ["--lanes", "2", "--taps", "1", "-o", str(folder / "build")]
    assert main(["generate", str(folder / "tiny.npz"), *arguments]) == 0
    return folder / "build"


@pytest.mark.slow
def test_bitstream_for_the_icebreaker(build, capsys):
    code, result = run_json(capsys, "bitstream", build, "--board", "icebreaker", "--clock", 18)
    assert code == 0
    assert (result["board"], result["device"], result["clock_mhz"]) == ("icebreaker", "ice40-up5k", 18)
    assert result["reached_mhz"] >= 18
    assert result["notes"] == []
    assert BITSTREAM.matches(build / "icebreaker.bin")
    content = (build / "icebreaker.bin").read_bytes()
    assert bytes.fromhex("7eaa997e") in content[:16]  # how a bitstream for iCE40 begins
    assert result["loader"] == f"iceprog {build / 'icebreaker.bin'}"


@pytest.mark.parametrize(("limit", "reached"), [(None, "23.9"), (20, "20.0")])
def test_a_clock_that_is_not_met_gives_no_bitstream(build, tmp_path, capsys, monkeypatch, limit, reached):
    output, limits = tmp_path / "fast.bin", [{"mhz": limit}] if limit else []
    monkeypatch.setattr(
        board, "synthesize", lambda *_, **__: {"resources": dict.fromkeys(RESOURCES, 0), "limits": limits}
    )
    placed = {"clock_mhz": 23.9, "critical_path": {"from": "nest.count", "to": "drain.sum"}}
    monkeypatch.setattr(board, "place", lambda *_, **__: placed)
    code, line = fails(capsys, "bitstream", build, "--board", "icebreaker", "--clock", 24, "-o", output)
    assert code == 1
    assert f"iCEBreaker reaches {reached} MHz with seed 1, limited from nest.count to drain.sum, less than its" in line
    assert "clock of 24 MHz" in line
    assert not output.exists()


def test_bitstream_refuses_what_no_board_has(build, capsys):
    assert fails(capsys, "bitstream", build, "--board", "arty")[1].startswith("amarray: board must be one of")
    arguments = ("bitstream", build, "--board", "ulx3s", "--device", "gw1n-9c")
    assert "device of ulx3s must be one of" in fails(capsys, *arguments)[1]
    arguments = ("bitstream", build, "--board", "icebreaker", "--baud", 9_000_000)
    assert "baud must be 300.." in fails(capsys, *arguments)[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--clock", "0"], "clock must be a number of MHz above 0, not 0"),
        (["--clock", "nan"], "clock must be a number of MHz above 0, not nan"),
        (["--clock", "inf"], "clock must be a number of MHz above 0, not inf"),
        (["--seed", "-1"], "seed must be 0..2147483647, not -1"),
        (["--seed", "2147483648"], "seed must be 0..2147483647, not 2147483648"),
        (["-o", "FOLDER"], "it is a folder; name a file"),
        (["-o", "FOLDER/build.json/board.bin"], "choose a place you can write to"),
    ],
)
def test_bitstream_refuses_before_synthesis(build, capsys, monkeypatch, arguments, says):
    monkeypatch.setattr(board, "synthesize", None)
    arguments = [argument.replace("FOLDER", str(build)) for argument in arguments]
    before = sorted(build.iterdir())
    code, line = fails(capsys, "bitstream", build, "--board", "icebreaker", *arguments)
    assert (code, sorted(build.iterdir())) == (2, before)
    assert says in line


def test_bitstream_refuses_a_build_whose_verilog_was_changed(build, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(board, "synthesize", None)
    changed = shutil.copytree(build, tmp_path / "changed")
    with (changed / "accelerator.v").open("a") as file:
        file.write("// changed\n")
    code, line = fails(capsys, "bitstream", changed, "--board", "icebreaker")
    assert code == 2
    assert "accelerator.v is not what the network and the array compile to; generate the build again" in line


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "clock", "suffix"), [("ulx3s", 50, "bit"), ("tangnano9k", 27, "fs"), ("tangnano9k", 40.5, "fs")]
)
def test_bitstream_for_the_other_boards(build, capsys, name, clock, suffix):
    code, result = run_json(capsys, "bitstream", build, "--board", name, "--clock", clock)
    assert (code, result["clock_mhz"]) == (0, clock)
    assert ["upper bound" in note for note in result["notes"]] == [True] * (name == "tangnano9k")
    assert (build / f"{name}.{suffix}").stat().st_size > 10000
    assert BITSTREAM.matches(build / f"{name}.{suffix}")
