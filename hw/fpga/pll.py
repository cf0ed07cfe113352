"""PLL: the board's oscillator to the array's clock, settings within the limits of the data sheets.

iCE40: DS1040 and DS1008; ECP5: FPGA-DS-02012; Gowin: DS117 for GW1N at grade C6. All frequencies in MHz.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from amaranth import Instance, Module, Signal

from sw.errors import InputError

TOLERANCE = 0.005
"""Share by which the clock may differ from the one that was asked for."""


@dataclass(frozen=True)
class Setting:
    """A way to make a clock.

    Parameters
    ----------
    mhz: the clock. dividers: of the family's cell, by parameter.
    """

    mhz: float
    dividers: dict[str, int]


def _ice40(source: float) -> Iterator[Setting]:
    for divr in range(16):
        detector = source / (divr + 1)
        if not 10 <= detector <= 133:
            continue
        limits = (17, 26, 44, 66, 101)  # of the detector, for the range of its filter
        filter_range = 1 + sum(detector >= limit for limit in limits)
        for divf in range(128):
            vco = detector * (divf + 1)
            if not 533 <= vco <= 1066:
                continue
            for divq in range(1, 7):
                if 16 <= vco / 2**divq <= 275:
                    dividers = {"DIVR": divr, "DIVF": divf, "DIVQ": divq, "FILTER_RANGE": filter_range}
                    yield Setting(vco / 2**divq, dividers)


def _ecp5(source: float) -> Iterator[Setting]:
    """CLKOP closes the loop at the detector's frequency, CLKOS is the clock: so any ratio to the VCO is there."""
    for clki in range(1, 129):
        detector = source / clki
        if not 10 <= detector <= 400:
            continue
        for clkop in range(1, 129):
            if not 400 <= detector * clkop <= 800:
                continue
            for clkos in range(1, 129):
                clock = detector * clkop / clkos
                if 3.125 <= clock <= 400:
                    yield Setting(clock, {"CLKI_DIV": clki, "CLKFB_DIV": 1, "CLKOP_DIV": clkop, "CLKOS_DIV": clkos})


def _gowin(source: float) -> Iterator[Setting]:
    for idiv in range(64):
        if not 3 <= source / (idiv + 1) <= 400:
            continue
        for fbdiv in range(64):
            clock = source * (fbdiv + 1) / (idiv + 1)
            for odiv in (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128):
                if 400 <= clock * odiv <= 1200 and 3.125 <= clock <= 600:
                    yield Setting(clock, {"IDIV_SEL": idiv, "FBDIV_SEL": fbdiv, "ODIV_SEL": odiv})


_SETTINGS = {"ice40": _ice40, "ecp5": _ecp5, "gowin": _gowin}


def find_setting(family: str, source: float, wanted: float) -> Setting | None:
    """The setting whose clock is nearest to the wanted one; None where the oscillator itself is it.

    Of equal ones the first: the least division of the source, which gives the least jitter.
    Raises InputError where none comes within TOLERANCE.
    """
    if wanted == source:
        return None
    settings = list(_SETTINGS[family](source))
    best = min(settings, key=lambda setting: abs(setting.mhz - wanted))
    if abs(best.mhz - wanted) > TOLERANCE * wanted:
        raise InputError(
            f"clock must be one that the PLL makes of {source:g} MHz, within {TOLERANCE:.1%}: {wanted:g} MHz is not, "
            f"{best.mhz:g} MHz is the nearest"
        )
    return best


def instantiate(m: Module, family: str, setting: Setting, source_mhz: float, source: Signal) -> tuple[Signal, Signal]:
    """Add the family's PLL cell; returns its clock and whether it is locked."""
    clock, locked = Signal(), Signal()
    dividers = {f"p_{name}": value for name, value in setting.dividers.items()}
    if family == "ice40":
        m.submodules.pll = Instance(
            "SB_PLL40_PAD",
            p_FEEDBACK_PATH="SIMPLE",
            **dividers,
            i_PACKAGEPIN=source,
            i_RESETB=1,
            i_BYPASS=0,
            o_PLLOUTGLOBAL=clock,
            o_LOCK=locked,
        )
    elif family == "ecp5":
        feedback = Signal()
        off = ("RST", "STDBY", "PHASESEL0", "PHASESEL1", "PHASEDIR", "PHASESTEP", "PHASELOADREG", "PLLWAKESYNC")
        m.submodules.pll = Instance(
            "EHXPLLL",
            a_FREQUENCY_PIN_CLKI=f"{source_mhz:g}",
            a_FREQUENCY_PIN_CLKOS=f"{setting.mhz:g}",
            a_ICP_CURRENT="12",  # of the loop filter, as Lattice's tools set it
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            p_FEEDBK_PATH="CLKOP",
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_CPHASE=setting.dividers["CLKOP_DIV"] - 1,
            p_CLKOS_ENABLE="ENABLED",
            p_CLKOS_CPHASE=setting.dividers["CLKOS_DIV"] - 1,
            **dividers,
            i_CLKI=source,
            i_CLKFB=feedback,
            i_ENCLKOP=0,
            **{f"i_{name}": 0 for name in off},
            o_CLKOP=feedback,
            o_CLKOS=clock,
            o_LOCK=locked,
        )
    else:
        ports = {"CLKFB": 1, "RESET": 1, "RESET_P": 1, "FBDSEL": 6, "IDSEL": 6, "ODSEL": 6}
        ports |= {"PSDA": 4, "DUTYDA": 4, "FDLY": 4}
        fixed = {"DYN_IDIV_SEL": "false", "DYN_FBDIV_SEL": "false", "DYN_ODIV_SEL": "false", "DYN_DA_EN": "false"}
        fixed |= {"CLKFB_SEL": "internal", "PSDA_SEL": "0000", "DUTYDA_SEL": "1000"}
        m.submodules.pll = Instance(
            "rPLL",
            p_DEVICE="GW1NR-9C",
            p_FCLKIN=f"{source_mhz:g}",
            **{f"p_{name}": value for name, value in fixed.items()},
            **dividers,
            i_CLKIN=source,
            **{f"i_{name}": Signal(width, name=f"pll_{name.lower()}") for name, width in ports.items()},
            o_CLKOUT=clock,
            o_LOCK=locked,
        )
    return clock, locked
