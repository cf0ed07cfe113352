import numpy as np
from rtl import run

from hw.event_counter import COUNT_CYCLES, EventCounter


def test_counts_every_event_across_both_halves():
    cycles = 70_000
    events = np.random.default_rng(0).random(cycles) < 0.97
    counter, found = EventCounter(), []

    async def testbench(ctx):
        for event in events.tolist():
            ctx.set(counter.event, event)
            found.append(ctx.get(counter.count))
            await ctx.tick()

    run(counter, testbench)
    counts = np.cumsum(events)
    assert counts[-1] > 1 << 16
    assert found == [0] * COUNT_CYCLES + counts[:-COUNT_CYCLES].tolist()
