import numpy as np
import pytest
from rtl import run

from hw.classifier import Classifier
from hw.config import ArrayConfig

WAIT = ()


def words_of(config: ArrayConfig, logits: list[int]) -> list[tuple]:
    """(totals, mask, final) of one image, tile by tile, as the drain hands them on."""
    words = []
    for tile in range(0, len(logits), config.lanes):
        part = logits[tile : tile + config.lanes]
        for start in range(0, len(part), config.drain_channels):
            totals = part[start : start + config.drain_channels]
            garbage = [(1 << 20) + i for i in range(config.drain_channels - len(totals))]  # greater than all logits
            words.append((totals + garbage, (1 << len(totals)) - 1, False))
    words[-1] = (*words[-1][:2], True)
    return words


def simulate(config: ArrayConfig, images: list[list[int]], ready) -> list[tuple]:
    """The beats (cycle, logit, label, last) taken when the receiver is ready in the cycles for which `ready(cycle)`."""
    classifier = Classifier(config)
    words = [word for logits in images for word in words_of(config, logits)]
    distance = config.drain_channels
    count = sum(map(len, images))
    beats = []

    async def testbench(ctx):
        cycle = 0
        while len(beats) < count and cycle < 1000 + 20 * count * distance:
            index, pause = divmod(cycle, distance)
            valid = pause == 0 and index < len(words)
            ctx.set(classifier.i.valid, valid)
            if valid:
                totals, mask, final = words[index]
                ctx.set(classifier.i.payload, {"totals": totals, "mask": mask, "final": final})
            ctx.set(classifier.o.ready, ready(cycle))
            _, _, out, beat = await ctx.tick().sample(classifier.o.valid, classifier.o.payload)
            if out and ready(cycle):
                beats.append((cycle, beat.logit, beat.label, beat.last))
            cycle += 1
        for _ in range(20):
            ctx.set(classifier.o.ready, 1)
            _, _, out = await ctx.tick().sample(classifier.o.valid)
            assert not out

    run(classifier, testbench)
    return beats


def reference(images: list[list[int]]) -> list[tuple]:
    """Each logit with the index of the greatest so far, the lowest index on a tie."""
    return [
        (logit, logits.index(max(logits[: index + 1])), int(index == len(logits) - 1))
        for logits in images
        for index, logit in enumerate(logits)
    ]


def check(config, images, ready=lambda cycle: True):
    beats = simulate(config, images, ready)
    assert [beat[1:] for beat in beats] == reference(images)


TIES = [
    [7, 7, 7],
    [0, 0, 0],
    [-5, -5, -9],
    [1, 3, 3],
    [-1, -1, 0],
    [3, 1, 3],
    [-(1 << 19), -(1 << 19), -(1 << 19)],
    [-7, -3, -3],
]


@pytest.mark.parametrize("taps", [1, 2, 3, 5])
def test_on_a_tie_the_lowest_index_wins(taps):
    check(ArrayConfig(lanes=3, taps=taps, result_words=64), TIES)


@pytest.mark.parametrize("classes", [1, 2, 9, 10, 11, 23])
@pytest.mark.parametrize(
    ("lanes", "taps", "parts"), [(1, 1, 1), (10, 4, 1), (4, 10, 1), (5, 2, 1), (16, 8, 1), (10, 4, 2), (4, 10, 10)]
)
def test_random_logits_in_several_words_and_tiles(lanes, taps, parts, classes):
    rng = np.random.default_rng(classes)
    span = rng.choice([2, 1 << 19])
    images = rng.integers(-span, span, (4, classes)).tolist()
    check(ArrayConfig(lanes=lanes, taps=taps, drain_parts=parts, result_words=4 * classes + 2), images)


@pytest.mark.parametrize("bits", [2, 9, 30])
def test_logits_have_a_width_of_their_own(bits):
    high = (1 << bits - 1) - 1
    images = [[-high - 1, high, 0], [high, -1, -high - 1]]
    check(ArrayConfig(lanes=3, taps=1, accumulator_bits=24, logit_bits=bits), images)


def test_all_logits_negative():
    check(ArrayConfig(lanes=4, taps=2), [[-4, -3, -2, -1], [-1, -2, -3, -4], [-9, -1, -9, -1]])


@pytest.mark.parametrize("seed", range(3))
def test_back_pressure_loses_nothing(seed):
    rng = np.random.default_rng(seed)
    stalls = rng.random(4000) < rng.choice([0.2, 0.8])
    images = rng.integers(-100, 100, (6, 7)).tolist()
    check(ArrayConfig(lanes=7, taps=3, result_words=42), images, lambda cycle: bool(stalls[cycle]))


@pytest.mark.parametrize("taps", [1, 4])
@pytest.mark.parametrize("result_words", [2, 3, 5, 16, 33])
def test_queue_holds_result_words_logits(result_words, taps):
    images = [list(range(result_words - 1)), [-1]]
    config = ArrayConfig(lanes=4, taps=taps, result_words=result_words)
    check(config, images, lambda cycle: cycle > 8 * result_words + 20)


@pytest.mark.parametrize("taps", [1, 4])
def test_latency(taps):
    beats = simulate(ArrayConfig(lanes=4, taps=taps), [[5, 6, 7, 8]], lambda cycle: True)
    assert [beat[0] for beat in beats] == [Classifier.latency + index for index in range(4)]
