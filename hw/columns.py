"""Columns: which positions the pixel columns of the array work on at the same time.

Either they are positions of one pooling window, whose greatest sum counts, or neighbouring output positions
with a result each. A pooling window may be covered with overlaps, for a sum that is compared twice changes no
maximum; neighbours beyond the end of a line have no result.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from hw.operations import Operation


@dataclass(frozen=True)
class Columns:
    """An arrangement of columns.

    Parameters
    ----------
    pools: positions of one pooling window; else of neighbouring results.
    rows, across: positions at the same time, downwards and along a line. Columns beyond rows·across repeat the first.
    """

    pools: bool = True
    rows: int = 1
    across: int = 1

    @property
    def axes(self) -> tuple[int, int]:
        """Positions at the same time along (y, x)."""
        return self.rows, self.across

    def pool_starts(self, operation: Operation) -> tuple[range, range]:
        """Places in the pooling window along (y, x) at which the columns stand, one after the other."""
        if not self.pools:
            return range(operation.pool[0]), range(operation.pool[1])
        return tuple(_cover(length, together) for length, together in zip(operation.pool, self.axes, strict=True))

    def groups(self, operation: Operation) -> tuple[int, int]:
        """Groups of neighbouring results along (y, x)."""
        if self.pools:
            return operation.shape[0], operation.shape[1]
        return -(-operation.shape[0] // self.rows), -(-operation.shape[1] // self.across)

    def last(self, operation: Operation) -> int:
        """Results of the last group along its line."""
        if self.pools:
            return 1
        axis = 0 if self.rows > 1 else 1
        return operation.shape[axis] - (self.groups(operation)[axis] - 1) * self.axes[axis]


ONE_COLUMN = Columns()
"""All columns do the same."""


def arrangements(operation: Operation, pixels: int) -> Iterator[Columns]:
    """All arrangements of so many columns for an operation; the first uses one column only."""
    for rows in range(1, pixels + 1):
        for across in range(1, pixels // rows + 1):
            starts = zip(operation.pool, (rows, across), strict=True)
            if all(_cover(length, together) is not None for length, together in starts):
                yield Columns(True, rows, across)
    if pixels > 1 and not operation.is_result:
        if operation.shape[1] > 1:
            yield Columns(False, 1, pixels)
        if operation.shape[0] > 1:
            yield Columns(False, pixels, 1)


def _cover(length: int, together: int) -> range | None:
    """Starts of runs of `together` places that cover 0..length-1 at a constant distance; None if there are none."""
    if together > length:
        return None
    runs = -(-length // together)
    if runs == 1:
        return range(1)
    if (length - together) % (runs - 1):
        return None
    step = (length - together) // (runs - 1)
    return range(0, runs * step, step)
