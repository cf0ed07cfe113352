"""Watermark: lets the first operation work on an image while its pixels still arrive.

The nest holds a step back until the loader has written what it reads. Pixels arrive row by row, so the place of
the next beat is a mark: what lies before it is written, but for the copies of interleaved rows, of which the last
lies so many rows ahead of its own. A step may be made when its read address, in words, is at least `ahead`
words below the mark, or when the whole image is there. The last step waits for the whole image, for it frees the
buffer.
"""

import numpy as np
from amaranth import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.config import ArrayConfig
from hw.loop_nest import step_layout
from hw.mapping import Mapping
from hw.memories import BankedMemory
from hw.program import header_layout, input_address
from hw.spreader import WRITE_CYCLES
from hw.stream import delayed, pipeline

UPDATE_CYCLES = 1
"""Cycles from a write to the first step that may know of it, where the memory needs no more."""


def words_ahead(mapping: Mapping) -> int:
    """Words from the one that a step's address names to the end of all that it reads, interleaved copies included."""
    config, taps = mapping.config, mapping.config.taps
    within = taps - 1 if config.unaligned_reads else 0  # the address may lie at the end of its word
    copies = (mapping.operation.row_dilation - 1) * mapping.source.pitch
    return -(-(within + taps + max((0, *mapping.column_offsets)) + copies) // taps)


def read_cycles(mapping: Mapping) -> np.ndarray:
    """(steps,) first cycle in which each step of the first operation may be made, if no other held it back.

    For pixels that come without a gap, the first beat being taken in cycle 0.
    """
    config, source = mapping.config, mapping.source
    row = source.row // mapping.operation.row_dilation
    beats = mapping.beat_cycles
    line, place = np.divmod(np.arange(1, len(beats) + 1) * config.taps, row)
    marks = source.origin + line * source.pitch + place * mapping.operation.row_dilation
    needed = mapping.step_reads() // config.taps + words_ahead(mapping)
    beat = np.searchsorted(marks // config.taps, needed)
    beat = np.minimum(beat, len(beats) - 1)
    beat[-1] = len(beats) - 1
    return beats[beat] + UPDATE_CYCLES + _late(config)


def _late(config: ArrayConfig) -> int:
    """Cycles that a write to the input memory takes longer than a read, so that the step must wait for it."""
    write_setup = BankedMemory.write_setup(input_address(config).unaligned)
    write_setup += WRITE_CYCLES * config.spreads_input
    return max(0, write_setup - BankedMemory.read_setup(config))


class Watermark(wiring.Component):
    """Compares the read address of a step with the place where the loader writes.

    Parameters
    ----------
    config: the array.

    Members
    -------
    header: In(header_layout).
    written, next_start, full: In, from the loader.
    i: In(pipeline(step_layout)), the step that is to be made.
    hold: Out(1), what it reads is not yet written.
    """

    def __init__(self, config: ArrayConfig):
        self.config = config
        super().__init__(
            {
                "header": In(header_layout(config)),
                "written": In(1),
                "next_start": In(input_address(config)),
                "full": In(2),
                "i": In(pipeline(step_layout(config))),
                "hold": Out(1),
            }
        )

    def elaborate(self, platform):
        """Build the mark, less what a step reads ahead, and the comparison."""
        m = Module()
        late = _late(self.config)
        mark = Signal(signed(len(self.next_start.word) + 2))
        full = delayed(m, self.full, late, reset=True)
        with m.If(self.written):
            m.d.sync += mark.eq(self.next_start.word - self.header.ahead)
        step = self.i.payload
        is_full = Mux(step.odd, full[1], full[0])
        behind = step.reads[0].word.as_unsigned() > delayed(m, mark, late, reset=True)
        m.d.comb += self.hold.eq(self.i.valid & ~step.reads_hidden & ~is_full & (behind | step.ends))
        return m
