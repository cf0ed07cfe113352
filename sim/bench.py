"""The testbench as a state machine without a simulator: what to drive next, given what was sampled.

Source drives the pixels, Sink takes the results and checks the protocol, Scoreboard keeps the account of
the images, and Bench runs them together, a call of `clock` per rising edge. Whoever simulates, cocotb or
Amaranth, samples the outputs just before the edge, calls `clock`, and drives what Bench then holds. So
every simulation has the same stalls, the same checks and the same watchdog.
"""

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from sim.job import Job
from sim.protocol import BACK_PRESSURE, IDLE, Stall, load_payloads, payloads, stall_pattern, unpack

RESET_CYCLES = 2
"""For how long a testbench asserts reset."""


class SimulationError(Exception):
    """The accelerator broke its protocol, or the simulator failed: one line that says what and in which cycle."""


class Source:
    """Drives a stream: holds valid and payload until the beat is taken.

    Parameters
    ----------
    payloads: what to send.
    width: bits of the payload.
    stall: when to idle; the payload is then wrong on purpose.

    Attributes
    ----------
    valid, payload: to be driven.
    idles: it has a beat to send, but holds it back.
    taken: number of beats taken.
    """

    def __init__(self, payloads: Iterable[int], width: int, stall: Stall):
        self._payloads = iter(payloads)
        self._mask = (1 << width) - 1
        self._stall = stall
        self._next = next(self._payloads, None)
        self.taken = 0
        self._offer(False)

    def clock(self, ready: bool) -> bool:
        """Pass a rising edge before which `ready` was sampled; was a beat taken?"""
        takes = self.valid and ready
        if takes:
            self.taken += 1
            self._next = next(self._payloads, None)
        if takes or not self.valid:
            self._offer(ready)
        return takes

    def _offer(self, ready: bool) -> None:
        self.idles = self._next is not None and self._stall(ready)
        self.valid = self._next is not None and not self.idles
        self.payload = self._next if self.valid else self._mask ^ (self._next or 0)


class Sink:
    """Takes a stream, and checks that valid is held and the payload stable until a beat is taken.

    Parameters
    ----------
    name: of the stream, for messages.
    stall: when not to be ready.

    Attributes
    ----------
    ready: to be driven.
    """

    def __init__(self, name: str, stall: Stall):
        self._name = name
        self._stall = stall
        self._waiting = None
        self.ready = not stall(False)

    def clock(self, valid: bool, payload: int) -> bool:
        """Pass a rising edge before which these were sampled; was a beat taken?"""
        if self._waiting is not None:
            if not valid:
                raise SimulationError(f"{self._name}.valid fell before ready; it must stay until the beat is taken")
            if payload != self._waiting:
                raise SimulationError(
                    f"{self._name}.payload changed from {self._waiting:#x} to {payload:#x} before ready; "
                    f"it must stay until the beat is taken"
                )
        takes = valid and self.ready
        self._waiting = payload if valid and not takes else None
        self.ready = not self._stall(valid)
        return takes


class Scoreboard:
    """The account of the images: which were sent, which are answered, and with what.

    Parameters
    ----------
    images: how many will be sent.
    classes: beats of a result.
    fields: of the result's payload: logit, label, last; see sim.protocol.unpack.

    Attributes
    ----------
    sent: images taken by the accelerator as a whole.
    loaded_cycle: cycle in which the last pixels of the first image were taken; None before.
    logits, labels, cycles: the answers so far; the cycle is that of the last beat.
    """

    def __init__(self, images: int, classes: int, fields: Mapping[str, Mapping]):
        self._images, self._classes, self._fields = images, classes, fields
        self.sent = 0
        self.loaded_cycle: int | None = None
        self._logits: list[int] = []
        self.logits: list[list[int]] = []
        self.labels: list[int] = []
        self.cycles: list[int] = []

    @property
    def answered(self) -> int:
        """Number of images answered."""
        return len(self.cycles)

    def pixels(self, cycle: int, sent: int) -> None:
        """Enter a beat of pixels, after which so many images are sent."""
        if self.loaded_cycle is None and sent:
            self.loaded_cycle = cycle
        self.sent = sent

    def result(self, cycle: int, payload: int) -> bool:
        """Enter one beat of a result; was it the last one of an image?"""
        if self.answered == self._images:
            raise SimulationError(
                f"a result beat follows the results of all {self._images} images; it must be the last"
            )
        beat = unpack(payload, self._fields)
        self._logits.append(beat["logit"])
        is_last = len(self._logits) == self._classes
        if beat["last"] != is_last:
            raise SimulationError(
                f"beat {len(self._logits)} of the result of image {self.answered} has last={beat['last']}; "
                f"beat {self._classes}, and only it, must have last=1"
            )
        if not is_last:
            return False
        if self.answered == self.sent:
            raise SimulationError(f"the result of image {self.answered} left before all of its pixels were taken")
        self.logits.append(self._logits)
        self.labels.append(beat["label"])
        self.cycles.append(cycle)
        self._logits = []
        return True

    def finish(self) -> None:
        """Require an answer to each image and nothing left over."""
        if not self.sent == self.answered == self._images or self._logits:
            raise SimulationError(
                f"{self.sent} of {self._images} images were taken, {self.answered} answered, and {len(self._logits)} "
                f"beats of a further result seen; each image must be answered once"
            )


