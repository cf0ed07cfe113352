"""Whether nextpnr's first router goes on for ever, from the table it prints.

On some placements router 1 rips up the same few arcs again and again and never ends (nextpnr issue 1341). It is found
by iterations, not by time, so that the same seed gives the same result on every machine.
"""

import re

LIMIT = 100
"""Rows of the table, of 1,000 iterations each, without an arc fewer left: then the router is taken to go on for ever.
A router that ends has an arc fewer in nearly every row."""
ROW = re.compile(r"Info: +\d+ \| +\d+ +\d+ \| +\d+ +\d+ \| +(?P<remaining>\d+)\|")
"""Iterations, arcs routed with and without rip-up in all, and since the row before, arcs that remain."""


class LivelockError(Exception):
    """Router 1 does not end."""


class Watch:
    """Takes the lines that nextpnr prints."""

    def __init__(self) -> None:
        self.least: int | None = None
        self.rows = 0

    def __call__(self, line: str) -> None:
        """Raises LivelockError with the line that tells that router 1 does not end."""
        row = ROW.match(line)
        if row is None:
            return
        remaining = int(row["remaining"])
        if self.least is None or remaining < self.least:
            self.least, self.rows = remaining, 0
            return
        self.rows += 1
        if self.rows == LIMIT:
            raise LivelockError(f"{remaining} arcs remain after {LIMIT} rows without one fewer")
