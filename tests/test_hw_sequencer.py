"""The sequencer with a nest, a program memory and input buffers played in Python."""

from dataclasses import dataclass, replace
from itertools import chain, pairwise

import numpy as np
import pytest
from rtl import run

from hw.config import ArrayConfig
from hw.program import Instruction, Level, encode
from hw.sequencer import FETCH_CYCLES, Sequencer

CONFIG = ArrayConfig(program_words=16, stages=3, delay_bits=5, result_words=8)


@dataclass(frozen=True)
class Start:
    """One start: its cycle, the instruction, whether for an image and of which parity, and when its last step is."""

    cycle: int
    index: int
    enable: int
    odd: int
    done: int


def instruction(steps: int, delay: int, age: int = 0, **flags) -> Instruction:
    return Instruction((Level(steps), Level()), delay=delay, age=age, **flags)


def program(body: list[Instruction], drain: list[Instruction] = ()) -> list[Instruction]:
    segments = [[*segment[:-1], replace(segment[-1], ends_segment=True)] for segment in (body, drain) if segment]
    return list(chain.from_iterable(segments))


class Trace:
    """What the sequencer does with a program while so many images arrive.

    loaded: cycle in which each image is in its buffer, if that is free by then.
    takes: whether the receiver takes a logit that waits in this cycle.
    """

    def __init__(self, instructions, drain_start, stages, loaded, cycles, *, takes=lambda cycle: True, config=CONFIG):
        self.config, self.instructions = config, instructions
        self.header = {"image_words": 1, "classes": 5, "drain_start": drain_start, "stages": stages}
        self.starts: list[Start] = []
        self.releases: list[tuple[int, int]] = []
        self.events: list[str] = []
        self.most_logits = 0
        self._loaded, self._cycles, self._takes = loaded, cycles, takes
        self._sequencer = Sequencer(config)
        run(self._sequencer, self._play)

    async def _play(self, ctx):
        sequencer = self._sequencer
        words = [encode(each, self.config) for each in self.instructions]
        words += [0] * (self.config.program_words - len(words))
        running, left, address, full, next_image, logits = False, 0, 0, 0, 0, []
        ctx.set(sequencer.header, self.header)
        for cycle in range(self._cycles):
            buffer = next_image % 2
            if next_image < len(self._loaded) and self._loaded[next_image] <= cycle and not full >> buffer & 1:
                full |= 1 << buffer
                next_image += 1
            done = running and left == 1
            taken = bool(logits) and logits[0] <= cycle and self._takes(cycle)
            ctx.set(sequencer.instruction.as_value(), words[address])
            ctx.set(sequencer.running, running)
            ctx.set(sequencer.done, done)
            ctx.set(sequencer.full, full)
            ctx.set(sequencer.taken, taken)
            if taken:
                logits.pop(0)
            address = ctx.get(sequencer.address)
            waits = ctx.get(sequencer.waits_input), ctx.get(sequencer.waits_output)
            self.events.append({(0, 0): "busy", (1, 0): "input", (0, 1): "output"}[waits])
            if release := ctx.get(sequencer.release):
                self.releases.append((cycle, release))
                assert full & release == release
                full &= ~release
            left -= running
            running = running and not done
            if ctx.get(sequencer.start):
                assert not running
                index, enable = address, ctx.get(sequencer.enable)
                assert ctx.get(sequencer.instruction.as_value()) == words[index]  # it is fetched by now
                steps = self.instructions[index].steps
                self.starts.append(Start(cycle, index, enable, ctx.get(sequencer.odd), cycle + steps))
                running, left = True, steps
                if enable and self.instructions[index].is_result:
                    logits += [cycle + steps + 3 + i for i in range(self.header["classes"])]
                    self.most_logits = max(self.most_logits, len(logits))
            await ctx.tick()
            if running:
                assert ctx.get(sequencer.current) == self.starts[-1].index


def reference(instructions, drain_start, images: list[int]) -> list[tuple]:
    """(index, enable, odd or None) of every start while streams of so many images pass."""
    result, before = [], 0
    for count in images:
        for newest in range(count):
            for index in range(drain_start):
                image = newest - instructions[index].age
                result.append((index, int(image >= 0), (before + image) % 2 if image >= 0 else None))
        for index in range(drain_start, len(instructions)):
            image = count - 1 - instructions[index].age
            result.append((index, int(image >= 0), (before + image) % 2 if image >= 0 else None))
        before += count
    return result


def observed(trace: Trace) -> list[tuple]:
    return [(start.index, start.enable, start.odd if start.enable else None) for start in trace.starts]


PIPELINED = program(
    [instruction(6, 3, releases_input=True), instruction(2, 4, age=1), instruction(1, 1, age=2, is_result=True)],
    [instruction(2, 5, age=0), instruction(1, 1, age=1, is_result=True), instruction(1, 7, age=0, is_result=True)],
)
PLAIN = program([instruction(4, 2, releases_input=True), instruction(1, 9), instruction(3, 1, is_result=True)])


