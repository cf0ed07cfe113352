"""Output registers packed into block RAMs, on netlists of a few cells."""

from copy import deepcopy

import pytest

from hw.fpga.netlist import pack_output_registers

CLOCK, OTHER_CLOCK = 2, 3


NARROW, WIDE = f"{9:032b}", f"{36:032b}"


def memory(width: str = NARROW, clock_a=CLOCK, **outputs: list) -> dict:
    """A block RAM on the clock; without outputs it is not read."""
    connections = {"CLKA": [clock_a], "CLKB": [CLOCK], "DIA0": [9], **outputs}
    return {
        "type": "DP16KD",
        "parameters": {"DATA_WIDTH_A": width, "DATA_WIDTH_B": width},
        "port_directions": {name: "output" if name in outputs else "input" for name in connections},
        "connections": connections,
    }


def flip_flop(bit: int, to: int, *, parameters=(), **connections: list) -> dict:
    pins = {"CLK": [CLOCK], "DI": [bit], "LSR": ["0"], "CE": ["1"], "Q": [to], **connections}
    settings = {"CEMUX": "1", "CLKMUX": "CLK", "REGSET": "RESET", "GSR": "DISABLED", **dict(parameters)}
    return {
        "type": "TRELLIS_FF",
        "parameters": settings,
        "port_directions": {name: "output" if name == "Q" else "input" for name in pins},
        "connections": pins,
    }


def reader(*bits: int) -> dict:
    return {
        "type": "LUT4",
        "parameters": {},
        "port_directions": {f"I{index}": "input" for index in range(len(bits))},
        "connections": {f"I{index}": [bit] for index, bit in enumerate(bits)},
    }


def design(**changed) -> dict:
    """A block RAM whose two outputs at port A, bits 10 and 11, are registered to 20 and 21, with changes."""
    return {
        "memory": memory(DOA0=[10], DOA1=[11], DOA2=[]),
        "low": flip_flop(10, 20),
        "high": flip_flop(11, 21),
        "use": reader(20, 21),
        **changed,
    }


@pytest.mark.parametrize("letter", ["A", "B"])
def test_registers_of_a_port_move_into_the_block_ram(letter):
    cells = design(memory=memory(**{f"DO{letter}0": [10], f"DO{letter}1": [11]}))
    before = deepcopy(cells)
    pack_output_registers(cells)
    assert set(cells) == {"memory", "use"}
    assert cells["use"] == before["use"]
    packed = {f"DO{letter}0": [20], f"DO{letter}1": [21], f"OCE{letter}": ["1"]}
    assert cells["memory"]["connections"] == before["memory"]["connections"] | packed
    assert cells["memory"]["parameters"] == before["memory"]["parameters"] | {f"REGMODE_{letter}": "OUTREG"}


@pytest.mark.parametrize("clock_a", [CLOCK, OTHER_CLOCK, "0"])
def test_a_word_of_36_bits_is_registered_by_both_ports_on_the_clock_of_the_second(clock_a):
    cells = design(memory=memory(WIDE, clock_a, DOA0=[10], DOB17=[11]))
    before = deepcopy(cells)
    pack_output_registers(cells)
    assert set(cells) == {"memory", "use"}
    packed = {"DOA0": [20], "DOB17": [21], "OCEA": ["1"], "OCEB": ["1"]}
    packed["CLKA"] = [CLOCK if clock_a == "0" else clock_a]  # a port without a clock would register nothing
    assert cells["memory"]["connections"] == before["memory"]["connections"] | packed
    modes = {"REGMODE_A": "OUTREG", "REGMODE_B": "OUTREG"}
    assert cells["memory"]["parameters"] == before["memory"]["parameters"] | modes


def test_settings_that_stand_for_the_plain_register_are_plain():
    for changed in ({"CEMUX": "1 "}, {}):
        plain = flip_flop(11, 21, parameters=changed)
        if not changed:
            plain["parameters"] = {}
            plain["connections"].pop("LSR")
        cells = design(high=plain)
        pack_output_registers(cells)
        assert set(cells) == {"memory", "use"}


def test_each_port_is_taken_by_itself():
    cells = design(memory=memory(DOA0=[10], DOA1=[11], DOB0=[12]), direct=reader(12))
    before = deepcopy(cells)
    pack_output_registers(cells)
    assert set(cells) == {"memory", "use", "direct"}
    assert cells["memory"]["parameters"] == before["memory"]["parameters"] | {"REGMODE_A": "OUTREG"}
    assert cells["memory"]["connections"]["DOB0"] == [12]


@pytest.mark.parametrize(
    "changed",
    {
        "another reader": {"second": reader(11)},
        "two registers": {"second": flip_flop(11, 22)},
        "a lookup table": {"high": reader(11)},
        "not its data": {"high": flip_flop(13, 21, CE=[11])},
        "an enable": {"high": flip_flop(11, 21, parameters={"CEMUX": "CE"}.items(), CE=[30])},
        "an inverted clock": {"high": flip_flop(11, 21, parameters={"CLKMUX": "INV"}.items())},
        "another clock": {"high": flip_flop(11, 21, CLK=[OTHER_CLOCK])},
        "a reset": {"high": flip_flop(11, 21, LSR=[31])},
        "a set": {"high": flip_flop(11, 21, parameters={"REGSET": "SET"}.items())},
        "another cell": {"high": flip_flop(11, 21) | {"type": "TRELLIS_IO"}},
        "a wide word in part": {"memory": memory(WIDE, DOA0=[10], DOB0=[11], DOB1=[12]), "direct": reader(12)},
        "no block RAM": {"memory": memory(DOA0=[10], DOA1=[11]) | {"type": "TRELLIS_DPR16X4"}},
        "nothing that is read": {"memory": memory(DOA0=[14], DOA1=[15])},
    }.items(),
    ids=lambda change: change[0].replace(" ", "-"),
)
def test_a_port_that_is_not_registered_as_a_whole_stays(changed):
    cells = design(**changed[1])
    before = deepcopy(cells)
    pack_output_registers(cells)
    assert cells == before
