"""Block RAMs that an array takes, by rule: each memory cut into columns as wide and deep as a block RAM can be.

Synthesis decides in the end; `amarray synth` counts.
"""

from dataclasses import dataclass
from math import ceil

from hw.classifier import result_layout
from hw.config import ArrayConfig
from hw.memories import SHALLOW, static_memories, weights_in_block_ram


@dataclass(frozen=True)
class BlockRam:
    """A block RAM with a port to read and one to write.

    Parameters
    ----------
    ratios: the (width, depth) that it can have. shallow: memories of at most so many words go into lookup tables.
    roms: the same for memories that are never written, but for the weights, whose block RAM is demanded.
    """

    ratios: tuple[tuple[int, int], ...]
    shallow: int
    roms: int


BLOCK_RAM = BlockRam(((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384)), shallow=SHALLOW, roms=64)
"""Of 18 kbit, as most open FPGAs have it."""


def block_rams(config: ArrayConfig, block: BlockRam = BLOCK_RAM) -> int:
    """How many of these block RAMs the array's memories take."""
    banks = 2 if config.reloadable else 1
    memories = [
        (width, banks * depth, 1)
        for name, (width, depth) in _laid_down(config).items()
        if not _in_tables(config, name, depth, block)
    ]
    memories += [memory for memory in written_memories(config) if memory[1] > block.shallow]
    return sum(
        count * min(ceil(width / wide) * ceil(depth / deep) for wide, deep in block.ratios)
        for width, depth, count in memories
    )


def short_roms(config: ArrayConfig, block: BlockRam = BLOCK_RAM) -> list[tuple[int, int]]:
    """(width, depth) of the memories that are never written and too short for a block RAM; the program is none of them.

    Most bits of a program are the same in all words, and are no memory in the end.
    """
    if config.reloadable:
        return []
    return [
        memory
        for name, memory in _laid_down(config).items()
        if name != "program" and _in_tables(config, name, memory[1], block)
    ]


def _in_tables(config: ArrayConfig, name: str, depth: int, block: BlockRam) -> bool:
    """Whether synthesis puts one of the compiler's memories into lookup tables."""
    if name == "weights" and weights_in_block_ram(config):
        return False
    return 2 * depth <= block.shallow if config.reloadable else depth <= block.roms


def _laid_down(config: ArrayConfig) -> dict[str, tuple[int, int]]:
    """Width and depth of the memories of the compiler, without the parameters of channels that no lane has."""
    channels = config.requantizers
    return {
        name: (width // config.drain_channels * channels if name == "parameters" else width, depth)
        for name, (depth, width) in static_memories(config).items()
    }


def written_memories(config: ArrayConfig) -> list[tuple[int, int, int]]:
    """(width, depth, how many) of the memories that the array writes while it runs."""
    reads = config.taps if config.unaligned_reads else 1
    banks = config.taps if config.unaligned_reads or config.unaligned_writes else 1
    return [
        (config.taps // reads * config.input_bits, config.input_words, reads * config.pixels),
        (config.taps // banks * config.activation_bits, config.hidden_words, banks * config.pixels),
        (result_layout(config).size, config.result_words, 1),
    ]
