"""The driver and the Verilog of a board's top, bit by bit over the UART's pins."""

import pytest
from networks import random_network
from tiers import slow

from hw.compiler import compile_network, size_array
from hw.fpga.boards import BOARDS, Board, find_board
from hw.fpga.frames import Command, Status, encode
from hw.load_image import preamble
from sim.board import MHZ, play
from sw import mnist, network_file
from sw.golden import infer
from sw.shipped import network_path

MLP = network_file.load(network_path("mlp"))
SMALL = random_network(3, [784, 6, 10])
IMAGES = 6
BOARD = find_board("tangnano9k")


@pytest.fixture(scope="module")
def images():
    return mnist.load().test_images[:IMAGES]


def image_steps(images):
    return [("image", image.tobytes()) for image in images]


def check_images(network, images, answers, board: Board = BOARD):
    golden = infer(network, images, all_taps=False)
    assert [answer["logits"] for answer in answers] == golden.logits.tolist()
    assert [answer["label"] for answer in answers] == golden.labels.tolist()
    assert [answer["leds"] for answer in answers] == [1 << board.leds - 1 | label for label in golden.labels.tolist()]


@pytest.mark.parametrize("mismatch", [0.02, *slow([-0.02, 0])])
def test_mnist_through_the_uart_equals_golden(images, mismatch):
    compiled = compile_network(MLP, size_array(MLP, 4, 5))  # 785 pixels in 157 beats
    steps = [("info", b""), *image_steps(images), ("counters", b""), ("reset", b""), ("counters", b"")]
    answers = play(compiled, BOARD, steps, mismatch=mismatch)
    config = compiled.config
    assert answers[0] == {
        "version": 1,
        "taps": 5,
        "logit_bytes": -(-config.logit_bits // 8),
        "reloadable": False,
        "buffer_bytes": 785,
        "image_bytes": 785,
        "array": int.from_bytes(preamble(config)[-4:], "little"),
        "clock_hz": round(MHZ * 1e6),
    }
    check_images(MLP, images, answers[1:-3])
    before, after = answers[-3], answers[-1]
    assert before["images"] == IMAGES
    assert before["mac"] == IMAGES * sum(mapping.steps for mapping in compiled.schedule.mappings)
    assert before["cycles"] == before["busy"] + before["stalled_input"] + before["stalled_output"]
    assert after["images"] == after["mac"] == after["busy"] == 0
    assert 0 < after["cycles"] < before["cycles"]


@pytest.mark.slow
@pytest.mark.parametrize("board", [each for each in BOARDS.values() if each != BOARD], ids=lambda board: board.name)
def test_the_other_boards_classify_too(images, board):
    compiled = compile_network(SMALL, size_array(SMALL, 2, 3))
    answers = play(compiled, board, image_steps(images))
    check_images(SMALL, images, answers, board)


@pytest.mark.slow
def test_another_network_is_loaded_and_images_of_it_classified(images):
    config = size_array(SMALL, 2, 3, also=(MLP,))
    small, mlp = compile_network(SMALL, config), compile_network(MLP, config)
    damaged = bytearray(mlp.load_image())
    damaged[-1] ^= 1
    steps = [
        *image_steps(images[:1]),
        ("load", damaged),
        *image_steps(images[:1]),
        ("load", mlp.load_image()),
        *image_steps(images),
        ("bytes", encode(Command.LOAD, mlp.load_image()[:200])),
        *image_steps(images[:1]),
        ("load", small.load_image()),
        *image_steps(images[:2]),
    ]
    answers = play(small, BOARD, steps, divisor=4)
    check_images(SMALL, images[:1], answers[:1])
    assert answers[1]["status"] == Status.REFUSED
    assert "checksum" in answers[1]["error"]
    check_images(SMALL, images[:1], answers[2:3])
    assert answers[3]["image_bytes"] == 786
    check_images(MLP, images, answers[4:10])
    assert answers[10] == {"payload": ""}
    check_images(MLP, images[:1], answers[11:12])
    check_images(SMALL, images[:2], answers[13:])


def test_wrong_frames_get_an_error_and_the_next_one_works(images):
    compiled = compile_network(MLP, size_array(MLP, 4, 5))
    frame = encode(Command.IMAGE, images[0].tobytes() + b"\0")
    flipped = bytearray(frame)
    flipped[400] ^= 0x10
    wrong = {
        Status.CHECKSUM: bytes(flipped),
        Status.TRUNCATED: frame[:500],
        Status.TOO_LONG: encode(Command.IMAGE, bytes(3000)),
        Status.COMMAND: encode(77, b"?"),
        Status.LENGTH: encode(Command.IMAGE, images[0].tobytes()),
    }
    steps = []
    for data in wrong.values():
        steps += [("bytes", data), *image_steps(images[:1])]
    steps += [("bytes", encode(Command.LOAD, b"x")), ("bytes", encode(Command.INFO, b"x")), ("counters", b"")]
    answers = play(compiled, BOARD, steps)
    assert [answer["status"] for answer in answers[:10:2]] == list(wrong)
    check_images(MLP, images[:1].repeat(5, axis=0), answers[1:10:2])
    assert [answer["status"] for answer in answers[10:12]] == [Status.COMMAND, Status.LENGTH]
    assert answers[12]["images"] == 5


def test_a_silent_board_is_no_answer():
    compiled = compile_network(MLP, size_array(MLP, 4, 5))
    (answer,) = play(compiled, BOARD, [("bytes", b"no frame")])
    assert answer["status"] is None
    assert "does not answer" in answer["error"]
