"""Memory plan: where tensors, weights and parameters lie."""

from dataclasses import dataclass

import numpy as np

from hw.config import ArrayConfig
from hw.mapping import Mapping
from hw.schedule import Schedule


@dataclass(frozen=True)
class MemoryPlan:
    """Where everything lies, and how deep the memories must be for it.

    Parameters
    ----------
    reads, writes: per layer, element addresses of its source and its result, of an even and of an odd image.
    weight_bases, parameter_bases: per layer, the first word.
    input_words, hidden_words, weight_words, parameter_words: depths, as in ArrayConfig.
    """

    reads: tuple[tuple[int, int], ...]
    writes: tuple[tuple[int, int], ...]
    weight_bases: tuple[int, ...]
    parameter_bases: tuple[int, ...]
    input_words: int
    hidden_words: int
    weight_words: int
    parameter_words: int


def plan_memory(mappings: tuple[Mapping, ...], schedule: Schedule, config: ArrayConfig) -> MemoryPlan:
    """Place tensors one behind the other; those that two images need at once get two places.

    A tensor begins at a word boundary, or right behind the one before it if both reads and writes may
    be unaligned. A sum that was filled up reads beyond its tensor (and meets zero weights), so the
    memories reach as far as any read does.
    """
    taps = config.taps
    image = mappings[0].useful_chunks * taps
    regions = [(0, image)]
    ends = [0, 0]  # elements read or written in the input and in the hidden memory
    ends[0] = max(2 * image, image + mappings[0].chunks * taps)
    packed = config.unaligned_reads and config.unaligned_writes
    place = 0
    for mapping, reader, copies in zip(mappings, mappings[1:], schedule.copies, strict=False):
        size = mapping.layer.outputs if packed else -(-mapping.layer.outputs // taps) * taps
        bases = [place + copy * size for copy in range(copies)]
        regions.append((bases[0], bases[-1]))
        place += copies * size
        # An unaligned vector also touches the word behind its first one.
        ends[1] = max(ends[1], place, bases[-1] + reader.chunks * taps + (taps if packed else 0))
    steps = np.cumsum([0, *(mapping.steps for mapping in mappings)]).tolist()
    parameters = np.cumsum([0, *(mapping.parameter_words for mapping in mappings)]).tolist()
    slack = 1 if config.unaligned_reads else 0
    return MemoryPlan(
        reads=tuple(regions),
        writes=(*regions[1:], (0, 0)),
        weight_bases=tuple(steps[:-1]),
        parameter_bases=tuple(parameters[:-1]),
        input_words=-(-ends[0] // taps) + slack,
        hidden_words=-(-ends[1] // taps) + slack,
        weight_words=steps[-1],
        parameter_words=parameters[-1],
    )
