"""`amarray synth` and `amarray place` as a user meets them; nextpnr itself is tried in test_hw_fpga_place.py."""

import json
import shutil

import pytest
from networks import random_network
from test_architecture import ROOT, imports

from amarray import fpga
from amarray.cli import main
from hw import build as builds
from hw.compiler import compile_network, size_array
from hw.fpga.synth import clock_limits
from sw import fingerprint
from sw.user_cache import VARIABLE

TINY = random_network(0, [5, 3, 2], weight_bits=3, activation_bits=4)
KEYS = {
    "device",
    "speed",
    "clock_mhz",
    "luts",
    "ffs",
    "dsps",
    "brams",
    "available",
    "cycles_per_image",
    "images_per_second",
    "latency_us",
    "critical_path",
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A folder with a build and a cache that knows it."""
    folder = tmp_path_factory.mktemp("fpga")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(folder / "cache"))
        builds.write(compile_network(TINY, size_array(TINY, 2, 2)), folder / "build")
    return folder


@pytest.fixture
def build(compiled, tmp_path, monkeypatch):
    """A copy of the build, and a cache of its own: what `tools` make must not be taken for results elsewhere."""
    shutil.copytree(compiled, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return builds.load(tmp_path / "build")


@pytest.fixture
def tools(monkeypatch):
    """Synthesis and placement that take no time; returns what ran."""
    ran = []

    def synthesize(verilog, device, ports=None, netlist=None, multipliers="auto", reserved=0):
        ran.append(f"synthesize {device.name}" + (f", {reserved} blocks reserved" if reserved else ""))
        resources = {"luts": 100, "ffs": 90, "dsps": 4, "brams": 1, "sprams": 0}
        result = {"device": device.name, "yosys": "0", "resources": resources, "available": device.available}
        result |= {"limits": clock_limits(device, {"DP16KD"}), "cells": {"LUT4": 100}}
        if netlist is not None:
            netlist.write_text(verilog.read_text())
        return result

    def place(netlist, device, seed):
        ran.append(f"place {device.name} {device.speed} {seed}")
        path = {"from": "a.b", "to": "c.d", "components": ["a", "c"], "ns": 10.0, "logic_ns": 4.0, "routing_ns": 6.0}
        path |= {"levels": 3, "nets": [{"net": "a.b", "ns": 2.0}]}
        found = {"clock_mhz": 200.0 + seed, "nextpnr": "0", "rerouted": seed == 7}
        return found | {"utilization": {}, "critical_path": path}

    monkeypatch.setattr(fpga, "synthesize", synthesize)
    monkeypatch.setattr(fpga, "place", place)
    return ran


def change(folder) -> None:
    with (folder / "accelerator.v").open("a") as file:
        file.write("// changed\n")


def run_json(capsys, *arguments):
    code = main([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out), captured.err


def test_place_computes_with_the_median_clock(build, tools, capsys):
    code, result, _ = run_json(capsys, "place", build.folder, "--device", "ecp5-25k", "--speed", 8)
    assert code == 0
    assert set(result) >= KEYS
    assert (result["device"], result["speed"], result["dsps"]) == ("ecp5-25k", "8", 4)
    assert result["available"]["dsps"] == 28
    assert result["clock_mhz"] == {"median": 203.0, "best": 205.0, "all": [201.0, 202.0, 203.0, 204.0, 205.0]}
    schedule = build.compiled.schedule
    assert result["cycles_per_image"] == schedule.round_cycles
    assert result["images_per_second"] == 203e6 / schedule.round_cycles
    assert result["latency_us"] == schedule.first_result() / 203
    assert result["notes"] == []
    assert sorted(tools) == [f"place ecp5-25k 8 {seed}" for seed in range(1, 6)] + ["synthesize ecp5-25k"]


@pytest.mark.parametrize("speeds", [(6, 8), (8, 6)])
def test_nothing_is_computed_with_a_clock_above_a_cap_of_the_speed_grade(build, tools, capsys, speeds):
    for speed in speeds:
        _, result, _ = run_json(capsys, "place", build.folder, "--seeds", 20, "--speed", speed)
        used = {6: 204, 8: 210}[speed]
        assert (result["clock_mhz"]["median"], result["used_clock_mhz"]) == (210, used)
        assert result["images_per_second"] == used * 1e6 / build.compiled.schedule.round_cycles
        *capped, other_router = result["notes"]
        assert other_router == "nextpnr's router 1 does not end with seed 7, so its router 2 routed it"
        assert [note.partition(" (")[0] for note in capped] == ["DP16KD is good for 204 MHz only"] * (speed == 6)


def test_a_seed_that_took_the_other_router_is_named(build, tools, capsys):
    _, result, _ = run_json(capsys, "place", build.folder, "--seeds", 8)
    assert result["notes"] == ["nextpnr's router 1 does not end with seed 7, so its router 2 routed it"]


def test_only_what_changed_runs_again(build, tools, capsys):
    arguments = ("place", build.folder, "--device", "ecp5-25k", "--seeds")
    _, first, _ = run_json(capsys, *arguments, 2)
    assert len(tools) == 3
    _, again, messages = run_json(capsys, *arguments, 2)
    assert (again, len(tools)) == (first, 3)
    assert messages.count("nothing has changed") == 3
    run_json(capsys, *arguments, 3)
    assert tools[3:] == ["place ecp5-25k 6 3"]
    run_json(capsys, *arguments, 1, "--speed", 7)
    assert tools[4:] == ["place ecp5-25k 7 1"]
    run_json(capsys, "synth", build.folder)
    assert len(tools) == 5
    change(build.folder)
    _, edited, _ = run_json(capsys, *arguments, 1, "--speed", 7, "--edited")
    assert tools[5:] == ["synthesize ecp5-25k", "place ecp5-25k 7 1"]
    assert (first["edited"], edited["edited"]) == (False, True)


@pytest.mark.parametrize("command", ["synth", "place"])
def test_a_changed_verilog_is_refused_and_taken_only_with_edited(build, tools, capsys, command):
    change(build.folder)
    assert main([command, str(build.folder)]) == 2
    assert "compile to; generate the build again, or take it as it is with --edited" in capsys.readouterr().err
    assert tools == []
    assert main([command, str(build.folder), "--edited"]) == 0
    assert "note: accelerator.v and ports.json are taken as they are: --edited" in capsys.readouterr().out


def test_what_lies_in_a_build_is_not_taken_for_a_result(build, tools, capsys):
    """A forged record of the steps, with outputs that belong to it, as up to version 0.1 they lay in BUILD/fpga."""
    forged = build.folder / "fpga"
    forged.mkdir()
    counts = {"device": "ecp5-25k", "yosys": "0", "resources": {"luts": 1}, "limits": [], "cells": {}}
    (forged / "ecp5-25k-auto-synth.json").write_text(json.dumps(counts))
    (forged / "ecp5-25k-auto-netlist.json").write_text("{}")
    digests = fingerprint.content(forged / "ecp5-25k-auto-netlist.json")
    step = {"key": "0" * 64, "outputs": {"ecp5-25k-auto-netlist.json": digests}, "result": counts}
    (forged / "steps.json").write_text(json.dumps({"synthesize ecp5-25k auto": step}))
    before = {path.name: path.read_bytes() for path in forged.iterdir()}
    _, result, messages = run_json(capsys, "synth", build.folder)
    assert (result["resources"]["luts"], tools) == (100, ["synthesize ecp5-25k"])
    assert "reused" not in messages
    written = json.loads((forged / "ecp5-25k-auto-synth.json").read_text())
    assert {key: result[key] for key in written} == written
    after = {path.name: path.read_bytes() for path in forged.iterdir()}
    assert [name for name in before if before[name] != after[name]] == ["ecp5-25k-auto-synth.json"]
    (forged / "ecp5-25k-auto-synth.json").write_text("[]")
    _, again, _ = run_json(capsys, "synth", build.folder)
    assert again == result


def test_requantizers_with_multipliers_keep_blocks_for_themselves(tmp_path, tools, capsys, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    network = random_network(0, [5, 3, 2], multiplier=True)
    config = size_array(network, 2, 2)
    build = builds.write(compile_network(network, config), tmp_path / "scaled")
    reserved = config.requantizers * -(-config.accumulator_bits // 18)
    run_json(capsys, "synth", build.folder, "--device", "ecp5-25k")
    assert tools == [f"synthesize ecp5-25k, {reserved} blocks reserved"]


def test_table_for_a_person(build, tools, capsys):
    assert main(["place", str(build.folder), "--device", "gw1n-9c", "--seeds", "1"]) == 0
    text = capsys.readouterr().out
    for line in ("clock, median", "201.0 MHz", "4 of 40", "images per second", "a, c", "6.00"):
        assert line in text
    assert "note: the clock is an upper bound: nextpnr has no delays of Gowin's multipliers" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--device", "ecp5"], "device must be one of ice40-up5k"),
        (["--device", "ecp5-25k", "--speed", "5"], "speed of ecp5-25k must be one of 6, 7, 8, not '5'"),
        (["--device", "xilinx-7"], "xilinx-7 can be synthesized but not placed"),
        (["--seeds", "0"], "seeds must be 1..100, not 0"),
    ],
)
def test_refusals_come_before_any_work(build, tools, capsys, arguments, says):
    assert main(["place", str(build.folder), *arguments]) == 2
    assert says in capsys.readouterr().err
    assert tools == []
    assert not (build.folder / "fpga").exists()


def test_synth_says_which_parameters_are_outside_of_the_model(build, tools, capsys):
    result = run_json(capsys, "synth", build.folder)[1]
    assert result["outside_model"]["activation_bits"] == {"value": 4, "fitted": [8, 8]}
    assert result["predicted"] is not None
    assert main(["synth", str(build.folder)]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.count(", outside of the model ") == 4
    assert "outside of the model, which was fitted to other arrays:" in text
    assert "activation_bits 4 (fitted 8)" in text
    assert f"input_words {build.config.input_words} (fitted 98..4481)" in text
    assert run_json(capsys, "synth", build.folder, "--device", "gw1n-9c")[1]["outside_model"] is None


def test_synth_of_an_array_like_the_fitted_ones_says_nothing(tmp_path, tools, capsys):
    network = random_network(0, [784, 32, 10])
    build = builds.write(compile_network(network, size_array(network, 4, 4)), tmp_path / "build")
    assert run_json(capsys, "synth", build.folder)[1]["outside_model"] == {}
    assert main(["synth", str(build.folder)]) == 0
    assert "outside" not in capsys.readouterr().out


@pytest.mark.parametrize(("entry", "listed"), [("synth", fpga.SYNTHESIS), ("place", fpga.PLACEMENT)])
def test_a_step_is_repeated_when_any_of_its_code_has_changed(entry, listed):
    found, waiting = set(), [f"hw.fpga.{entry}"]
    while waiting:
        module = waiting.pop()
        found.add(f"{module.replace('.', '/')}.py")
        text = (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        needed = {name for name in imports(text) if name.startswith("hw.fpga.") or name == "hw.yosys"}
        waiting += [name for name in needed if f"{name.replace('.', '/')}.py" not in found]
    assert found == set(listed)
