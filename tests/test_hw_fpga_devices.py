"""The table of devices, in the source and in the documentation."""

import re

import pytest
from test_architecture import ROOT

from hw.fpga.devices import DEVICES, RESOURCES, Cap, device
from hw.fpga.synth import FAMILIES
from hw.fpga.tools import TOOLS
from sw.errors import InputError


@pytest.mark.parametrize("name", DEVICES)
def test_every_device_has_a_family_and_all_counts_or_none(name):
    found = device(name)
    assert found.name == name
    assert found.family in FAMILIES
    counts = [found.available[resource] for resource in RESOURCES]
    if found.nextpnr is None:
        assert counts == [None, None, None, None, 0]  # only iCE40 has single-port RAMs
    else:
        assert found.nextpnr in TOOLS
        assert all(isinstance(count, int) for count in counts)
        assert found.frequency > 0
        assert not any("{" in argument for argument in found.placement_arguments)


def documented() -> dict[str, list[str]]:
    """Cells of the row of each device in docs/commands.md."""
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    table = text.partition("The devices (")[2].partition("\n\n")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    return {name: cells for names, *cells in rows for name in re.findall(r"`([^`]*)`", names)}


@pytest.mark.parametrize("name", DEVICES)
def test_the_documentation_has_its_numbers(name):
    found, cells = device(name), documented()[name]
    assert f"{found.bram_bits // 1024} kbit" in cells[3]
    if found.nextpnr is None:
        assert cells[:2] == ["", ""]
        assert found.dsp in cells[2]
    else:
        multipliers = f"{found.dsps} of {found.dsp}" if found.dsps else f"{found.dsp}: in LUTs"
        single_port = f", {found.sprams} single-port of {found.spram_bits // 1024} kbit" if found.sprams else ""
        memories = f"{found.brams} of {found.bram_bits // 1024} kbit{single_port}"
        assert cells == [f"{found.luts:,}", f"{found.ffs:,}", multipliers, memories, ", ".join(found.speeds)]


def test_speed_grades():
    assert [device("ecp5-25k", speed).speed for speed in (None, "6", "7", "8")] == ["6", "6", "7", "8"]
    arguments = device("ecp5-85k", "8").placement_arguments
    assert arguments[arguments.index("--speed") + 1] == "8"
    assert device("ice40-up5k").speed is None
    assert device("gw1n-9c").placement_arguments[1] == "GW1NR-LV9QN88PC6/I5"


@pytest.mark.parametrize(
    ("name", "speed", "says"),
    [
        ("ecp5", None, "device must be one of ice40-up5k, ice40-hx8k, ecp5-12k, ecp5-25k, .*, not 'ecp5'"),
        ("ecp5-25k", "9", "speed of ecp5-25k must be one of 6, 7, 8, not '9'"),
        ("ice40-up5k", "6", "ice40-up5k has no speed grades, so speed must be left out, not '6'"),
    ],
)
def test_what_there_is_not_is_refused(name, speed, says):
    with pytest.raises(InputError, match=f"^{says}$"):
        device(name, speed)


def test_caps_of_speeds_and_of_registers():
    caps = {cap.cell: cap for cap in device("ecp5-25k").caps}
    assert [caps["DP16KD"].at(speed) for speed in "678"] == [204, 236, 280]
    assert caps["MULT18X18D"].at("6") == 225
    cap = Cap("SB_MAC16", 50, "data sheet", unless=("PIPELINE",))
    assert cap.holds({"type": "SB_MAC16", "parameters": {}})
    assert cap.holds({"type": "SB_MAC16", "parameters": {"PIPELINE": "0"}})
    assert not cap.holds({"type": "SB_MAC16", "parameters": {"PIPELINE": "1"}})
    assert not cap.holds({"type": "SB_LUT4", "parameters": {}})
