"""Memory plan: where tensors, weights and parameters lie."""

from dataclasses import dataclass
from itertools import accumulate

from hw.config import ArrayConfig
from hw.mapping import Mapping
from hw.operations import INPUT
from hw.schedule import Schedule


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
    """Place tensors one behind the other; those that two images need at once get two places.

    A tensor begins at a word boundary. A sum that was filled up reads beyond its tensor (and meets zero
    weights), so the memories reach as far as any read does.
    """
    taps = config.taps
    source = mappings[0].source
    # Copies of the uppermost rows of pixels lie before the first row that is read.
    margin = -(-max(0, mappings[0].operation.row_dilation - 1 - source.border) * source.pitch // taps) * taps
    image = margin + -(-source.size // taps) * taps
    places = {INPUT: (margin, margin + image)}
    ends = {False: 2 * image, True: 0}  # elements read or written in the input and in the hidden memory
    for index, mapping in enumerate(mappings[:-1]):
        size, begin = -(-mapping.result.size // taps) * taps, ends[True]
        places[index] = (begin, begin + (schedule.copies[index] - 1) * size)
        ends[True] = places[index][1] + size
    for mapping in mappings:
        for source in mapping.operation.sources:
            hidden = source != INPUT
            ends[hidden] = max(ends[hidden], places[source][1] + mapping.reads_to)
    weights = [0, *accumulate(mapping.weight_depth for mapping in mappings)]
    parameters = [0, *accumulate(mapping.parameter_depth for mapping in mappings)]
    slack = 1 if config.unaligned_reads else 0  # an unaligned vector also touches the word behind its first one
    return MemoryPlan(
        places=places,
        weight_bases=tuple(weights[:-1]),
        parameter_bases=tuple(parameters[:-1]),
        input_words=-(-ends[False] // taps) + slack,
        hidden_words=-(-ends[True] // taps) + slack,
        weight_words=weights[-1],
        parameter_words=parameters[-1],
    )
