"""Memory plan: where tensors, weights and parameters lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from hw.config import ArrayConfig
from hw.mapping import Mapping
from hw.operations import INPUT
from hw.region import Region
from hw.schedule import Schedule, interference


@dataclass(frozen=True)
class MemoryPlan:
    """Where everything lies, and how deep the memories must be for it.

    Parameters
    ----------
    places: by operation, and INPUT, the base address of its result for an even and for an odd image.
    weight_bases, parameter_bases: per operation, the first word.
    input_words, hidden_words, weight_words, parameter_words: depths, as in ArrayConfig.
    """

    places: dict[int, tuple[int, int]]
    weight_bases: tuple[int, ...]
    parameter_bases: tuple[int, ...]
    input_words: int
    hidden_words: int
    weight_words: int
    parameter_words: int


def plan_memory(mappings: tuple[Mapping, ...], schedule: Schedule, config: ArrayConfig) -> MemoryPlan:
    """Place tensors where they meet none that is alive at the same time; those that two images need get two places.

    A tensor begins at a word boundary. A sum that was filled up reads beyond its tensor (and meets zero
    weights), so the memories reach as far as any read does.
    """
    taps = config.taps
    source = mappings[0].source
    # Copies of the uppermost rows of pixels lie before the first row that is read.
    margin = -(-max(0, mappings[0].operation.row_dilation - 1 - source.border) * source.pitch // taps) * taps
    image = margin + -(-source.size // taps) * taps
    pixels = {INPUT: (margin, margin + image)}
    by_size = sorted(range(len(mappings) - 1), key=lambda index: -mappings[index].result.size)
    together = interference(schedule)
    plans = [_first_fit(mappings, schedule, together, order) for order in (range(len(mappings) - 1), by_size)]
    # In program order it is never deeper than side by side.
    hidden = min(plans, key=lambda places: _end(mappings, places))
    weights = [0, *accumulate(mapping.weight_depth for mapping in mappings)]
    parameters = [0, *accumulate(mapping.parameter_depth for mapping in mappings)]
    slack = 1 if config.unaligned_reads else 0  # of the word behind a vector's first one, also where it ends in that
    return MemoryPlan(
        places=pixels | hidden,
        weight_bases=tuple(weights[:-1]),
        parameter_bases=tuple(parameters[:-1]),
        input_words=-(-max(2 * image, _end(mappings, pixels)) // taps) + slack,
        hidden_words=-(-_end(mappings, hidden) // taps) + slack,
        weight_words=weights[-1],
        parameter_words=parameters[-1],
    )


def _first_fit(
    mappings: tuple[Mapping, ...], schedule: Schedule, together: np.ndarray, order: Sequence[int]
) -> dict[int, tuple[int, int]]:
    """Places of the results, each in its turn as low as it can: no element meets a border, or one alive with it.

    Tried are the beginning, and the base, the first element and the end of what has a place. The copies of a result lie
    side by side, so operands of one size are equally far apart in both; and since one of them is alive at any time, it
    would gain nothing to place them apart.
    """
    taps = mappings[0].config.taps
    sizes = {index: -(-mappings[index].result.size // taps) * taps for index in order}
    blocks, bases = {}, {}
    for index in order:
        block = blocks[index] = _Block.of(mappings[index].result, sizes[index], schedule.copies[index])
        starts = {0}
        for other, base in bases.items():
            starts |= {base, base + mappings[other].result.origin, base + len(blocks[other].border)}
        bases[index] = min(
            base
            for base in (-(-start // taps) * taps for start in starts)
            if not any(
                block.meets(blocks[other], there - base, together[index, other]) for other, there in bases.items()
            )
        )
    return {index: (base, base + (schedule.copies[index] - 1) * sizes[index]) for index, base in bases.items()}


@dataclass(frozen=True, eq=False)
class _Block:
    """The copies of a result: (size,) where they have elements and where a border."""

    elements: np.ndarray
    border: np.ndarray

    @classmethod
    def of(cls, region: Region, size: int, copies: int) -> "_Block":
        """So many copies, from one to the next `size` elements."""
        kinds = (region.elements, ~region.elements)
        return cls(*(np.tile(np.pad(kind, (0, size - region.size)), copies) for kind in kinds))

    def meets(self, other: "_Block", distance: int, together: bool) -> bool:
        """Whether the other block, so much further, may not lie there. together: whether both are alive at once."""
        if distance < 0:
            return other.meets(self, -distance, together)
        length = max(0, min(len(self.border) - distance, len(other.border)))
        here, there = slice(distance, distance + length), slice(length)
        elements, border = self.elements[here], self.border[here]
        theirs = other.elements[there] | other.border[there] if together else other.border[there]
        return bool((elements & theirs).any() or (border & other.elements[there]).any())


def _end(mappings: tuple[Mapping, ...], places: dict[int, tuple[int, int]]) -> int:
    """End of all elements that are read or written there."""
    written = [places[index][1] + mapping.result.size for index, mapping in enumerate(mappings) if index in places]
    reads = [
        places[source][1] + mapping.reads_to
        for mapping in mappings
        for source in mapping.operation.sources
        if source in places
    ]
    return max(written + reads, default=0)
