"""Whether nextpnr's first router goes on for ever, from the table it prints.

On some placements router 1 rips up the same few arcs again and again and never ends (nextpnr issue 1341), or ends
after hours. It is found by iterations, not by time, so that the same seed gives the same result on every machine.
"""

import re

LIMIT = 10
"""How many times each of the arcs that remain may have been routed, on average, since twice as many of them remained.
An iteration routes one arc, and of a router that ends needs few per arc."""
ROW = re.compile(r"Info: +(?P<iterations>\d+) \| +\d+ +\d+ \| +\d+ +\d+ \| +(?P<remaining>\d+)\|")
"""Iterations, arcs routed with and without rip-up in all, and since the row before, arcs that remain."""


class LivelockError(Exception):
    """Router 1 does not end."""


class Watch:
    """Takes the lines that nextpnr prints."""

    def __init__(self) -> None:
        self.since = 0
        self.half: int | None = None

    def __call__(self, line: str) -> None:
        """Raises LivelockError with the line that tells that router 1 does not end."""
        row = ROW.match(line)
        if row is None:
            return
        iterations, remaining = int(row["iterations"]), int(row["remaining"])
        if self.half is None or remaining <= self.half:
            self.since, self.half = iterations, remaining // 2
            return
        spent = iterations - self.since
        if spent >= LIMIT * remaining:
            raise LivelockError(f"{remaining} arcs remain, and {spent} iterations have not halved them")
