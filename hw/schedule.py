"""Schedule: which image each operation works on in a round, and the exact delay before each instruction.

In the latency schedule every round finishes its image. In the throughput schedule an operation may work
on an image admitted some rounds ago (its *age*), so that the array computes other images while the
sums of the last one travel through the pipeline. Delays are the least that respect, between every
two instructions that share an image, a tensor or the drain:

- a step reads an element after it was written;
- an element is overwritten after it was last read;
- the drain takes a tile when it has finished with the one before;

and that let the pixel stream keep up: an input buffer is free early enough to be filled again.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product

import numpy as np

from hw.accelerator import Latencies
from hw.config import ArrayConfig
from hw.fetcher import DIVERT_CYCLES
from hw.loop_nest import LoopNest
from hw.mapping import Mapping
from hw.operations import INPUT, tied_operands
from hw.sequencer import ADMIT_CYCLES, RESERVE_CYCLES
from hw.watermark import read_cycles
from sw.errors import InputError

SCHEDULES = ("throughput", "latency")
SEARCHED_OPERATIONS = 6
"""Up to this many operations all ages that never fall are compared; beyond, one age after the other is raised."""


@dataclass(frozen=True)
class Slot:
    """A place in the program: one operation on the image of one age."""

    operation: int
    age: int


@dataclass(frozen=True)
class Start:
    """A slot that starts, in a stream of images.

    Parameters
    ----------
    first_step: cycle of its first step, if that is not held. end: cycle after its last step.
    slot, image: what starts; image is None before the first one and after the last.
    waited: whether the start waited for its image. load: cycle in which the first pixels of the newest image are taken.
    """

    first_step: int
    end: int
    slot: Slot
    image: int | None
    waited: bool
    load: int


@dataclass(frozen=True)
class Schedule:
    """The program's order and timing.

    Parameters
    ----------
    mappings: the operations.
    body, drain: the slots of both segments.
    delays: idle cycles before each slot's first step, body first.
    copies: per operation 2 where its results for two images live at the same time, else 1.
    follows: whether the first operation begins while its image is being loaded, see hw/watermark.py.
    """

    mappings: tuple[Mapping, ...]
    body: tuple[Slot, ...]
    drain: tuple[Slot, ...]
    delays: tuple[int, ...]
    copies: tuple[int, ...]
    follows: bool = False

    @property
    def ages(self) -> tuple[int, ...]:
        """Age of each operation in the body."""
        return tuple(slot.age for slot in self.body)

    @property
    def stages(self) -> int:
        """Images in flight at most."""
        return max(slot.age for slot in self.body) + 1

    def steps(self, slot: Slot) -> int:
        """Cycles in which the array works for a slot."""
        return self.mappings[slot.operation].steps

    @cached_property
    def round_cycles(self) -> int:
        """Cycles from one image to the next in the steady state."""
        return sum(map(self.steps, self.body)) + sum(self.delays[: len(self.body)])

    @property
    def never_waits(self) -> bool:
        """Whether the array works in every cycle of the steady state, or as often as the pixels allow."""
        first = self.mappings[0]
        return self.round_cycles == max(first.load_cycles, sum(map(self.steps, self.body)))

    @cached_property
    def drain_cycles(self) -> int:
        """Cycles to finish the images in flight once the last one was admitted and its round is over."""
        return sum(map(self.steps, self.drain)) + sum(self.delays[len(self.body) :])

    def busy_cycles(self, images: int) -> int:
        """Cycles that the program runs for so many images in an unbroken stream, until their last logit leaves.

        A start that had to wait is one more. What the next image would wait after the last step counts while logits
        still leave.
        """
        last, before_next = self.mappings[-1], self.delays[0]
        leaves = int(last.logits().max()) + Latencies.of(last.config).logit - (last.steps - 1)
        leaves += LoopNest.latency(last.config)
        waits = sum(start.waited for start in self.play(images))
        return waits + images * self.round_cycles + self.drain_cycles - max(0, before_next - leaves)

    def result_cycles(self, images: int) -> np.ndarray:
        """(images,) cycle in which each image's last logit leaves; in cycle 0 the first pixels are taken.

        For images in an unbroken stream and a receiver that always takes.
        """
        last = len(self.mappings) - 1
        mapping = self.mappings[last]
        leaves = int(mapping.logits().max()) + Latencies.of(mapping.config).logit - mapping.steps
        times = np.zeros(images, dtype=np.int64)
        for start in self.play(images):
            if start.slot.operation == last and start.image is not None:
                times[start.image] = start.end + leaves
        return times

    def first_result(self, images: int = 1) -> int:
        """Cycles from the last pixels of the first of so many images in an unbroken stream to its last logit."""
        return int(self.result_cycles(images)[0]) - self.mappings[0].last_beat

    def cycles_per_image(self, result_cycles: np.ndarray, busy_cycles: int) -> float:
        """Steady-state cycles per image from the cycles in which the results left.

        The last results, one less than the images in flight, leave faster while the pipeline drains, and do
        not count. Of so few images that no others are left, it is the busy cycles per image.
        """
        intervals = len(result_cycles) - self.stages
        if intervals < 1:
            return busy_cycles / len(result_cycles)
        return float(result_cycles[intervals] - result_cycles[0]) / intervals

    @cached_property
    def _gates(self) -> tuple[int, int]:
        """Least cycles from an image's first pixels to the first and to the last step of the first operation."""
        first, admitted = self.mappings[0], ADMIT_CYCLES + first_step(self.mappings[0].config)
        if not self.follows:
            return int(first.beat_cycles[-1]) + admitted, 0
        allowed = read_cycles(first)
        return int(first.beat_cycles[0]) + admitted, int((allowed + np.arange(first.steps)[::-1]).max())

    def play(self, images: int):
        """Yield each Start of an unbroken stream of so many images; in cycle 0 the first pixels are taken."""
        first, (gate, last_gate) = self.mappings[0], self._gates
        end, load, released = 0, 0, []
        for newest in range(images):
            load = load + first.load_cycles if newest else 0
            if newest > 1:
                load = max(load, released[newest - 2] + 1)
            for slot, delay in zip(self.body, self.delays, strict=False):
                step, image, waited = end + delay, newest - slot.age, False
                end = step + self.steps(slot)
                if slot.operation == 0:
                    waited = newest == 0 or step < load + gate
                    step = load + gate if waited else step
                    end = max(step + first.steps, load + last_gate + 1)
                    released.append(end - 1)
                yield Start(step, end, slot, image if image >= 0 else None, waited, load)
        for slot, delay in zip(self.drain, self.delays[len(self.body) :], strict=True):
            step, image = end + delay, images - 1 - slot.age
            end = step + self.steps(slot)
            yield Start(step, end, slot, image if image >= 0 else None, False, load)

    def step_cycles(self, start: Start) -> np.ndarray:
        """(steps,) cycle of each step of what started, held back or not."""
        order = np.arange(self.steps(start.slot))
        if not self.follows or start.slot.operation:
            return start.first_step + order
        allowed = np.maximum(start.load + read_cycles(self.mappings[0]), start.first_step)
        return np.maximum.accumulate(allowed - order) + order

    def walk(self, images: int):
        """Yield (first step, slot, image or None) for each start while so many images pass that are always loaded."""
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


