"""Targets of commands: each is checked before the work, and only --force replaces a file of another kind."""

import json
import re

import pytest
from tiny import TRAIN, write_tiny

from amarray.cli import main
from hw.fpga.bitstream import pack
from hw.fpga.devices import device
from sw.file_kinds import ARRAYS, BITSTREAM, C_HEADER, LOAD_IMAGE, ONNX, SVG, VCD
from sw.files import TargetError

ARRAY = ("--lanes", "2", "--taps", "2")
SIMULATE = ("simulate", "build", "--data", "bars", "--simulator", "amaranth", "--images", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of tests/tiny.py with a network and a reloadable build of it, and files and a folder of others."""
    folder = tmp_path_factory.mktemp("targets")
    write_tiny(folder)
    (folder / "own").mkdir()
    (folder / "own" / "thesis").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([*TRAIN, "-o", "run"]) == 0
        assert main(["quantize", "run", "--data", "bars", "--calibration-images", "120", "-o", "net.npz"]) == 0
        assert main(["generate", "net.npz", *ARRAY, "--reloadable", "-o", "build"]) == 0
    return folder


@pytest.fixture(autouse=True)
def _there(folder, monkeypatch):
    monkeypatch.chdir(folder)


def error(capsys, *arguments):
    capsys.readouterr()
    assert main([*arguments]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.endswith("...")]
    assert len(lines) == 1
    return lines[0]


COMMANDS = {
    "npz": (("export", "net.npz", "--format", "npz", "-o"), "mine.toml", ARRAYS),
    "c": (("export", "net.npz", "--format", "c", "-o"), "mine.toml", C_HEADER),
    "onnx": (("export", "net.npz", "--format", "onnx", "-o"), "mine.toml", ONNX),
    "chart": (("generate", "net.npz", *ARRAY, "-o", "charted", "--json", "--chart"), "mine.svg", SVG),
    "load": (("load", "build", "net.npz", "-o"), "mine.toml", LOAD_IMAGE),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_force_replaces_a_file_of_another_kind_and_nothing_else_does(folder, capsys, monkeypatch, name):
    monkeypatch.setattr("amarray.commands.generate_build", lambda *arguments: {"files": {}})
    command, target, kind = COMMANDS[name]
    path = folder / target
    path.write_text("layers = []")
    before = sorted(folder.rglob("*"))
    assert f"will not replace {target}: it is not {kind.name}; name another file, or" in error(capsys, *command, target)
    assert path.read_text() == "layers = []"
    assert sorted(folder.rglob("*")) == before
    for options in (("--force",), ()):  # the second time it is ours
        assert main([*command, target, *options]) == 0
        assert kind.matches(path)
    path.unlink()


@pytest.mark.parametrize(
    ("command", "work", "kind"),
    [
        ((*SIMULATE, "--waves", "mine.vcd"), "hw.build.Build.accelerator", VCD),
        (("explain", "build", "--data", "bars", "--waves", "mine.vcd"), "sim.explain.native.compiled", VCD),
        (("bitstream", "build", "--board", "icebreaker", "-o", "mine.vcd"), "amarray.board.BoardTop", BITSTREAM),
    ],
)
def test_force_lets_the_long_work_begin_and_nothing_else_does(folder, capsys, monkeypatch, command, work, kind):
    class BegunError(Exception):
        pass

    def begin(*arguments, **options):
        raise BegunError

    monkeypatch.setattr(work, begin)
    (folder / "mine.vcd").write_text("layers = []")
    assert f"will not replace mine.vcd: it is not {kind.name}; name another" in error(capsys, *command)
    with pytest.raises(BegunError):
        main([*command, "--force"])
    (folder / "mine.vcd").unlink()


@pytest.mark.parametrize(
    ("command", "marker"),
    [
        (("generate", "net.npz"), "build.json"),
        (("export", "net.npz", "--format", "hex"), ".amarray-export"),
        (("export", "net.npz", "--format", "hex", "--force"), ".amarray-export"),
        (("generate", "net.npz", "--force", "--chart", "new.svg"), "build.json"),
    ],
)
def test_a_folder_of_others_is_never_replaced(folder, capsys, command, marker):
    line = error(capsys, *command, "-o", "own")
    assert line == f"amarray: will not replace own: it is not empty and has no {marker}; name a new folder"
    assert [path.name for path in (folder / "own").iterdir()] == ["thesis"]


def test_counts_that_cannot_be_written_are_not_made(folder, capsys, monkeypatch):
    monkeypatch.setattr("amarray.fpga._synthesize", None)
    (folder / "build" / "fpga").touch()
    assert "cannot write build/fpga/ecp5-25k-auto-synth.json: Not a directory" in error(capsys, "synth", "build")
    (folder / "build" / "fpga").unlink()


@pytest.mark.parametrize(
    ("chart", "says"), [("x.png", "chart must be a .svg file"), ("net.npz/x.svg", "Not a directory")]
)
def test_a_chart_that_is_refused_leaves_no_build(folder, capsys, chart, says):
    assert says in error(capsys, "generate", "net.npz", *ARRAY, "-o", "no", "--chart", chart)
    assert not (folder / "no").exists()


def test_exports_are_named_with_their_path(capsys):
    capsys.readouterr()
    assert main(["export", "net.npz", "--format", "c", "-o", "new/deep/x.h"]) == 0
    assert re.search(r"^  new/deep/x\.h +[\d,]+ bytes", capsys.readouterr().out, re.MULTILINE)
    assert main(["export", "net.npz", "--format", "mem", "-o", "new/mem", "--json"]) == 0
    assert "new/mem/manifest.json" in json.loads(capsys.readouterr().out)["files"]


def test_a_bitstream_whose_target_is_refused_in_the_end_is_kept(folder, monkeypatch):
    def run(tool, arguments, place, output):
        (place / output).write_bytes(b"bits")
        (folder / "board.bin").mkdir()

    monkeypatch.setattr("hw.fpga.bitstream.tools.run", run)
    (folder / "placed").touch()
    with pytest.raises(TargetError, match=r"it is a folder; name a file; what .* is kept as .*board\.kept\.bin$"):
        pack(folder / "placed", device("ice40-up5k"), folder / "board.bin")
    assert (folder / "board.kept.bin").read_bytes() == b"bits"
