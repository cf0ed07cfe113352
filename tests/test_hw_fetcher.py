"""The fetcher with the program memory that it reads."""

import numpy as np
import pytest
from amaranth import Module
from rtl import run

from hw.config import ArrayConfig
from hw.fetcher import DIVERT_CYCLES, Fetcher
from hw.memories import StaticMemory
from hw.program import Instruction, Level, encode, instruction_layout

CONFIG = ArrayConfig(program_words=16, delay_bits=5)


def program(body: int, drain: int) -> list[Instruction]:
    """Instructions whose delays, and so their `wait`, tell them apart."""
    ends = {body - 1, body + drain - 1}
    return [Instruction((Level(), Level()), delay=index, ends_segment=index in ends) for index in range(body + drain)]


def simulate(body: int, drain: int, takes, diverts=()) -> tuple[list, list]:
    """In each cycle the instruction that is next, or None, and the one behind it if `enable` moves it on.

    takes: whether it is taken if it is there, by cycle. diverts: cycles in which it is dropped instead.
    """
    instructions = program(body, drain)
    words = [encode(each, CONFIG) for each in instructions]
    fetcher = Fetcher(CONFIG)
    memory = StaticMemory(instruction_layout(CONFIG).size, CONFIG.program_words, words, output_register=False)
    m = Module()
    m.submodules.fetcher, m.submodules.memory = fetcher, memory
    m.d.comb += [memory.address.eq(fetcher.address), memory.enable.eq(fetcher.enable)]
    m.d.comb += fetcher.instruction.eq(memory.data)
    following, upcoming = [], []

    async def testbench(ctx):
        ctx.set(fetcher.header, {"drain_start": body, "drain_end": body + drain})
        taken = None
        for cycle, take in enumerate(takes):
            if taken is not None:
                assert ctx.get(fetcher.current) == taken
            valid, divert = ctx.get(fetcher.valid), cycle in diverts
            ctx.set(fetcher.take, bool(valid and take and not divert))
            ctx.set(fetcher.divert, divert)
            following.append(words.index(ctx.get(fetcher.next.as_value())) if valid else None)
            moves = ctx.get(fetcher.enable) and ctx.get(fetcher.upcoming_valid)
            if ctx.get(fetcher.take):
                taken = following[-1]
            upcoming.append(words.index(ctx.get(fetcher.upcoming.as_value())) if moves else None)
            await ctx.tick()

    run(m, testbench)
    return following, upcoming


def test_an_instruction_a_cycle_from_the_second_one_on():
    following, _ = simulate(3, 0, [1] * 14)
    assert following == [None, None, *[0, 1, 2] * 4]


@pytest.mark.parametrize(("body", "drain"), [(1, 0), (1, 1), (2, 0), (5, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_next_stays_until_it_is_taken_and_the_body_follows_the_body(body, drain, seed):
    takes = np.random.default_rng(seed).random(60) < [0.2, 0.5, 0.9][seed]
    following, _ = simulate(body, drain, takes)
    assert following[:2] == [None, None]
    taken = np.cumsum([0, *takes[2:]])
    assert following[2:] == [int(count) % body for count in taken[:-1]]


@pytest.mark.parametrize("wait", [0, 1, 5])
@pytest.mark.parametrize(("body", "drain"), [(1, 1), (2, 1), (3, 4)])
def test_divert_drops_what_is_next_for_the_drain_then_the_body(body, drain, wait):
    divert = 2 + 2 * body + wait  # behind two rounds
    takes = [1] * (divert - wait) + [0] * wait + [1] * (DIVERT_CYCLES + drain + 2 * body)
    following, _ = simulate(body, drain, takes, {divert})
    assert following[divert - wait : divert + 1] == [0] * (wait + 1)
    behind = following[divert + 1 :]
    assert behind[: DIVERT_CYCLES - 1] == [None] * (DIVERT_CYCLES - 1)
    assert behind[DIVERT_CYCLES - 1 : -1] == [*range(body, body + drain), *list(range(body)) * 2][: len(behind) - 3]
    assert len(behind) > 3 + drain


@pytest.mark.parametrize("seed", range(3))
def test_upcoming_is_the_instruction_that_takes_its_place(seed):
    takes = np.random.default_rng(seed).random(80) < [0.2, 0.5, 0.9][seed]
    following, upcoming = simulate(3, 2, takes, {30, 60})
    moves = [cycle for cycle in range(79) if upcoming[cycle] is not None]
    assert [upcoming[cycle] for cycle in moves] == [following[cycle + 1] for cycle in moves]
    assert len(moves) > 10
    assert {upcoming[cycle] for cycle in moves} == {0, 1, 2, 3, 4}
    stays = [cycle for cycle in range(79) if upcoming[cycle] is None and cycle not in {30, 60}]
    assert [following[cycle] for cycle in stays] == [following[cycle + 1] for cycle in stays]
