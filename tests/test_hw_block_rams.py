"""Block RAMs by rule; that synthesis takes as many is shown by bench/resource_model.py."""

import pytest

from hw.block_rams import BlockRam, block_rams, short_roms
from hw.config import ArrayConfig


@pytest.mark.parametrize(
    ("changes", "blocks"),
    [
        ({"weight_words": 16}, 0),
        ({"weight_words": 17}, 29),
        ({"weight_words": 16, "reloadable": True}, 0),
        ({"weight_words": 17, "reloadable": True}, 29),
        ({"weight_words": 65, "reloadable": True}, 29),
        ({"weight_words": 512, "weight_bits": 8, "lanes": 2, "taps": 2}, 1),
        ({"weight_words": 513, "weight_bits": 8, "lanes": 2, "taps": 2}, 2),
        ({"weight_words": 512, "weight_bits": 8, "lanes": 16, "taps": 8}, 29),
        ({"weight_words": 2048, "weight_bits": 8, "lanes": 1, "taps": 1}, 1),
        ({"hidden_words": 200, "lanes": 1, "taps": 4, "unaligned_reads": True}, 4),
        ({"hidden_words": 200, "lanes": 1, "taps": 4, "pixels": 2, "unaligned_reads": True}, 8),
        ({"hidden_words": 200, "lanes": 1, "taps": 4}, 1),
    ],
)
def test_block_rams(changes, blocks):
    short = {"weight_words": 2, "input_words": 2, "hidden_words": 2, "parameter_words": 2, "program_words": 2}
    assert block_rams(ArrayConfig(**(short | changes))) == blocks


def test_a_family_of_narrow_block_rams_that_has_no_others():
    block = BlockRam(ratios=((16, 256), (8, 512), (4, 1024), (2, 2048)), shallow=0, roms=64)
    words = {"weight_words": 1632, "input_words": 1568, "hidden_words": 32}
    config = ArrayConfig(lanes=8, taps=1, accumulator_bits=20, **words)
    assert block_rams(config, block) == 4 * 7 + 4 + 1 + 2


def test_short_memories_that_are_never_written_are_in_tables():
    words = {"weight_words": 16, "parameter_words": 65}
    config = ArrayConfig(lanes=4, taps=2, **words)
    assert short_roms(config) == [(4 * 2 * 8, 16)]
    assert short_roms(ArrayConfig(lanes=4, taps=2, reloadable=True, **words)) == []
    assert short_roms(ArrayConfig(lanes=4, taps=2, weight_words=17, parameter_words=9))[0][1] == 9
