"""The instruction: fields, widths, encode and decode.

One instruction runs one operation for one image, as a nest of loops over
position > tile of output channels > pooling window > chunk of `taps` inputs. Four addresses are affine
in the loop indices; `step` of a level is what is added to the address when that level advances and all
levels inside it return to their start, so a nest is counters and one adder per address.
"""

from dataclasses import dataclass, fields

from amaranth import Shape, signed
from amaranth.lib import data
from amaranth.utils import bits_for, ceil_log2

from hw.address import AddressLayout
from hw.config import ArrayConfig
from sw.errors import InputError


@dataclass(frozen=True)
class Level:
    """One level of the loop nest.

    Parameters
    ----------
    count: iterations, at least 1.
    read_step, write_step: added to the element address when this level advances, in elements.
    weight_step, parameter_step: added to the word addresses of weights and of parameters.
    """

    count: int = 1
    read_step: int = 0
    weight_step: int = 0
    write_step: int = 0
    parameter_step: int = 0


@dataclass(frozen=True)
class Instruction:
    """One operation on one image.

    Parameters
    ----------
    levels: the nest, innermost first; config.loops of them.
    delay: idle cycles before the first step.
    age: which image: 0 is the one admitted last, 1 the one before it, ...
    read_bases, write_bases: element address of the tensor for an even and an odd image.
    weight_base, parameter_base: first word in the weight and in the parameter memory.
    column_offsets: what each column but the first adds to the read address, in elements; pixels - 1 of them.
    pools_columns: the columns are positions of one pooling window, and the greatest of their sums counts. Otherwise
        each is a position of its own, with its own result.
    column_write: distance of the columns' results, in elements.
    last_columns: columns that have a result at the end of the level above the tiles'; elsewhere all have.
    tile_lanes, last_lanes: output channels of a tile, and of the last tile, 1..lanes.
    reads_hidden: read the hidden memory, not the input memory.
    reads_signed: whether activations are two's complement, of the first operand and of the last.
    writes_signed: results are two's complement; else unsigned, which is ReLU.
    high: greatest result; results saturate to 0..high, or to -high-1..high if signed.
    is_result: the sums leave as logits; nothing is written.
    releases_input: the input buffer is free after the last step.
    ends_segment: last instruction of the body or of the drain segment.
    """

    levels: tuple[Level, ...]
    delay: int = 0
    age: int = 0
    read_bases: tuple[int, int] = (0, 0)
    write_bases: tuple[int, int] = (0, 0)
    weight_base: int = 0
    parameter_base: int = 0
    column_offsets: tuple[int, ...] = ()
    pools_columns: bool = True
    column_write: int = 0
    last_columns: int = 1
    tile_lanes: int = 1
    last_lanes: int = 1
    reads_hidden: bool = False
    reads_signed: tuple[bool, bool] = (False, False)
    writes_signed: bool = False
    high: int = 0
    is_result: bool = False
    releases_input: bool = False
    ends_segment: bool = False

    @property
    def steps(self) -> int:
        """Cycles in which the array works: the product of all counts."""
        product = 1
        for level in self.levels:
            product *= level.count
        return product


@dataclass(frozen=True)
class Header:
    """What the accelerator must know of the network beside the instructions.

    Parameters
    ----------
    image_words: input beats of one image.
    bases: element addresses of the first pixel of an even and of an odd image.
    row_elements: pixels of a row, channels counted. gap: elements between two rows. last_elements: pixels of the
        last beat. copies: rows that are interleaved. copy_step, beat_step: from the last write of a copy of a beat to
        the next copy, and from a beat to the next one, in elements. All of them matter only to a loader that spreads.
    follows: whether the first operation begins while its image is being loaded. ahead: what it keeps behind the
        loader, in words. Both matter only to an array that can.
    classes: logits of one image.
    drain_start, drain_end: index of the first instruction of the drain segment, and behind its last one; those
        before it are the body.
    stages: images in flight at most, as many as the array has or fewer.
    """

    image_words: int
    classes: int
    drain_start: int
    drain_end: int
    stages: int
    bases: tuple[int, int] = (0, 0)
    row_elements: int = 1
    gap: int = 0
    last_elements: int = 1
    copies: int = 1
    copy_step: int = 0
    beat_step: int = 0
    follows: bool = False
    ahead: int = 0


