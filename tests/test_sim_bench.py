import re

import numpy as np
import pytest
from sim_designs import FIELDS, NETWORK, TAPS, images

from sim.bench import Bench, Scoreboard, SimulationError, Sink, Source
from sim.job import Job
from sim.protocol import BACK_PRESSURE, IDLE

BEATS, CLASSES = 7, 3
"""Of an image of NETWORK with 3 taps, and of its result."""


def word(logit, label=0, last=0):
    return logit & (1 << 13) - 1 | label << 13 | last << 15


class Model:
    """An ideal accelerator in Python: logit c of an image is its number + c. A fault changes what it offers."""

    def __init__(self, fault=lambda image, answer: answer):
        self._fault = fault
        self.beats = 0
        self.offers = []

    def run(self, bench):
        while not bench.done:
            offers = self.offers
            valid, payload = bool(offers), offers[0] if offers else 0
            takes_pixels, takes_result = bench.source.valid, bench.sink.ready and valid
            bench.clock(True, valid, payload)
            if takes_result:
                offers.pop(0)
            if takes_pixels:
                self.beats += 1
                if self.beats % BEATS == 0:
                    image = self.beats // BEATS - 1
                    answer = [word(image + c, CLASSES - 1, c == CLASSES - 1) for c in range(CLASSES)]
                    self.offers += self._fault(image, answer)
        return bench.results()


def bench(count=10, **options):
    return Bench(Job.of(NETWORK, images(count), TAPS, FIELDS, [], lambda count: 12 * count + 20, **options))


@pytest.mark.parametrize("idle", IDLE)
@pytest.mark.parametrize("back_pressure", BACK_PRESSURE)
def test_results_do_not_depend_on_stalls(idle, back_pressure):
    results = Model().run(bench(idle=idle, back_pressure=back_pressure))
    assert (results["logits"] == np.arange(10)[:, None] + np.arange(CLASSES)).all()
    assert (results["labels"] == CLASSES - 1).all()
    assert (np.diff(results["result_cycles"]) > 0).all()


def test_cycles_count_from_the_first_one_without_reset():
    assert Model().run(bench(1))["result_cycles"].tolist() == [BEATS + CLASSES - 1]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            lambda image, answer: [],
            r"cycle 32: 0 of 10 images are answered \(4 taken\); .* image 0 was due by cycle 32",
        ),
        (
            lambda image, answer: answer if image < 3 else [],
            "3 of 10 images are answered .* image 3 was due by cycle 68",
        ),
        (lambda image, answer: answer[1:], "last=1; beat 3, and only it, must have last=1"),
        (lambda image, answer: answer[:2], "has last=0; beat 3, and only it"),
        (lambda image, answer: answer * (1 + (image == 4)), "the result of image 5 left before all of its pixels"),
        (lambda image, answer: answer * (1 + (image == 9)), "follows the results of all 10 images"),
    ],
)
def test_missing_and_extra_results_are_found(fault, message):
    with pytest.raises(SimulationError, match=message):
        Model(fault).run(bench())


def test_watchdog_does_not_count_stalls():
    message = r"cycle (\d+): 0 of 10 .* due by cycle 32, not counting (\d+) stalled ones"
    with pytest.raises(SimulationError, match=message) as error:
        Model(lambda image, answer: []).run(bench(idle="random"))
    cycle, stalled = (int(word) for word in re.search(message, str(error.value)).groups())
    assert cycle + 1 - stalled == 33
    assert stalled > 0


def test_unfinished_scoreboard_is_refused():
    board = Scoreboard(2, CLASSES, FIELDS)
    with pytest.raises(SimulationError, match="0 of 2 images were taken, 0 answered"):
        board.finish()
    board.sent = 2
    for c in range(CLASSES):
        board.result(c, word(c, last=c == CLASSES - 1))
    with pytest.raises(SimulationError, match="2 of 2 images were taken, 1 answered"):
        board.finish()


def test_source_holds_valid_and_payload_until_taken():
    source = Source(range(5), 8, lambda waiting: False)
    assert (source.valid, source.payload) == (True, 0)
    assert not source.clock(False)
    assert (source.valid, source.payload) == (True, 0)
    assert source.clock(True)
    assert (source.valid, source.payload) == (True, 1)


def test_idle_source_offers_a_wrong_payload():
    source = Source([5], 8, lambda waiting: True)
    assert (source.valid, source.payload, source.idles) == (False, 5 ^ 255, True)


def test_sink_finds_a_withdrawn_beat():
    sink = Sink("o", lambda valid: True)
    sink.clock(True, 3)
    with pytest.raises(SimulationError, match=r"o\.valid fell before ready"):
        sink.clock(False, 3)


def test_sink_finds_a_changed_payload():
    sink = Sink("o", lambda valid: True)
    sink.clock(True, 3)
    with pytest.raises(SimulationError, match=r"o\.payload changed from 0x3 to 0x4 before ready"):
        sink.clock(True, 4)


def test_progress_is_reported_about_a_hundred_times():
    seen = []
    job = Job.of(NETWORK, images(500), TAPS, FIELDS, [], lambda count: 12 * count + 20)
    Model().run(Bench(job, seen.append))
    assert len(seen) == 100
    assert seen[-1] == 500
