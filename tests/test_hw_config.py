import json

import pytest

from hw.config import LIMITS, ArrayConfig
from sw.errors import InputError
from sw.fixed import Format

RANGES = {
    "lanes": (1, 64),
    "taps": (1, 16),
    "pixels": (1, 4),
    "drain_parts": (1, 16),
    "weight_bits": (2, 8),
    "activation_bits": (2, 8),
    "input_bits": (8, 8),
    "interleave": (1, 16),
    "accumulator_bits": (2, 53),
    "logit_bits": (2, 53),
    "multiplier_bits": (0, 16),
    "shift_bits": (1, 6),
    "loops": (2, 10),
    "reduction_loops": (1, 4),
    "pool_loops": (0, 2),
    "input_words": (2, 1048576),
    "hidden_words": (2, 1048576),
    "weight_words": (2, 1048576),
    "parameter_words": (2, 1048576),
    "program_words": (2, 1024),
    "result_words": (2, 65536),
    "stages": (1, 64),
    "delay_bits": (1, 24),
}


def test_every_number_has_a_range():
    assert LIMITS == RANGES
    assert set(ArrayConfig().to_json()) == {
        *RANGES,
        "unaligned_reads",
        "unaligned_writes",
        "input_gaps",
        "follows_input",
        "reloadable",
    }


@pytest.mark.parametrize("name", RANGES)
def test_both_ends_of_a_range_are_taken(name):
    for value in RANGES[name]:
        others = {"loops": 10 if name == "pool_loops" else 8, "taps": 16}
        assert getattr(ArrayConfig(**others | {name: value}), name) == value


@pytest.mark.parametrize("name", RANGES)
def test_values_outside_of_a_range_are_refused(name):
    low, high = RANGES[name]
    for value in (low - 1, high + 1, -1):
        with pytest.raises(InputError, match=rf"^{name} must be {low}\.\.{high}, not {value}$"):
            ArrayConfig(**{name: value})


@pytest.mark.parametrize("value", [1.0, "8", None, True])
@pytest.mark.parametrize("name", RANGES)
def test_numbers_must_be_ints(name, value):
    with pytest.raises(TypeError, match=f"^{name} must be an int, not {value!r}$"):
        ArrayConfig(**{name: value})


@pytest.mark.parametrize("value", [0, 1, "yes", None])
@pytest.mark.parametrize("name", ["unaligned_reads", "unaligned_writes", "input_gaps"])
def test_options_must_be_bools(name, value):
    with pytest.raises(TypeError, match=f"^{name} must be a bool, not {value!r}$"):
        ArrayConfig(**{name: value})


@pytest.mark.parametrize("name", ["unaligned_reads", "unaligned_writes"])
def test_one_tap_has_nothing_to_align(name):
    with pytest.raises(InputError, match="must be False with 1 tap"):
        ArrayConfig(taps=1, **{name: True})
    assert getattr(ArrayConfig(taps=2, **{name: True}), name)


@pytest.mark.parametrize("loops", [2, 3, 4])
@pytest.mark.parametrize("pool", [0, 1])
def test_a_loop_above_sums_and_pools_walks_the_tiles(loops, pool):
    config = ArrayConfig(loops=loops + pool, reduction_loops=loops - 1, pool_loops=pool)
    assert config.tile_loop == loops + pool - 1
    rule = (
        rf"^reduction_loops and pool_loops together must be less than loops \({loops}\), not {loops - pool} and {pool}:"
    )
    with pytest.raises(InputError, match=rule):
        ArrayConfig(loops=loops, reduction_loops=loops - pool, pool_loops=pool)


def test_parts_of_a_word_are_equal():
    assert [ArrayConfig(lanes=5, taps=6, drain_parts=parts).drain_channels for parts in (1, 2, 3, 6)] == [6, 3, 2, 1]
    assert [ArrayConfig(lanes=5, taps=6, drain_parts=parts).requantizers for parts in (1, 2, 6)] == [5, 3, 1]
    with pytest.raises(InputError, match=r"^drain_parts must divide taps \(6\), not be 4$"):
        ArrayConfig(taps=6, drain_parts=4)


def test_a_part_of_a_word_is_aligned():
    with pytest.raises(InputError, match=r"^unaligned_writes must be False with drain_parts of 2, more than 1$"):
        ArrayConfig(taps=6, drain_parts=2, unaligned_writes=True)


def test_three_columns_are_refused():
    with pytest.raises(InputError, match=r"^pixels must be 1, 2 or 4, not 3$"):
        ArrayConfig(pixels=3)


def test_shape_and_multipliers():
    config = ArrayConfig(lanes=6, taps=5, pixels=4)
    assert (config.shape, config.macs, config.word_weights) == ("6 lanes x 5 taps x 4 pixels", 120, 30)
    assert ArrayConfig(lanes=6, taps=5).shape == "6 lanes x 5 taps"


def test_input_is_spread_for_either_reason():
    assert not ArrayConfig().spreads_input
    assert ArrayConfig(interleave=2).spreads_input
    assert ArrayConfig(input_gaps=True).spreads_input


def test_json_round_trip():
    config = ArrayConfig(lanes=3, taps=5, unaligned_reads=True, result_words=77)
    assert ArrayConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_json_with_unknown_or_missing_names_is_refused():
    values = ArrayConfig().to_json()
    with pytest.raises(InputError, match=r"exactly the known parameters; unknown or missing: columns$"):
        ArrayConfig.from_json(values | {"columns": 2})
    del values["lanes"], values["taps"]
    with pytest.raises(InputError, match=r"unknown or missing: lanes, taps$"):
        ArrayConfig.from_json(values)


def test_json_is_checked_like_arguments():
    with pytest.raises(InputError, match=r"^taps must be 1\.\.16, not 17$"):
        ArrayConfig.from_json(ArrayConfig().to_json() | {"taps": 17})


@pytest.mark.parametrize(
    ("lanes", "taps", "parts", "drain_words"),
    [
        (1, 1, 1, 1),
        (16, 8, 1, 2),
        (17, 8, 1, 3),
        (5, 7, 1, 1),
        (5, 3, 1, 2),
        (16, 8, 2, 4),
        (17, 8, 4, 9),
        (5, 7, 7, 5),
    ],
)
def test_derived_sizes(lanes, taps, parts, drain_words):
    config = ArrayConfig(lanes=lanes, taps=taps, drain_parts=parts)
    assert (config.macs, config.drain_words) == (lanes * taps, drain_words)


def test_formats():
    config = ArrayConfig(weight_bits=5, activation_bits=4, accumulator_bits=20)
    assert config.operand_format.holds(-128, 255)
    assert config.weight_format == Format(5, signed=True)


def test_counter_is_wide_enough_for_every_memory():
    config = ArrayConfig(taps=3, input_words=50, weight_words=10, parameter_words=10)
    assert (1 << config.count_bits) >= 150
    assert (1 << ArrayConfig(hidden_words=900, taps=5).count_bits) >= 4500
    assert (1 << ArrayConfig(weight_words=5000).count_bits) >= 5000