def read_address(config: ArrayConfig) -> AddressLayout:
    """Layout of an activation read address; wide enough for both activation memories."""
    return AddressLayout(max(config.input_words, config.hidden_words), config.taps, config.unaligned_reads)


def input_address(config: ArrayConfig) -> AddressLayout:
    """Layout of an input memory write address."""
    return AddressLayout(config.input_words, config.taps, config.spreads_input and config.taps > 1)


def write_address(config: ArrayConfig) -> AddressLayout:
    """Layout of a hidden memory write address; a part of a word has a place in it."""
    return AddressLayout(config.hidden_words, config.taps, config.unaligned_writes or config.drain_parts > 1)


def hidden_address(config: ArrayConfig) -> AddressLayout:
    """Layout of an address at the hidden memory's write port, where the mask says which part of a word is written."""
    return AddressLayout(config.hidden_words, config.taps, config.unaligned_writes)


def instruction_layout(config: ArrayConfig) -> data.StructLayout:
    """Layout of one program word.

    Counts are laid down so that the sign of a counter tells its end: `wait` is the delay less 1, and `rest` the count
    of a level less 3, that is -2 in the last iteration and -1 in the one before it.
    """
    read, write = read_address(config), write_address(config)
    weight, parameter = ceil_log2(config.weight_words), ceil_log2(config.parameter_words)
    level = {
        "rest": signed(config.count_bits + 1),
        "read_step": read,
        "weight_step": weight,
        "write_step": write,
        "parameter_step": parameter,
    }
    columns = {
        "pools_columns": 1,
        "column_write": write,
        "last_columns": bits_for(config.pixels),
    }
    return data.StructLayout(
        {
            "levels": data.ArrayLayout(data.StructLayout(level), config.loops),
            "wait": signed(config.delay_bits + 1),
            "age": ceil_log2(config.stages),
            "read_bases": data.ArrayLayout(data.ArrayLayout(read, 2), config.pixels),
            "write_bases": data.ArrayLayout(write, 2),
            "weight_base": weight,
            "parameter_base": parameter,
            **(columns if config.pixels > 1 else {}),
            "tile_lanes": bits_for(config.lanes),
            "last_lanes": bits_for(config.lanes),
            "reads_hidden": 1,
            "reads_signed": data.ArrayLayout(1, 2),
            "writes_signed": 1,
            "high": config.activation_bits,
            "is_result": 1,
            "releases_input": 1,
            "ends_segment": 1,
        }
    )


def header_layout(config: ArrayConfig) -> data.StructLayout:
    """Layout of the header."""
    address = input_address(config)
    spreading = {
        "row_elements": bits_for(config.input_words * config.taps),
        "gap": address,
        "last_elements": bits_for(config.taps),
        "copies": bits_for(config.interleave),
        "copy_step": address,
        "beat_step": address,
    }
    return data.StructLayout(
        {
            "image_words": bits_for(config.input_words),
            "classes": bits_for(config.result_words),
            "drain_start": bits_for(config.program_words),
            "drain_end": bits_for(config.program_words),
            "stages": bits_for(config.stages),
            "bases": data.ArrayLayout(address, 2),
            **(spreading if config.spreads_input else {}),
            **({"follows": 1, "ahead": bits_for(config.input_words)} if config.follows_input else {}),
        }
    )


def header_values(header: Header, config: ArrayConfig) -> dict:
    """The members of `header_layout`. Raises InputError where a field is wider than the configuration allows."""
    address, layout = input_address(config), header_layout(config)
    values = {field.name: getattr(header, field.name) for field in fields(Header)}
    values["bases"] = [address.split(_checked_base("bases", address, base)) for base in header.bases]
    values |= {
        name: address.split(values[name]) for name in ("gap", "copy_step", "beat_step") if name in layout.members
    }
    values = {name: values[name] for name in layout.members}
    _check_fits("header", layout, values)
    return values