def first_step(config: ArrayConfig) -> int:
    """Cycles from the start of an instruction to its first step."""
    return 1 + LoopNest.latency(config)


def make_schedule(mappings: tuple[Mapping, ...], kind: str) -> Schedule:
    """The schedule with the shortest round; among equals the one with the fewest images in flight."""
    if kind not in SCHEDULES:
        raise InputError(f"schedule must be one of {', '.join(SCHEDULES)}, not {kind!r}")
    zero = (0,) * len(mappings)
    best = with_ages(mappings, zero)
    if kind == "latency":
        return replace(best, follows=mappings[0].config.follows_input)
    if len(mappings) <= SEARCHED_OPERATIONS:
        choices = sorted(product((0, 1), repeat=len(mappings) - 1), key=sum)
        for choice in choices:
            if best.never_waits:
                break
            best = _better(mappings, best, tuple(np.cumsum((0, *choice)).tolist()))
        return best
    ages = zero
    for border in range(1, len(mappings)):
        if best.never_waits:
            break
        raised = tuple(age + (index >= border) for index, age in enumerate(ages))
        best = _better(mappings, best, raised)
        if best.ages == raised:
            ages = raised
    return best


def _better(mappings: tuple[Mapping, ...], best: Schedule, ages: tuple[int, ...]) -> Schedule:
    """The better one of a schedule and of that with these ages, if the latter exists."""
    other = with_ages(mappings, ages)
    return min(best, other or best, key=lambda schedule: (schedule.round_cycles, schedule.stages))


def _copies(mappings: tuple[Mapping, ...], ages: tuple[int, ...]) -> tuple[int, ...] | None:
    """Places of each operation's result, 2 where a reader works on an older image; None if one would need more."""
    copies = [1] * len(mappings)
    for reader, mapping in enumerate(mappings):
        for source in mapping.operation.sources:
            if source != INPUT:
                copies[source] = max(copies[source], 1 + ages[reader] - ages[source])
    for tied in tied_operands(tuple(mapping.operation for mapping in mappings)):
        most = max(copies[source] for source in tied)
        for source in tied:
            copies[source] = most
    return tuple(copies) if max(copies) <= 2 else None


def with_ages(mappings: tuple[Mapping, ...], ages: tuple[int, ...]) -> Schedule | None:
    """The schedule in which operation i works on the image of age ages[i]; None if a result needed three places."""
    copies = _copies(mappings, ages)
    if copies is None:
        return None
    body = tuple(Slot(operation, age) for operation, age in enumerate(ages))
    rounds = range(1, max(ages) + 1)
    drain = tuple(Slot(operation, age - by) for by in rounds for operation, age in enumerate(ages) if age >= by)
    delays = [0] * len(body + drain)
    while True:
        if drain:  # the sequencer first sees that no image is there, when the body could begin
            delays[len(body)] = max(delays[len(body)], delays[0] + DIVERT_CYCLES)
        schedule = Schedule(mappings, body, drain, tuple(delays), copies)
        raised = _first_violation(schedule) or _late_input(schedule)
        if raised is None:
            return schedule
        slot, missing = raised
        delays[slot] += missing


