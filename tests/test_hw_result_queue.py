import numpy as np
import pytest
from rtl import run

from hw.result_queue import ResultQueue


@pytest.mark.parametrize("words", [1, 2, 5, 8])
@pytest.mark.parametrize(("offer", "ready"), [(1.0, 1.0), (1.0, 0.5), (0.5, 1.0), (0.9, 0.1), (0.2, 0.9)])
def test_beats_leave_in_order_and_as_early_as_they_can(words, offer, ready):
    rng = np.random.default_rng(words)
    queue = ResultQueue(8, words)
    waiting, seen, most = [], 0, 0  # the beats inside with the cycle in which each came

    async def testbench(ctx):
        nonlocal seen, most
        valid_since = 0  # the register is free for the next beat from here on
        for cycle in range(400):
            valid, takes = len(waiting) < words and rng.random() < offer, rng.random() < ready
            beat = int(rng.integers(256))
            ctx.set(queue.i.valid, valid)
            ctx.set(queue.i.payload, beat if valid else beat ^ 255)
            ctx.set(queue.o.ready, takes)
            is_due = bool(waiting) and cycle >= max(valid_since, waiting[0][0] + ResultQueue.latency)
            assert ctx.get(queue.o.valid) == is_due
            if is_due:
                assert ctx.get(queue.o.payload) == waiting[0][1]
                if takes:
                    waiting.pop(0)
                    seen, valid_since = seen + 1, cycle + 1
            if valid:
                waiting.append((cycle, beat))
            most = max(most, len(waiting))
            await ctx.tick()

    run(queue, testbench)
    assert seen > 30
    assert most == words or ready > offer or (ready == offer and words > 2)
