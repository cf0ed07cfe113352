"""When nextpnr's router 1 is taken to go on for ever."""

import pytest

from hw.fpga.livelock import LIMIT, LivelockError, Watch

HEADER = "Info:    IterCnt |  w/ripup   wo/ripup |  w/r  wo/r |      arcs| batch(sec) total(sec)|"


def row(iterations, remaining):
    return f"Info: {iterations:10} | {52:8} {3940:10} | {1000:4} {0:5} | {remaining:9}|       0.12       3.31|\n"


def feed(remaining):
    watch = Watch()
    watch(HEADER)
    for index, arcs in enumerate(remaining):
        watch(row(1000 * (index + 1), arcs))


def test_a_router_that_halves_its_arcs_goes_on():
    feed([*range(15436, 999, -1000), 499, 249, 124, 62, 0])


@pytest.mark.parametrize("turns", [(400,), (400, 420), (430, 420, 410, 400)])
def test_a_router_that_turns_among_the_same_arcs_does_not_end(turns):
    rows = [1000, 430, *(turns * LIMIT)]
    last = next(index for index in range(2, 30) if 1000 * (index - 1) >= LIMIT * rows[index])
    with pytest.raises(LivelockError, match=rf"^{rows[last]} arcs remain, and {last - 1}000 iterations"):
        feed(rows[: last + 1])
    feed(rows[:last])
    feed([*rows[:last], 215, *rows[:2], 0])


def test_a_router_that_ends_after_hours_is_not_waited_for():
    seen = [1177, 530, 275, 86, 72]
    feed([*seen[:-1], 0])
    with pytest.raises(LivelockError, match=r"^72 arcs remain, and 1000 iterations have not halved them$"):
        feed(seen)


def test_other_lines_count_for_nothing():
    watch = Watch()
    for line in ["Info: [  2873,   3330) |********************+\n", HEADER, "Info: Routing 16347 arcs.\n"] * LIMIT:
        watch(line)
