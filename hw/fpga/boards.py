"""The boards that amarray makes bitstreams for: their FPGA, pins and oscillator, from the boards' public documents."""

from dataclasses import dataclass

from hw.fpga.devices import Device, device
from sw.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Board:
    """A board.

    Parameters
    ----------
    name: what the command line calls it. title: what its maker calls it.
    devices: the FPGAs with which it exists, by name in hw.fpga.devices; the first is the default.
    oscillator, clock: MHz of its oscillator, and of the array's clock unless another is asked for.
    pins: of each port of hw.fpga.board_top.BoardTop, `leds` from the lowest bit on; all are 3.3 V unless in `levels`.
    levels: I/O standard of a port that has another.
    leds_low: whether a LED is on at 0. button_low: whether the button, which resets, gives 0 when pressed.
    loader: command that puts a bitstream on it.
    """

    name: str
    title: str
    devices: tuple[str, ...]
    oscillator: float
    clock: float
    pins: dict[str, str | tuple[str, ...]]
    levels: dict[str, str]
    leds_low: bool
    button_low: bool
    loader: str

    def device(self, name: str | None = None) -> Device:
        """Its FPGA, of the size with that name. Raises InputError where the board does not exist with it."""
        if name is not None and name not in self.devices:
            raise InputError(f"device of {self.name} must be one of {', '.join(self.devices)}, not {name!r}")
        return device(name or self.devices[0])

    @property
    def leds(self) -> int:
        """How many there are."""
        return len(self.pins["leds"])

    def constraints(self, family: str) -> str:
        """The file of pins for nextpnr: PCF, LPF or CST."""
        lines = []
        for port, pins in self.pins.items():
            bits = (
                [(port, pins)] if isinstance(pins, str) else [(f"{port}[{bit}]", pin) for bit, pin in enumerate(pins)]
            )
            for name, pin in bits:
                level = self.levels.get(port, "LVCMOS33")
                pull = {"rx": "UP", "button": "UP" if self.button_low else "DOWN"}.get(port, "NONE")
                lines += _LINES[family](name, pin, level, pull)
        return "".join(f"{line}\n" for line in lines)


def _pcf(name: str, pin: str, level: str, pull: str) -> list[str]:
    return [f"set_io {'-pullup yes ' if pull == 'UP' else ''}{name} {pin}"]


def _lpf(name: str, pin: str, level: str, pull: str) -> list[str]:
    return [f'LOCATE COMP "{name}" SITE "{pin}";', f'IOBUF PORT "{name}" IO_TYPE={level} PULLMODE={pull};']


def _cst(name: str, pin: str, level: str, pull: str) -> list[str]:
    return [f'IO_LOC "{name}" {pin};', f'IO_PORT "{name}" IO_TYPE={level} PULL_MODE={pull};']


_LINES = {"ice40": _pcf, "ecp5": _lpf, "gowin": _cst}

BOARDS = {
    board.name: board
    for board in (
        Board(
            name="icebreaker",
            title="iCEBreaker",
            devices=("ice40-up5k",),
            oscillator=12,
            clock=24,
            pins={"clk": "35", "rx": "6", "tx": "9", "button": "10", "leds": ("27", "25", "21", "23", "26")},
            levels={},
            leds_low=False,
            button_low=True,
            loader="iceprog",
        ),
        Board(
            name="ulx3s",
            title="ULX3S",
            devices=("ecp5-85k", "ecp5-45k", "ecp5-25k", "ecp5-12k"),
            oscillator=25,
            clock=50,
            pins={
                "clk": "G2",
                "rx": "M1",
                "tx": "L4",
                "button": "R1",
                "leds": ("B2", "C2", "C1", "D2", "D1", "E2", "E1", "H3"),
            },
            levels={},
            leds_low=False,
            button_low=False,
            loader="openFPGALoader -b ulx3s",
        ),
        Board(
            name="tangnano9k",
            title="Tang Nano 9K",
            devices=("gw1n-9c",),
            oscillator=27,
            clock=27,
            pins={"clk": "52", "rx": "18", "tx": "17", "button": "4", "leds": ("10", "11", "13", "14", "15", "16")},
            levels={"leds": "LVCMOS18", "button": "LVCMOS18"},
            leds_low=True,
            button_low=True,
            loader="openFPGALoader -b tangnano9k",
        ),
    )
}


def find_board(name: str) -> Board:
    """The board of that name. Raises InputError, with the names there are, for another one."""
    if name not in BOARDS:
        raise InputError(f"board must be one of {', '.join(BOARDS)}, not {name!r}{did_you_mean(name, BOARDS)}")
    return BOARDS[name]