def encode(instruction: Instruction, config: ArrayConfig) -> int:
    """The program word. Raises InputError where a field is wider than the configuration allows."""
    read, write = read_address(config), write_address(config)
    _check_range("instruction.delay", instruction.delay, 0, 1 << config.delay_bits)
    for index, level in enumerate(instruction.levels):
        _check_range(f"instruction.levels[{index}].count", level.count, 1, 1 << config.count_bits)
    weight_words, parameter_words = 1 << ceil_log2(config.weight_words), 1 << ceil_log2(config.parameter_words)
    values = {field.name: getattr(instruction, field.name) for field in fields(Instruction)}
    values["levels"] = [
        {
            "rest": level.count - 3,
            "read_step": read.split(level.read_step),
            "weight_step": level.weight_step % weight_words,
            "write_step": write.split(level.write_step),
            "parameter_step": level.parameter_step % parameter_words,
        }
        for level in instruction.levels
    ]
    if config.pixels > 1:
        _check_entries("instruction.column_offsets", instruction.column_offsets, config.pixels - 1)
    reads = [_checked_base("read_bases", read, base) for base in instruction.read_bases]
    values["read_bases"] = [
        [read.split(base + offset) for base in reads] for offset in (0, *instruction.column_offsets)
    ]
    values["write_bases"] = [write.split(_checked_base("write_bases", write, base)) for base in instruction.write_bases]
    values["column_write"] = write.split(instruction.column_write)
    values["wait"] = instruction.delay - 1
    layout = instruction_layout(config)
    values = {name: values[name] for name in layout.members}
    _check_fits("instruction", layout, values)
    return layout.const(values).as_value().value


def decode(word: int, config: ArrayConfig) -> Instruction:
    """The inverse of `encode`; steps come back as their residue modulo the memory's depth."""
    layout = instruction_layout(config)
    constant = layout.from_bits(word)
    read, write = read_address(config), write_address(config)
    levels = tuple(
        Level(
            count=level.rest + 3,
            read_step=read.join(level.read_step),
            weight_step=level.weight_step,
            write_step=write.join(level.write_step),
            parameter_step=level.parameter_step,
        )
        for level in constant.levels
    )
    values = {"delay": constant.wait + 1}
    for field in fields(Instruction):
        if (
            field.name in ("levels", "read_bases", "write_bases", "reads_signed", "column_write")
            or field.name not in layout.members
        ):
            continue
        value = getattr(constant, field.name)
        values[field.name] = bool(value) if field.type is bool else value
    reads = [tuple(read.join(base) for base in column) for column in constant.read_bases]
    if config.pixels > 1:
        values["column_offsets"] = tuple((column[0] - reads[0][0]) % read.elements for column in reads[1:])
        values["column_write"] = write.join(constant.column_write)
    return Instruction(
        levels=levels,
        read_bases=reads[0],
        write_bases=tuple(write.join(base) for base in constant.write_bases),
        reads_signed=tuple(bool(signed) for signed in constant.reads_signed),
        **values,
    )


def _checked_base(name: str, address: AddressLayout, base: int) -> int:
    """The base, which `split` would take modulo the depth."""
    if not 0 <= base < address.elements:
        raise InputError(f"instruction.{name} must be 0..{address.elements - 1} in this array, not {base}")
    return base


def _check_fits(path: str, shape, value) -> None:
    """Refuse a value that the constant would silently wrap."""
    if isinstance(shape, data.StructLayout):
        for name, member in shape.members.items():
            _check_fits(f"{path}.{name}", member, value[name])
    elif isinstance(shape, data.ArrayLayout):
        _check_entries(path, value, shape.length)
        for index, item in enumerate(value):
            _check_fits(f"{path}[{index}]", shape.elem_shape, item)
    elif not Shape.cast(shape).signed:  # the signed fields are counts, checked before they are laid down
        _check_range(path, int(value), 0, (1 << Shape.cast(shape).width) - 1)


def _check_entries(path: str, values, count: int) -> None:
    if len(values) != count:
        raise InputError(f"{path} must have {count} entries, not {len(values)}")


def _check_range(path: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise InputError(f"{path} must be {low}..{high} in this array, not {value}; a larger memory widens it")
