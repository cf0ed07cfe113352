"""The FPGAs that amarray synthesizes and places for: what each one has, and what its blocks cannot exceed."""

from dataclasses import dataclass, field, replace

from sw.errors import InputError, did_you_mean

RESOURCE_NAMES = {
    "luts": "LUTs",
    "ffs": "flip-flops",
    "dsps": "multipliers",
    "brams": "block RAMs",
    "sprams": "single-port RAMs",
}
"""What a device has, by the names of the JSON results."""
RESOURCES = tuple(RESOURCE_NAMES)


@dataclass(frozen=True)
class Cap:
    """A clock that no design with a certain block may be said to reach, whatever nextpnr finds.

    Parameters
    ----------
    cell: the block's cell. mhz: one clock, or one for each speed grade. reason: where it comes from.
    unless: the cap does not hold for a block that has one of these parameters set.
    """

    cell: str
    mhz: float | dict[str, float]
    reason: str
    unless: tuple[str, ...] = ()

    def at(self, speed: str | None) -> float:
        """The cap in MHz at a speed grade."""
        return self.mhz[speed] if isinstance(self.mhz, dict) else self.mhz

    def holds(self, cell: dict) -> bool:
        """Whether it holds for a cell of a yosys netlist."""
        return cell["type"] == self.cell and not any(int(cell["parameters"].get(name, "0"), 2) for name in self.unless)


@dataclass(frozen=True)
class Device:
    """An FPGA, or for counts alone a family of them.

    Parameters
    ----------
    name: what the command line calls it. family: of hw.fpga.synth.FAMILIES.
    luts, ffs, dsps, brams, sprams: how many it has, as nextpnr counts them; the first four None for a whole family.
    dsp: what counts as one multiplier. bram_bits, spram_bits: size of one, parity included.
    nextpnr: the tool that places it, None for counts alone. arguments: of the tool, with {package} and {speed}.
    package, speeds, speed: default package; speed grades, slowest first; the chosen one, None where there are none.
    frequency: MHz that nextpnr aims at, more than it will find; beyond that, how much more changes nothing.
    placer: nextpnr's algorithm. `static` leaves wires up to a third shorter on ECP5, the more the larger the device is
        for the design; on the others `heap` is the faster.
    caps: see Cap. pins: three pins of the package for clk, i, o of hw.fpga.pins, where nextpnr demands a choice.
    note: what must be said beside each clock.
    """

    name: str
    family: str
    luts: int | None = None
    ffs: int | None = None
    dsps: int | None = None
    brams: int | None = None
    sprams: int = 0
    dsp: str = "18 x 18"
    bram_bits: int = 0
    spram_bits: int = 0
    nextpnr: str | None = None
    arguments: tuple[str, ...] = ()
    package: str = ""
    speeds: tuple[str, ...] = ()
    speed: str | None = None
    frequency: float = 0
    placer: str = "heap"
    caps: tuple[Cap, ...] = ()
    pins: dict[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def available(self) -> dict[str, int | None]:
        """What it has of each of RESOURCES."""
        return {name: getattr(self, name) for name in RESOURCES}

    @property
    def placement_arguments(self) -> list[str]:
        """Arguments that tell nextpnr which device this is, and how to place on it."""
        arguments = [argument.format(package=self.package, speed=self.speed) for argument in self.arguments]
        return [*arguments, "--placer", self.placer]


def _ecp5(size: str, luts: int, dsps: int, brams: int) -> Device:
    return Device(
        name=f"ecp5-{size}",
        family="ecp5",
        luts=luts,
        ffs=luts,
        dsps=dsps,
        brams=brams,
        bram_bits=18 * 1024,
        nextpnr="nextpnr-ecp5",
        arguments=(f"--{size}", "--package", "{package}", "--speed", "{speed}"),
        package="CABGA381",
        speeds=("6", "7", "8"),
        speed="6",
        frequency=300,
        placer="static",
        caps=(
            Cap("MULT18X18D", 225, "data sheet, for speed 8"),
            Cap("DP16KD", {"6": 204, "7": 236, "8": 280}, "read time of the memory, which nextpnr does not check"),
        ),
    )


def _gowin(name: str, device: str, speed: str, **counts) -> Device:
    family = name.upper()
    return Device(
        name=name,
        family="gowin",
        dsp="9 x 9",
        bram_bits=18 * 1024,
        nextpnr="nextpnr-himbaechel-gowin",
        arguments=("--device", f"{device}{{package}}{{speed}}", "--vopt", f"family={family}"),
        speeds=(speed,),
        speed=speed,
        frequency=300,
        note="an upper bound: nextpnr has no delays of Gowin's multipliers",
        **counts,
    )


# ECP5: nextpnr counts the 12k as the 25k, whose die it is; Lattice sells it with half the LUTs and 32 block RAMs.
DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        Device(
            name="ice40-up5k",
            family="ice40",
            luts=5280,
            ffs=5280,
            dsps=8,
            brams=30,
            sprams=4,
            dsp="16 x 16",
            bram_bits=4 * 1024,
            spram_bits=256 * 1024,
            nextpnr="nextpnr-ice40",
            arguments=("--up5k", "--package", "{package}"),
            package="sg48",
            frequency=120,
            caps=(
                Cap(
                    "SB_MAC16",
                    50,
                    "data sheet, without pipeline register",
                    unless=("PIPELINE_16x16_MULT_REG1", "TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG"),
                ),
                Cap("SB_SPRAM256KA", 70, "data sheet"),
            ),
        ),
        Device(
            name="ice40-hx8k",
            family="ice40-lut",
            luts=7680,
            ffs=7680,
            dsps=0,
            brams=32,
            dsp="none",
            bram_bits=4 * 1024,
            nextpnr="nextpnr-ice40",
            arguments=("--hx8k", "--package", "{package}"),
            package="ct256",
            frequency=200,
        ),
        _ecp5("12k", luts=24288, dsps=28, brams=56),
        _ecp5("25k", luts=24288, dsps=28, brams=56),
        _ecp5("45k", luts=43848, dsps=72, brams=108),
        _ecp5("85k", luts=83640, dsps=156, brams=208),
        _gowin(
            "gw1n-9c",
            "GW1NR-LV9",
            "C6/I5",
            package="QN88P",
            luts=8640,
            ffs=6480,
            dsps=40,
            brams=26,
            pins={"clk": "52", "i": "53", "o": "54"},
        ),
        _gowin(
            "gw2a-18c",
            "GW2A-LV18",
            "C8/I7",
            package="PG256",
            luts=20736,
            ffs=15552,
            dsps=96,
            brams=46,
            pins={"clk": "H11", "i": "T10", "o": "T11"},
        ),
        Device(name="xilinx-7", family="xilinx-7", dsp="25 x 18", bram_bits=36 * 1024),
        Device(name="xilinx-us", family="xilinx-us", dsp="27 x 18", bram_bits=36 * 1024),
    )
}


def device(name: str, speed: str | None = None) -> Device:
    """The device of that name, at a speed grade or its default one.

    Raises InputError, with what there is, for an unknown name or speed grade.
    """
    if name not in DEVICES:
        raise InputError(f"device must be one of {', '.join(DEVICES)}, not {name!r}{did_you_mean(name, DEVICES)}")
    found = DEVICES[name]
    if speed is None:
        return found
    if not found.speeds:
        raise InputError(f"{name} has no speed grades, so speed must be left out, not {speed!r}")
    if speed not in found.speeds:
        raise InputError(f"speed of {name} must be one of {', '.join(found.speeds)}, not {speed!r}")
    return replace(found, speed=speed)
