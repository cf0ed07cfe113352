import json
import shutil
from dataclasses import replace

import pytest
from networks import random_images, random_network

from hw import build as builds
from hw.compiler import compile_network, size_array
from sim.amaranth_sim import simulate_component
from sw import network_file
from sw.errors import InputError
from sw.golden import infer


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    network = random_network(0, [7, 4, 3])
    compiled = compile_network(network, size_array(network, 2, 2, kind="latency"), "latency")
    return builds.write(compiled, tmp_path_factory.mktemp("build") / "build")


@pytest.fixture
def folder(written, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(written.folder, tmp_path / "build")


def edit(folder, change) -> None:
    description = json.loads((folder / "build.json").read_text())
    change(description)
    (folder / "build.json").write_text(json.dumps(description))


def test_folder_holds_exactly_its_files(folder):
    assert {path.name for path in folder.iterdir()} == set(builds.FILES)


def test_load_gives_what_was_written(written, folder):
    loaded = builds.load(folder)
    assert loaded.config == written.config
    assert loaded.compiled.kind == "latency"
    assert loaded.compiled.program == written.compiled.program
    assert loaded.compiled.weights == written.compiled.weights
    assert loaded.compiled.parameters == written.compiled.parameters
    assert loaded.ports == written.ports
    assert network_file.digest(loaded.network) == network_file.digest(written.network)
    assert loaded.verilog.is_file()


def test_loaded_build_classifies(folder):
    loaded = builds.load(folder)
    images = random_images(0, loaded.network, 3)
    simulation = simulate_component(loaded.accelerator(), loaded.network, images, loaded.watchdog_cycles)
    assert simulation.logits.tolist() == infer(loaded.network, images).logits.tolist()


def test_description_predicts_the_cycles(folder, written):
    description = json.loads((folder / "build.json").read_text())
    schedule = written.compiled.schedule
    assert description["predicted_cycles_per_image"] == schedule.round_cycles
    assert [layer["output"] for layer in description["layers"]] == [[1, 1, 4], [1, 1, 3]]
    assert [(layer["kind"], layer["layers"]) for layer in description["layers"]] == [("dense", [0]), ("dense", [1])]
    assert [layer["elements"] for layer in description["layers"]] == [4, 0]
    cycles = sum(layer["cycles"] + layer["wait_cycles"] for layer in description["layers"])
    assert cycles == schedule.round_cycles


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"none is not a build: it has no build\.json; make one with `amarray generate`"
    ):
        builds.load(tmp_path / "none")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", "{}", '{"format": 1}', "\x00\x01"])
def test_damaged_description_is_refused(folder, text):
    (folder / "build.json").write_text(text)
    with pytest.raises(InputError, match=r"cannot read .*build\.json: .*; generate the build again"):
        builds.load(folder)


def test_newer_format_is_refused(folder):
    edit(folder, lambda description: description.update(format=4))
    with pytest.raises(InputError, match=r"build\.json has format 4; this version reads format 3"):
        builds.load(folder)


BELONGS = r"build\.json is not what this version compiles from .*network\.npz"
DAMAGED = r"cannot read array .*build\.json: it is not an array in JSON, or truncated or damaged"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it["array"].update(result_words=it["array"]["result_words"] + 1), BELONGS),
        (lambda it: it["array"].update(lanes=3), "needs unaligned_writes with 2 taps"),
        (lambda it: it["array"].update(taps=1), "the network needs"),
        (lambda it: it["array"].update(taps=17), r"taps must be 1\.\.16, not 17"),
        (lambda it: it["array"].update(taps="2"), DAMAGED),
        (lambda it: it["array"].update(taps=None), DAMAGED),
        (lambda it: it["array"].pop("taps"), "unknown or missing: taps"),
        (lambda it: it.update(array=None), DAMAGED),
        (lambda it: it.update(array=[]), "unknown or missing"),
        (lambda it: it.update(schedule="throughput"), "the network needs"),
        (lambda it: it.update(schedule="fast"), "schedule must be one of"),
        (lambda it: it.update(predicted_cycles_per_image=1), BELONGS),
        (lambda it: it.update(network_sha256="0" * 64), BELONGS),
    ],
)
def test_edited_description_is_refused(folder, change, message):
    edit(folder, change)
    with pytest.raises(InputError, match=message):
        builds.load(folder)


def test_exchanged_network_is_refused(folder, written):
    other = random_network(1, [7, 4, 3], weight_bits=7)
    network_file.save(replace(other, name=written.network.name), folder / "network.npz")
    with pytest.raises(InputError, match=r"build\.json is not what this version compiles|needs|the array has"):
        builds.load(folder)


@pytest.mark.parametrize("name", ["accelerator.v", "ports.json", "network.npz"])
def test_missing_file_is_refused(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        builds.load(folder)


def test_write_replaces_a_build_and_nothing_else(folder, written, tmp_path):
    before = folder / "sim"
    before.mkdir()
    builds.write(written.compiled, folder)
    assert not before.exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"will not replace .*mine"):
        builds.write(written.compiled, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("data", [b"", b"{", b"\xf8", b"[" * 10**5, b" " * (2**20 + 1)])
@pytest.mark.parametrize("name", ["ports.json", "build.json"])
def test_bytes_that_are_no_json_are_refused(folder, name, data):
    (folder / name).write_bytes(data)
    with pytest.raises(InputError, match=rf"cannot read .*{name}"):
        _ = builds.load(folder).ports
