"""Schedule: which image each layer works on in a round, and the exact delay before each instruction.

In the latency schedule every round finishes its image. In the throughput schedule a layer may work
on an image admitted some rounds ago (its *age*), so that the array computes other images while the
sums of the last layer travel through the pipeline. Delays are the least that respect, between every
two instructions that share an image, a tensor or the drain:

- a step reads an element after it was written;
- an element is overwritten after it was last read;
- the drain takes a tile when it has finished with the one before;

and that let the pixel stream keep up: an input buffer is free early enough to be filled again.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise, product

import numpy as np

from hw.accelerator import Latencies
from hw.mapping import Mapping
from hw.sequencer import FETCH_CYCLES
from sw.errors import InputError

SCHEDULES = ("throughput", "latency")
SEARCHED_LAYERS = 8
"""Up to this many layers all assignments of ages are compared; beyond, every layer gets an age of its own."""


@dataclass(frozen=True)
class Slot:
    """A place in the program: one layer on the image of one age."""

    layer: int
    age: int


@dataclass(frozen=True)
class Schedule:
    """The program's order and timing.

    Parameters
    ----------
    mappings: the layers.
    body, drain: the slots of both segments.
    delays: idle cycles before each slot's first step, body first.
    copies: per hidden tensor 2 where two images' values live at the same time, else 1.
    """

    mappings: tuple[Mapping, ...]
    body: tuple[Slot, ...]
    drain: tuple[Slot, ...]
    delays: tuple[int, ...]
    copies: tuple[int, ...]

    @property
    def stages(self) -> int:
        """Images in flight at most."""
        return max(slot.age for slot in self.body) + 1

    def steps(self, slot: Slot) -> int:
        """Cycles in which the array works for a slot."""
        return self.mappings[slot.layer].steps

    @cached_property
    def round_cycles(self) -> int:
        """Cycles from one image to the next in the steady state."""
        return sum(map(self.steps, self.body)) + sum(self.delays[: len(self.body)])

    @cached_property
    def drain_cycles(self) -> int:
        """Cycles to finish the images in flight once the last one was admitted and its round is over."""
        return sum(map(self.steps, self.drain)) + sum(self.delays[len(self.body) :])

    def busy_cycles(self, images: int) -> int:
        """Cycles that the program runs for so many images in an unbroken stream; one is the first start."""
        return 1 + images * self.round_cycles + self.drain_cycles

    def result_cycles(self, images: int) -> np.ndarray:
        """(images,) cycle in which each image's last logit leaves, counted from the first image's.

        For images in an unbroken stream and a receiver that always takes.
        """
        last = len(self.mappings) - 1
        times = np.zeros(images, dtype=np.int64)
        for start, slot, image in self.walk(images):
            if slot.layer == last and image is not None:
                times[image] = start
        return times - times[0]

    def cycles_per_image(self, result_cycles: np.ndarray, busy_cycles: int) -> float:
        """Steady-state cycles per image from the cycles in which the results left.

        The last results, one less than the images in flight, leave faster while the pipeline drains, and do
        not count. Of so few images that no others are left, it is the busy cycles per image.
        """
        intervals = len(result_cycles) - self.stages
        if intervals < 1:
            return busy_cycles / len(result_cycles)
        return float(result_cycles[intervals] - result_cycles[0]) / intervals

    def walk(self, images: int):
        """Yield (first step, slot, image or None) for each start while so many images pass."""
        end = 0
        for newest in range(images):
            for slot, delay in zip(self.body, self.delays, strict=False):
                start, image = end + delay, newest - slot.age
                yield start, slot, image if image >= 0 else None
                end = start + self.steps(slot)
        for slot, delay in zip(self.drain, self.delays[len(self.body) :], strict=True):
            start, image = end + delay, images - 1 - slot.age
            yield start, slot, image if image >= 0 else None
            end = start + self.steps(slot)


def make_schedule(mappings: tuple[Mapping, ...], kind: str) -> Schedule:
    """The schedule with the shortest round; among equals the one with the fewest images in flight."""
    if kind not in SCHEDULES:
        raise InputError(f"schedule must be one of {', '.join(SCHEDULES)}, not {kind!r}")
    borders = len(mappings) - 1
    if kind == "latency":
        choices = [(0,) * borders]
    elif len(mappings) <= SEARCHED_LAYERS:
        choices = list(product((0, 1), repeat=borders))
    else:
        choices = [(1,) * borders]
    candidates = [_with_ages(mappings, np.cumsum((0, *choice)).tolist()) for choice in choices]
    return min(candidates, key=lambda schedule: (schedule.round_cycles, schedule.stages))


def _with_ages(mappings: tuple[Mapping, ...], ages: list[int]) -> Schedule:
    """The schedule in which layer i works on the image of age ages[i]."""
    body = tuple(Slot(layer, age) for layer, age in enumerate(ages))
    rounds = range(1, max(ages) + 1)
    drain = tuple(Slot(layer, age - by) for by in rounds for layer, age in enumerate(ages) if age >= by)
    copies = tuple(1 + after - before for before, after in pairwise(ages))
    delays = _least_fetch_delays(mappings, body, drain)
    while True:
        schedule = Schedule(mappings, body, drain, tuple(delays), copies)
        raised = _first_violation(schedule) or _late_input(schedule)
        if raised is None:
            return schedule
        slot, missing = raised
        delays[slot] += missing
        if slot == 0 and drain:
            delays[len(body)] = max(delays[len(body)], delays[0] + FETCH_CYCLES)


def _least_fetch_delays(mappings, body, drain) -> list[int]:
    """Delays that give the sequencer the time to fetch each instruction."""
    slots = body + drain
    before = (body[-1], *slots[:-1])
    delays = [max(0, FETCH_CYCLES - mappings[slot.layer].steps) for slot in before]
    if drain:
        delays[len(body)] = delays[0] + FETCH_CYCLES  # the sequencer first sees that no image is there
        delays[0] = max(delays[0], FETCH_CYCLES - mappings[drain[-1].layer].steps)
        delays[len(body)] = max(delays[len(body)], delays[0] + FETCH_CYCLES)
    return delays


def _first_violation(schedule: Schedule) -> tuple[int, int] | None:
    """The first slot that starts too early in a stream that fills, drains and fills again, and by how much."""
    starts = list(_two_streams(schedule))
    window = 4 * (len(schedule.body) + len(schedule.drain))
    for index, (slot_index, start, slot, image) in enumerate(starts):
        for _, earlier, other, other_image in starts[max(0, index - window) : index]:
            missing = earlier + _distance(schedule, other, other_image, slot, image) - start
            if missing > 0:
                return slot_index, missing
    return None


def _two_streams(schedule: Schedule):
    """Yield (slot index, first step, slot, image) of two streams of images, one right behind the other."""
    images = schedule.stages + 2
    length = images * schedule.round_cycles + schedule.drain_cycles
    positions = [*range(len(schedule.body))] * images + [len(schedule.body) + i for i in range(len(schedule.drain))]
    for stream in range(2):
        for position, (start, slot, image) in zip(positions, schedule.walk(images), strict=True):
            if image is not None:
                yield position, stream * length + start, slot, stream * images + image


def _distance(schedule: Schedule, before: Slot, before_image: int, after: Slot, after_image: int) -> int:
    """Least cycles from the first step of `before` to that of `after`."""
    first, second = schedule.mappings[before.layer], schedule.mappings[after.layer]
    least = first.drain_free - second.first_capture
    if after.layer == before.layer + 1 and after_image == before_image:
        least = max(least, _read_after_write(first, second))
    if after.layer == before.layer - 1 and (after_image - before_image) % schedule.copies[after.layer] == 0:
        least = max(least, _write_after_read(first, second))
    return least


@lru_cache
def _read_after_write(first: Mapping, second: Mapping) -> int:
    """Least cycles between the first steps of a layer and of the next one on the same image."""
    latencies = Latencies.of(first.config)
    written = first.drains() + latencies.write + latencies.write_to_read
    return int((written - second.first_reads()).max())


@lru_cache
def _write_after_read(first: Mapping, second: Mapping) -> int:
    """Least cycles between the first steps of a layer and of the one before it on a later image."""
    latencies = Latencies.of(first.config)
    read = first.last_reads() + latencies.read_to_write
    return int((read - second.drains() - latencies.write).max())


def _late_input(schedule: Schedule) -> tuple[int, int] | None:
    """Slot 0 and the missing cycles, if a saturated pixel stream could not refill the buffers in time."""
    beats = schedule.mappings[0].useful_chunks
    used = schedule.mappings[0].steps  # from the start of a round to the release of its buffer
    least = max(beats, -(-(used + beats + 1) // 2))
    missing = least - schedule.round_cycles
    return (0, missing) if missing > 0 else None
