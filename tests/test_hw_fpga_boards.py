import re

import pytest

from hw.fpga.boards import BOARDS, find_board
from hw.fpga.devices import DEVICES
from sw.errors import InputError

PORTS = {"clk", "rx", "tx", "button", "leds"}


@pytest.mark.parametrize("board", BOARDS.values(), ids=lambda board: board.name)
def test_every_port_has_a_pin_of_its_own_and_every_device_is_known(board):
    assert set(board.pins) == PORTS
    pins = [pin for value in board.pins.values() for pin in ([value] if isinstance(value, str) else value)]
    assert len(set(pins)) == len(pins)
    assert board.leds >= 5  # ten labels in binary, and one that says that there is one
    assert set(board.devices) <= set(DEVICES)


def test_constraint_files():
    assert "set_io -pullup yes rx 6\n" in find_board("icebreaker").constraints("ice40")
    assert "set_io leds[1] 25\n" in find_board("icebreaker").constraints("ice40")
    lpf = find_board("ulx3s").constraints("ecp5")
    assert 'LOCATE COMP "leds[7]" SITE "H3";\nIOBUF PORT "leds[7]" IO_TYPE=LVCMOS33 PULLMODE=NONE;\n' in lpf
    assert 'IOBUF PORT "button" IO_TYPE=LVCMOS33 PULLMODE=DOWN;\n' in lpf
    cst = find_board("tangnano9k").constraints("gowin")
    assert 'IO_LOC "leds[0]" 10;\nIO_PORT "leds[0]" IO_TYPE=LVCMOS18 PULL_MODE=NONE;\n' in cst


def test_unknown_board_and_wrong_device():
    with pytest.raises(InputError, match="board must be one of icebreaker, ulx3s, tangnano9k, not 'arty'"):
        find_board("arty")
    message = re.escape("device of ulx3s must be one of ecp5-85k, ecp5-45k, ecp5-25k, ecp5-12k, not 'gw1n-9c'")
    with pytest.raises(InputError, match=message):
        find_board("ulx3s").device("gw1n-9c")
    assert find_board("ulx3s").device().name == "ecp5-85k"
    assert find_board("ulx3s").device("ecp5-12k").name == "ecp5-12k"
