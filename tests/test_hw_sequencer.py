"""The sequencer with a fetcher, a nest and input buffers played in Python."""

from dataclasses import dataclass, replace
from itertools import chain, pairwise

import numpy as np
import pytest
from rtl import run

from hw.config import ArrayConfig
from hw.fetcher import DIVERT_CYCLES
from hw.program import Instruction, Level, encode
from hw.sequencer import ADMIT_CYCLES, RESERVE_CYCLES, ROOM_CYCLES, Sequencer

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
    takes: whether the receiver takes a logit that waits in this cycle. moves: whether no step is held in this cycle.
    """

    def __init__(
        self,
        instructions,
        drain_start,
        stages,
        loaded,
        cycles,
        *,
        takes=lambda cycle: True,
        moves=lambda cycle: True,
        config=CONFIG,
    ):
        self.config, self.instructions = config, instructions
        self.header = {"image_words": 1, "classes": 5, "drain_start": drain_start, "stages": stages}
        self.starts: list[Start] = []
        self.diverts: list[int] = []
        self.events: list[str] = []
        self.quiet: list[int] = []
        self.taken: list[int] = []
        self.most_logits = 0
        self._loaded, self._cycles, self._takes, self._moves = loaded, cycles, takes, moves
        self._sequencer = Sequencer(config)
        run(self._sequencer, self._play)

    async def _play(self, ctx):
        sequencer, program = self._sequencer, self.instructions
        words = [encode(each, self.config) for each in program]
        # What is read where no instruction is: one that asks for all that a sequencer could wait for.
        none = encode(replace(program[0], is_result=True, ends_segment=True, delay=1), self.config)
        left, full, next_image, logits = 0, 0, 0, []
        upcoming, address = [None, None], 0  # `next` and the one behind it, by index; where the one after lies
        odd = 0
        ctx.set(sequencer.header, self.header)
        for cycle in range(self._cycles):
            buffer, moves = 1 << next_image % 2, self._moves(cycle)
            arrives = next_image < len(self._loaded) and self._loaded[next_image] <= cycle and not full & buffer
            if arrives:
                full |= buffer
                next_image += 1
            taken = bool(logits) and logits[0] <= cycle and self._takes(cycle)
            done = left == 1
            for port, valid, index in zip(
                (sequencer.next, sequencer.upcoming), (sequencer.valid, sequencer.upcoming_valid), upcoming, strict=True
            ):
                ctx.set(port.as_value(), none if index is None else words[index])
                ctx.set(valid, index is not None)
            ctx.set(sequencer.running, left > 0)
            ctx.set(sequencer.rests, left <= 1)
            ctx.set(sequencer.moves, moves)
            ctx.set(sequencer.arrives, arrives)
            ctx.set(sequencer.taken, taken)
            start, divert = ctx.get(sequencer.start), ctx.get(sequencer.divert)
            advance = start or upcoming[0] is None
            ctx.set(sequencer.advance, advance)
            if taken:
                self.taken.append(cycle)
                logits.pop(0)
            waits = ctx.get(sequencer.waits_input), ctx.get(sequencer.waits_output)
            self.events.append({(0, 0): "busy", (1, 0): "input", (0, 1): "output"}[waits])
            self.quiet.append(ctx.get(sequencer.quiet))
            if done and moves and self.starts[-1].enable and program[self.starts[-1].index].releases_input:
                full &= ~(1 << odd)
            left -= bool(left and moves)
            if start:
                assert moves
                assert left == 0
                index, enable = upcoming[0], ctx.get(sequencer.enable)
                odd, left = ctx.get(sequencer.odd), program[index].steps
                self.starts.append(Start(cycle, index, enable, odd, cycle + left))
                if enable and program[index].is_result:
                    logits += [cycle + left + 3 + i for i in range(self.header["classes"])]
                    self.most_logits = max(self.most_logits, len(logits))
            if divert:
                assert not start
                self.diverts.append(cycle)
                upcoming, address = [None, None], self.header["drain_start"]
            elif advance:
                if upcoming[1] is not None and program[upcoming[1]].ends_segment:
                    address = 0
                upcoming, address = [upcoming[1], address], address + 1
            await ctx.tick()


def idle(trace: Trace) -> list[tuple[int, int]]:
    """(cycles from the end of the one before, those that the program says) of every start but the first.

    Where the drain follows, the body's delay passes before it is fetched.
    """
    program, drain = trace.instructions, trace.header["drain_start"]
    return [
        (
            after.cycle - before.done,
            program[after.index].delay + (program[0].delay + DIVERT_CYCLES if after.index == drain else 0),
        )
        for before, after in pairwise(trace.starts)
    ]


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
    body[0] = replace(body[0], releases_input=True)
    instructions = program(body)
    trace = Trace(instructions, len(instructions), 1, [0] * 50, 300)
    assert len(trace.starts) > 10
    for found, expected in idle(trace):
        assert found == expected
    assert [start.index for start in trace.starts[:-1]] == [
        number % len(body) for number in range(len(trace.starts) - 1)
    ]


@pytest.mark.parametrize("images", [1, 2])
@pytest.mark.parametrize(("body", "drain"), [(1, 0), (1, 1), (2, 1), (1, 2)])
def test_a_step_a_cycle_where_no_delay_is_asked_for(body, drain, images):
    step = instruction(1, 0, releases_input=True)
    instructions = program([step] + [replace(step, age=1)] * (body - 1), [step] * drain)
    trace = Trace(instructions, body, 2 if drain else 1, [0] * images, 60)
    assert observed(trace) == reference(instructions, body, [images])
    for found, expected in idle(trace):
        assert found == expected


@pytest.mark.parametrize("images", [1, 2, 3, 6])
@pytest.mark.parametrize(("instructions", "drain_start", "stages"), [(PIPELINED, 3, 3), (PLAIN, 3, 1)])
def test_streams_of_images_drain_and_start_again(instructions, drain_start, stages, images):
    pause = 400
    loaded = [0] * images + [pause] * images + [2 * pause]
    trace = Trace(instructions, drain_start, stages, loaded, 2 * pause + 200)
    assert observed(trace) == reference(instructions, drain_start, [images, images, 1])


def test_drain_follows_the_last_round_at_its_delay():
    trace = Trace(PIPELINED, 3, 3, [0, 0], 200)
    assert observed(trace) == reference(PIPELINED, 3, [2])
    for found, expected in idle(trace):
        assert found == expected
    assert trace.diverts == [trace.starts[5].done + PIPELINED[0].delay]


def test_an_image_that_comes_too_late_for_the_end_of_a_round_waits_for_the_drain():
    (divert,) = Trace(PIPELINED, 3, 3, [0], 200).diverts
    trace = Trace(PIPELINED, 3, 3, [0, divert - ADMIT_CYCLES + 1], 200)
    assert observed(trace) == reference(PIPELINED, 3, [1, 1])
    trace = Trace(PIPELINED, 3, 3, [0, divert - ADMIT_CYCLES], 200)
    assert observed(trace) == reference(PIPELINED, 3, [2])
    assert trace.starts[3].cycle == divert


def test_array_of_more_stages_than_the_program():
    trace = Trace(PLAIN, 3, 1, [0, 300, 300], 400, config=replace(CONFIG, stages=5))
    assert observed(trace) == reference(PLAIN, 3, [1, 2])


@pytest.mark.parametrize("cycle", [3, 4, 50])
def test_an_image_is_admitted_so_many_cycles_after_it_arrives(cycle):
    assert Trace(PLAIN, 3, 1, [cycle], 100).starts[0].cycle == cycle + ADMIT_CYCLES


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("instructions", "stages"), [(PIPELINED, 3), (PLAIN, 1)])
def test_a_held_step_holds_the_program(instructions, stages, seed):
    free = Trace(instructions, 3, stages, [0] * 9, 250)
    moves = np.random.default_rng(seed).random(2000) < [0.2, 0.4, 0.6, 0.9][seed]
    moves[:3] = True  # the images arrive and the program is fetched, held or not
    held = Trace(instructions, 3, stages, [0] * 9, 2000, moves=lambda cycle: bool(moves[cycle]))
    moved = np.cumsum(moves) - 1
    rounds = 3 * 9  # what follows is fetched, which no held step holds
    assert not free.diverts or free.diverts[0] > free.starts[rounds - 1].cycle
    assert [replace(start, cycle=int(moved[start.cycle]), done=0) for start in held.starts[:rounds]] == [
        replace(start, done=0) for start in free.starts[:rounds]
    ]
    events = [event for event, moves in zip(held.events, moves, strict=True) if moves]
    last = free.starts[rounds - 1].done
    assert events[:last] == free.events[:last]
    assert {event for event, moves in zip(held.events, moves, strict=True) if not moves} == {"busy"}


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
    assert second.cycle == 201 + ROOM_CYCLES
    assert trace.events[first.cycle : second.cycle].count("output") > 150
    assert trace.events[second.cycle] == "busy"


def test_room_is_reserved_before_it_is_asked_for_again():
    logits = program([instruction(1, 0, releases_input=True, is_result=True)])
    trace = Trace(logits, 1, 1, [0] * 9, 300, config=replace(CONFIG, result_words=50))
    assert len(trace.starts) == 9
    assert {after.cycle - before.cycle for before, after in pairwise(trace.starts)} == {RESERVE_CYCLES}


@pytest.mark.parametrize(("instructions", "stages"), [(PIPELINED, 3), (PLAIN, 1)])
def test_quiet_while_no_image_is_there_and_all_logits_have_left(instructions, stages):
    trace = Trace(instructions, 3, stages, [50, 50], 300, takes=lambda cycle: cycle >= 100)
    first, last = trace.starts[0].cycle, trace.taken[-1]
    assert len(trace.taken) == 10
    assert last > trace.starts[-1].done
    valid = 2  # the first instruction is there
    assert trace.quiet == [0] * valid + [1] * (first - valid) + [0] * (last + 1 - first) + [1] * (299 - last)


def test_every_cycle_is_busy_or_waits_for_one_reason():
    trace = Trace(PLAIN, 3, 1, [50, 50], 400, takes=lambda cycle: cycle >= 200)
    assert set(trace.events) == {"busy", "input", "output"}
    first, last = trace.starts[0], trace.starts[-1]
    assert trace.events[: first.cycle] == ["input"] * first.cycle
    assert trace.events[last.done + PLAIN[0].delay + 1 :] == ["input"] * (399 - last.done - PLAIN[0].delay)
    for start in trace.starts:
        assert set(trace.events[start.cycle : start.done + 1]) == {"busy"}