@pytest.mark.parametrize("seed", range(6))
def test_distance_between_starts_is_the_delay(seed):
    rng = np.random.default_rng(seed)
    body = []
    for _ in range(int(rng.integers(1, 6))):
        body.append(instruction(int(rng.integers(1, 5)), int(rng.integers(0, 12)), high=int(rng.integers(256))))
    for index, each in enumerate(body):
        least = max(0, FETCH_CYCLES - body[index - 1].steps)
        body[index] = replace(each, delay=max(each.delay, least))
    body[0] = replace(body[0], releases_input=True)
    instructions = program(body)
    trace = Trace(instructions, len(instructions), 1, [0] * 50, 300)
    assert len(trace.starts) > 10
    for before, after in pairwise(trace.starts):
        assert after.cycle - before.done == instructions[after.index].delay
    assert [start.index for start in trace.starts[:-1]] == [
        number % len(body) for number in range(len(trace.starts) - 1)
    ]


@pytest.mark.parametrize("images", [1, 2, 3, 6])
@pytest.mark.parametrize(("instructions", "drain_start", "stages"), [(PIPELINED, 3, 3), (PLAIN, 3, 1)])
def test_streams_of_images_drain_and_start_again(instructions, drain_start, stages, images):
    pause = 400
    loaded = [0] * images + [pause] * images + [2 * pause]
    trace = Trace(instructions, drain_start, stages, loaded, 2 * pause + 200)
    assert observed(trace) == reference(instructions, drain_start, [images, images, 1])


def test_drain_follows_the_last_round_at_its_delay():
    trace = Trace(PIPELINED, 3, 3, [0, 0], 200)
    for before, after in pairwise(trace.starts):
        assert after.cycle - before.done == PIPELINED[after.index].delay


def test_an_image_that_comes_after_the_end_of_a_round_waits_for_the_drain():
    first = Trace(PIPELINED, 3, 3, [0], 200).starts
    divert = first[2].done + PIPELINED[0].delay
    trace = Trace(PIPELINED, 3, 3, [0, divert + 1], 200)
    assert observed(trace) == reference(PIPELINED, 3, [1, 1])
    trace = Trace(PIPELINED, 3, 3, [0, divert], 200)
    assert observed(trace) == reference(PIPELINED, 3, [2])


def test_array_of_more_stages_than_the_program():
    trace = Trace(PLAIN, 3, 1, [0, 300, 300], 400, config=replace(CONFIG, stages=5))
    assert observed(trace) == reference(PLAIN, 3, [1, 2])


def test_each_image_releases_its_buffer_with_the_last_step_of_its_first_layer():
    trace = Trace(PIPELINED, 3, 3, [0, 0, 0, 100, 200], 400)
    expected = [(start.done, 1 << start.odd) for start in trace.starts if start.index == 0]
    assert len(expected) == 5
    assert trace.releases == expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("instructions", "drain_start", "stages"), [(PIPELINED, 3, 3), (PLAIN, 3, 1)])
def test_no_more_logits_than_the_queue_holds(instructions, drain_start, stages, seed):
    stalls = np.random.default_rng(seed).random(6000) < [0.02, 0.1, 0.5, 0.9][seed]
    trace = Trace(instructions, drain_start, stages, [0] * 6, 6000, takes=lambda cycle: bool(stalls[cycle]))
    assert observed(trace) == reference(instructions, drain_start, [6])
    assert 5 <= trace.most_logits <= CONFIG.result_words


def test_waits_for_room_until_the_last_logit_has_left():
    trace = Trace(PLAIN, 3, 1, [0, 0], 400, takes=lambda cycle: cycle >= 200)
    first, second = (start for start in trace.starts if start.index == 2)
    # 8 words hold one image of 5 logits; the second image starts its last layer when 2 logits more are gone.
    assert second.cycle == 202
    assert trace.events[first.cycle : second.cycle].count("output") > 150
    assert trace.events[second.cycle] == "busy"


def test_every_cycle_is_busy_or_waits_for_one_reason():
    trace = Trace(PLAIN, 3, 1, [50, 50], 400, takes=lambda cycle: cycle >= 200)
    assert set(trace.events) == {"busy", "input", "output"}
    first, last = trace.starts[0], trace.starts[-1]
    assert set(trace.events[: first.cycle]) <= {"busy", "input"}
    assert trace.events[1 : first.cycle] == ["input"] * (first.cycle - 1)
    assert trace.events[last.done + PLAIN[0].delay + 1 :] == ["input"] * (399 - last.done - PLAIN[0].delay)
    for start in trace.starts:
        assert set(trace.events[start.cycle : start.done + 1]) == {"busy"}