class Bench:
    """The testbench: pixels in, results out, every rule checked.

    Parameters
    ----------
    job: what to simulate.
    progress: called with the number of images answered, about a hundred times.

    Attributes
    ----------
    load, source, sink: hold what to drive; the pixels wait until the load image is taken.
    scoreboard: holds the answers.
    cycle: number of the cycle that the next edge ends; 0 is the first one without reset.
    answered: every image is answered; from then on Bench only watches for stray results, for as many cycles
        as the first answer took.
    done: nothing is left to simulate.

    The watchdog counts the cycles in which the testbench held back nothing: neither a pixel beat that it had,
    nor its readiness for a result. By `job.due` of them, and one for each byte of the load image, so many images
    must be answered.
    """

    def __init__(self, job: Job, progress: Callable[[int], None] = lambda answered: None):
        stalls = [
            stall_pattern(job.idle, IDLE, f"idle {job.seed}"),
            stall_pattern(job.back_pressure, BACK_PRESSURE, f"back pressure {job.seed}"),
            stall_pattern(job.idle, IDLE, f"load {job.seed}"),
        ]
        self._images, self._beats, taps = job.beats.shape
        self._classes = job.classes
        self.load, self._load_beats = Source(load_payloads(job.load_image), 9, stalls[2]), len(job.load_image)
        self.source = Source(payloads(job.beats), 8 * taps, lambda waiting: self._loads or stalls[0](waiting))
        self.sink = Sink("o_result", stalls[1])
        self.scoreboard = Scoreboard(self._images, job.classes, job.fields)
        self._due = [*(len(job.load_image) + due for due in job.due), math.inf]
        self._drain = 0
        self._progress = progress
        self._report_every = max(1, self._images // 100)
        self._unstalled = 0
        self.cycle = 0
        self.answered = False
        self.done = False

    @property
    def _loads(self) -> bool:
        """The load image is not yet taken."""
        return self.load.taken < self._load_beats

    def clock(self, pixels_ready: bool, result_valid: bool, result_payload: int, load_ready: bool = False) -> None:
        """Pass a rising edge before which these outputs were sampled; the payload counts only with valid."""
        waits = self.load.idles if self._loads else self.source.idles
        stalled = waits or (result_valid and not self.sink.ready)
        self.load.clock(load_ready)
        try:
            if self.source.clock(pixels_ready):
                self.scoreboard.pixels(self.cycle, self.source.taken // self._beats)
            if self.sink.clock(result_valid, result_payload) and self.scoreboard.result(self.cycle, result_payload):
                self._image_answered()
            self._unstalled += not stalled
            if self._unstalled > self._due[self.scoreboard.answered]:
                raise SimulationError(self._late())
        except SimulationError as error:
            raise SimulationError(f"cycle {self.cycle}: {error}") from None
        self.cycle += 1
        if self.answered:
            self._drain -= 1
            self.done = self._drain < 0

    def _image_answered(self) -> None:
        answered = self.scoreboard.answered
        if answered == 1:
            self._drain = self.cycle
        self.answered = answered == self._images
        if self.answered or answered % self._report_every == 0:
            self._progress(answered)

    def _late(self) -> str:
        answered, stalled = self.scoreboard.answered, self.cycle + 1 - self._unstalled
        return (
            f"{answered} of {self._images} images are answered ({self.scoreboard.sent} taken); the answer to image "
            f"{answered} was due by cycle {self._due[answered]}, not counting {stalled} stalled ones"
        )

    def results(self) -> dict[str, np.ndarray]:
        """The answers to all images as arrays: logits (n, classes), labels (n,), result_cycles (n,), loaded_cycle."""
        self.scoreboard.finish()
        board = self.scoreboard
        return {
            "logits": np.array(board.logits, dtype=np.int64).reshape(self._images, self._classes),
            "labels": np.array(board.labels, dtype=np.int64),
            "result_cycles": np.array(board.cycles, dtype=np.int64),
            "loaded_cycle": board.loaded_cycle,
        }
