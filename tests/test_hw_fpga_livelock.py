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


def test_a_router_with_fewer_arcs_left_now_and_then_goes_on():
    feed([*range(15436, 5, -1000), *([12] * LIMIT), *([11] * LIMIT), 10, 0])


@pytest.mark.parametrize("turns", [(5,), (5, 6), (7, 6, 5)])
def test_a_router_that_turns_among_the_same_arcs_does_not_end(turns):
    rows = (turns * (LIMIT + 1))[: turns.index(min(turns)) + 1 + LIMIT]
    with pytest.raises(LivelockError, match=f"arcs remain after {LIMIT} rows without one fewer"):
        feed([9, *rows])
    feed([9, *rows[:-1]])


def test_other_lines_count_for_nothing():
    watch = Watch()
    for line in ["Info: [  2873,   3330) |********************+\n", HEADER, "Info: Routing 16347 arcs.\n"] * LIMIT:
        watch(line)
