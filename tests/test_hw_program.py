import dataclasses

import numpy as np
import pytest

from hw.address import AddressLayout
from hw.config import ArrayConfig
from hw.program import (
    Header,
    Instruction,
    Level,
    decode,
    encode,
    header_layout,
    header_values,
    hidden_address,
    input_address,
    instruction_layout,
    read_address,
    write_address,
)
from sw.errors import InputError

CONFIG = ArrayConfig(
    lanes=6,
    taps=5,
    activation_bits=7,
    loops=4,
    pixels=4,
    input_gaps=True,
    interleave=3,
    input_words=40,
    hidden_words=20,
    weight_words=100,
    parameter_words=9,
    stages=5,
    delay_bits=6,
    unaligned_reads=True,
    unaligned_writes=True,
)
ALIGNED = dataclasses.replace(CONFIG, unaligned_reads=False, unaligned_writes=False)
READS, WRITES, WEIGHTS = 64 * 5, 32 * 5, 128  # addresses: the depths rounded up to a power of two, times the taps


def random_instruction(rng, *, backward: bool, unit: int) -> Instruction:
    def step(depth):
        return int(rng.integers(-depth // unit if backward else 0, depth // unit)) * unit

    def base(depth):
        return int(rng.integers(0, depth // unit)) * unit

    levels = [
        Level(
            int(rng.integers(1, 201)),
            step(READS),
            int(rng.integers(-WEIGHTS if backward else 0, WEIGHTS)),
            step(WRITES),
            int(rng.integers(-16 if backward else 0, 16)),
        )
        for _ in range(4)
    ]
    flags = {field.name: bool(rng.integers(2)) for field in dataclasses.fields(Instruction) if field.type is bool}
    return Instruction(
        levels=tuple(levels),
        delay=int(rng.integers(64)),
        age=int(rng.integers(8)),
        read_bases=(base(READS), base(READS)),
        write_bases=(base(WRITES), base(WRITES)),
        weight_base=int(rng.integers(WEIGHTS)),
        parameter_base=int(rng.integers(16)),
        tile_lanes=int(rng.integers(8)),
        last_lanes=int(rng.integers(8)),
        reads_signed=(bool(rng.integers(2)), bool(rng.integers(2))),
        column_offsets=(base(READS), base(READS), base(READS)),
        column_write=base(WRITES),
        last_columns=int(rng.integers(8)),
        high=int(rng.integers(128)),
        **flags,
    )


@pytest.mark.parametrize("config", [CONFIG, ALIGNED])
@pytest.mark.parametrize("seed", range(20))
def test_decode_is_the_inverse_of_encode(seed, config):
    unit = 1 if config.unaligned_reads else 5
    instruction = random_instruction(np.random.default_rng(seed), backward=False, unit=unit)
    word = encode(instruction, config)
    assert 0 <= word < 1 << instruction_layout(config).size
    assert decode(word, config) == instruction


@pytest.mark.parametrize("seed", range(20))
def test_backward_steps_come_back_modulo_the_depth(seed):
    instruction = random_instruction(np.random.default_rng(seed), backward=True, unit=1)
    for given, found in zip(instruction.levels, decode(encode(instruction, CONFIG), CONFIG).levels, strict=True):
        assert found.read_step == given.read_step % READS
        assert found.weight_step == given.weight_step % WEIGHTS
        assert found.write_step == given.write_step % WRITES
        assert found.parameter_step == given.parameter_step % 16


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "delay": (-1, 65),
        "age": (-1, 8),
        "read_bases": ((0, READS), (READS, 0), (-1, 0)),
        "write_bases": ((0, WRITES), (WRITES, 0), (-1, 0)),
        "weight_base": (-1, WEIGHTS),
        "parameter_base": (-1, 16),
        "tile_lanes": (-1, 8),
        "last_lanes": (-1, 8),
        "last_columns": (-1, 8),
        "column_offsets": ((), (0, 0), (0,) * 4),
        "pools_columns": (-1, 2),
        "high": (-1, 128),
        "reads_hidden": (-1, 2),
        "reads_signed": ((-1, 0), (0, 2), (1,)),
        "writes_signed": (-1, 2),
        "is_result": (-1, 2),
        "releases_input": (-1, 2),
        "ends_segment": (-1, 2),
        "levels": (
            (Level(),) * 3,
            (Level(),) * 5,
            (Level(0), *(Level(),) * 3),
            (*(Level(),) * 3, Level(257)),
            (*(Level(),) * 3, Level(-1)),
        ),
    }.items(),
)
def test_a_value_that_does_not_fit_is_refused(field, values):
    for value in values:
        instruction = dataclasses.replace(Instruction((Level(),) * 4, column_offsets=(0, 0, 0)), **{field: value})
        with pytest.raises(InputError, match=rf"^instruction\.{field}.* must (be [01]\.\.|have [234] entries)"):
            encode(instruction, CONFIG)


@pytest.mark.parametrize(
    ("field", "values"),
    {
        "delay": (0, 64),
        "age": (0, 7),
        "read_bases": ((0, READS - 1), (READS - 1, 0)),
        "write_bases": ((0, WRITES - 1), (WRITES - 1, 0)),
        "weight_base": (0, WEIGHTS - 1),
        "parameter_base": (0, 15),
        "tile_lanes": (0, 7),
        "last_lanes": (0, 7),
        "last_columns": (0, 7),
        "high": (0, 127),
        "levels": ((Level(1),) * 4, (*(Level(),) * 3, Level(256))),
    }.items(),
)
def test_both_ends_of_a_field_come_back(field, values):
    for value in values:
        instruction = dataclasses.replace(Instruction((Level(),) * 4, column_offsets=(0, 0, 0)), **{field: value})
        assert decode(encode(instruction, CONFIG), CONFIG) == instruction


def test_steps_is_the_product_of_the_counts():
    assert Instruction((Level(3), Level(1), Level(5), Level(7))).steps == 105


@pytest.mark.parametrize(("parts", "unaligned", "in_word"), [(1, False, False), (1, True, True), (2, False, True)])
def test_a_write_address_has_a_place_in_its_word_only_where_writes_need_one(parts, unaligned, in_word):
    config = ArrayConfig(taps=6, hidden_words=20, drain_parts=parts, unaligned_writes=unaligned)
    assert write_address(config) == AddressLayout(20, 6, in_word)
    assert hidden_address(config) == AddressLayout(20, 6, unaligned)


@pytest.mark.parametrize("unaligned", [False, True])
def test_a_read_address_reaches_both_memories(unaligned):
    for depths in ((30, 20), (20, 30)):
        config = ArrayConfig(taps=6, input_words=depths[0], hidden_words=depths[1], unaligned_reads=unaligned)
        assert read_address(config) == AddressLayout(30, 6, unaligned)


@pytest.mark.parametrize(
    ("fields", "in_word"),
    [({}, False), ({"input_gaps": True}, True), ({"interleave": 2}, True), ({"input_gaps": True, "taps": 1}, False)],
)
def test_an_input_address_has_a_place_in_its_word_only_where_pixels_are_spread(fields, in_word):
    config = ArrayConfig(**({"taps": 6, "input_words": 30} | fields))
    assert input_address(config) == AddressLayout(30, config.taps, in_word)


def test_one_column_needs_no_fields_for_columns():
    config = dataclasses.replace(ALIGNED, pixels=1)
    instruction = Instruction((Level(),) * 4, last_lanes=3)
    assert decode(encode(instruction, config), config) == instruction
    assert instruction_layout(config).size < instruction_layout(ALIGNED).size - 3 * 6


HEADER = Header(
    image_words=40,
    classes=CONFIG.result_words,
    drain_start=CONFIG.program_words - 1,
    drain_end=CONFIG.program_words,
    stages=5,
    bases=(7, 199),
    row_elements=200,
    gap=13,
    last_elements=5,
    copies=3,
    copy_step=-17,
    beat_step=15,
)


def test_header_holds_the_greatest_sizes_of_the_array():
    values, address = header_values(HEADER, CONFIG), input_address(CONFIG)
    constant = header_layout(CONFIG).const(values)
    plain = ("image_words", "classes", "drain_start", "drain_end", "stages", "row_elements", "last_elements", "copies")
    for name in plain:
        assert getattr(constant, name) == getattr(HEADER, name)
    assert [address.join(base) for base in constant.bases] == [7, 199]
    assert address.join(constant.gap) == 13
    assert address.join(constant.copy_step) == -17 % READS
    assert address.join(constant.beat_step) == 15


def test_plain_loader_needs_no_description_of_rows():
    config = dataclasses.replace(CONFIG, input_gaps=False, interleave=1)
    values = header_values(dataclasses.replace(HEADER, bases=(5, 195)), config)
    assert set(values) == {"image_words", "classes", "drain_start", "drain_end", "stages", "bases"}


@pytest.mark.parametrize(
    ("field", "value"), [("image_words", 64), ("copies", 4), ("stages", -1), ("bases", (0, READS))]
)
def test_a_header_that_does_not_fit_is_refused(field, value):
    with pytest.raises(InputError, match=rf"{field}.* must be 0\.\."):
        header_values(dataclasses.replace(HEADER, **{field: value}), CONFIG)