def _first_violation(schedule: Schedule) -> tuple[int, int] | None:
    """The first slot that starts too early in a stream that fills, drains and fills again, and by how much."""
    starts = list(_two_streams(schedule))
    mappings, latencies = schedule.mappings, Latencies.of(schedule.mappings[0].config)
    # No distance is longer than the steps of the earlier one, the greatest drain, and the way to memory and back.
    reach = max(mapping.drain_free - mapping.steps for mapping in mappings)
    reach += latencies.write + latencies.write_to_read + latencies.read_to_write
    oldest = 0
    for index, (slot_index, start, slot, image) in enumerate(starts):
        while starts[oldest][1] + schedule.steps(starts[oldest][2]) + reach < start:
            oldest += 1
        for _, earlier, other, other_image in starts[oldest:index]:
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
    first, second = schedule.mappings[before.operation], schedule.mappings[after.operation]
    least = first.drain_free - second.first_capture
    if first.is_result and second.is_result:
        least = max(least, RESERVE_CYCLES)
    if before_image == after_image and before.operation in second.operation.sources:
        least = max(least, _read_after_write(first, second, before.operation))
    later = after_image != before_image and (after_image - before_image) % schedule.copies[after.operation] == 0
    if later and after.operation in first.operation.sources:
        least = max(least, _write_after_read(first, second, after.operation))
    return least


@lru_cache(maxsize=4096)
def _read_after_write(first: Mapping, second: Mapping, source: int) -> int:
    """Least cycles between the first steps of an operation and of one that reads its result."""
    latencies = Latencies.of(first.config)
    written = first.drains() + latencies.write + latencies.write_to_read
    return max(int((written - reads).max()) for reads in _by_operand(second.first_reads, second, source))


@lru_cache(maxsize=4096)
def _write_after_read(first: Mapping, second: Mapping, source: int) -> int:
    """Least cycles between the first steps of an operation and of its source on a later image."""
    latencies = Latencies.of(first.config)
    written = second.drains() + latencies.write
    reads = _by_operand(first.last_reads, first, source)
    return max(int((read + latencies.read_to_write - written).max()) for read in reads)


def interference(schedule: Schedule) -> np.ndarray:
    """(operations, operations) whether the results of two operations are ever alive at once, so cannot share memory.

    A result is alive from its first write to its last read. One life is over before the other begins only if its
    readers also start no later than the other's writer: then a stall between instructions, or within the first one,
    which reads no result, only takes them further apart. Writes come in the order of the program, so those of the
    first are over as well, also of elements that nobody reads.
    """
    mappings, latencies = schedule.mappings, Latencies.of(schedule.mappings[0].config)
    first_write = [mapping.drains().min() + latencies.write for mapping in mappings[:-1]]
    last_reads = {
        (source, reader): max(int(times.max()) for times in _by_operand(mapping.last_reads, mapping, source))
        for reader, mapping in enumerate(mappings)
        for source in mapping.operation.sources
        if source != INPUT
    }
    starts = {(slot.operation, image): start for _, start, slot, image in _two_streams(schedule)}
    lives = []  # operation, start of its writer, first write, last start of a reader, first write allowed behind it
    for (operation, image), start in starts.items():
        reads = [(starts[reader, image], last) for (source, reader), last in last_reads.items() if source == operation]
        if reads:
            ends = [at + last + latencies.read_to_write for at, last in reads]
            lives.append((operation, start, start + first_write[operation], max(reads)[0], max(ends)))
    operation, start, begin, last_start, end = np.array(lives, dtype=np.int64).reshape(-1, 5).T
    before = (last_start[:, None] <= start) & (end[:, None] <= begin)
    at_once = np.zeros((len(mappings), len(mappings)), dtype=bool)
    np.logical_or.at(at_once, (operation[:, None], operation), ~(before | before.T))
    return at_once


def _by_operand(times, reader: Mapping, source: int) -> list[np.ndarray]:
    """Times of the reads of a source, once for each operand that it is."""
    return [times(operand) for operand, index in enumerate(reader.operation.sources) if index == source]


def _late_input(schedule: Schedule) -> tuple[int, int] | None:
    """Slot 0 and the missing cycles, if a saturated pixel stream could not refill the buffers in time."""
    first = schedule.mappings[0]
    load = first.load_cycles
    # From a start to the release of its buffer, to its next image, to the start with that one: two rounds at least.
    cycle = first.steps + LoopNest.latency(first.config) + load + ADMIT_CYCLES
    least = max(load, -(-cycle // 2))
    missing = least - schedule.round_cycles
    return (0, missing) if missing > 0 else None
