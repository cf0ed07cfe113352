"""A name is text and nothing else: through every command, in files, tables, pictures and printed commands."""

import io
import json
import shlex
import xml.dom.minidom
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from names import HOSTILE
from networks import random_network
from tiers import slow
from tiny import TOML, write_tiny

from amarray.cli import main
from amarray.progress import bar
from amarray.report import show_load, show_quantization, show_training
from sw import network_file

NETWORK = random_network(0, [9, 5, 3])
MIXED = "$\\frac{$ [/] [bold] :smile: */ ??/ `x` \"'; rm -rf ~ <b>&amp;--> %s {} 网נ\U0001f600"
GENERATE = ("--lanes", "2", "--taps", "2", "-o", "build")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder inside of an empty one."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def header_and_body(verilog: Path) -> tuple[list[str], str]:
    """The lines of the first comment, and all after it."""
    head, end, body = verilog.read_text(encoding="utf-8").partition("\n\n")
    assert end
    return head.splitlines(), body


@pytest.fixture(scope="module")
def body(tmp_path_factory):
    """What the Verilog of NETWORK is below its header."""
    folder = tmp_path_factory.mktemp("plain")
    network_file.save(NETWORK, folder / "plain.npz")
    assert main(["generate", str(folder / "plain.npz"), *GENERATE[:-1], str(folder / "build")]) == 0
    return header_and_body(folder / "build" / "accelerator.v")[1]


@pytest.mark.parametrize("name", [MIXED, *slow(HOSTILE.values())])
def test_a_name_goes_through_the_commands(name, body, folder, capsys):
    network_file.save(replace(NETWORK, name=name), folder / "net.npz")
    capsys.readouterr()
    assert main(["generate", "net.npz", *GENERATE, "--chart", "chart.svg"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{name} on 2 lanes x 2 taps"
    header, found = header_and_body(folder / "build" / "accelerator.v")
    assert found == body
    assert all(line.startswith("//") and line.isascii() for line in header)
    assert json.loads((folder / "build" / "build.json").read_text())["network"] == name
    xml.dom.minidom.parse(str(folder / "chart.svg"))
    assert main(["export", "net.npz", "--format", "onnx", "-o", "net.onnx"]) == 0
    assert onnx.load(folder / "net.onnx").graph.name.isidentifier()
    assert main(["fit", "net.npz", "--macs", "4"]) == 0
    captured = capsys.readouterr()
    assert f"{name} as onnx: net.onnx" in captured.out
    assert f"search arrays for {name} ..." in captured.err


def test_a_name_that_is_verilog_is_refused(folder, capsys, monkeypatch):
    name = 'x\nmodule m; initial $system("touch INJECTED"); endmodule\nbind accelerator m m();\n//'
    with monkeypatch.context() as patch:
        patch.setattr("sw.network.check_name", lambda text, what: None)
        network_file.save(replace(NETWORK, name=name), folder / "net.npz")
    capsys.readouterr()
    assert main(["generate", "net.npz", *GENERATE]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "the name of a network must be 1..100 printable characters, not 'x\\nmodule m; initial" in line
    assert [path.name for path in folder.iterdir()] == ["net.npz"]


@pytest.mark.parametrize("name", ["../../" + MIXED])
def test_default_paths_stay_in_the_working_folder_and_printed_commands_run(name, folder, capsys):
    write_tiny(folder)
    (folder / "tiny.toml").write_text(f"name = {json.dumps(name, ensure_ascii=False)}\n{TOML}", encoding="utf-8")
    (folder / "bars").rename(folder / "bars; echo [bold]")
    data = ("--data", "bars; echo [bold]")
    assert main(["train", "tiny.toml", *data]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == f"trained {name}"
    (run,) = (folder / "runs").iterdir()
    assert shlex.split(out[-1]) == ["next:", "amarray", "quantize", f"runs/{run.name}", *data]
    options = ("--calibration-images", "100", *data)
    assert main(["quantize", f"runs/{run.name}", *options, "--sweep"]) == 0
    assert (folder / f"{run.name}-sweep" / "sweep.png").stat().st_size > 1000
    assert [path.name for path in folder.parent.iterdir()] == ["work"]


def test_words_of_printed_commands_are_quoted(capsys):
    run = "runs/a; rm -rf 'x' [bold]"
    facts = {"seed": 1, "epochs": 1, "loss": 0.0, "validation_accuracy": 0.0, "float_accuracy": 0.0}
    facts |= {"data": "a", "data_option": ["--data", "$(id) [/]"], "quantizable": True, "notes": []}
    show_training({"model": "x", "run": run, **facts})
    assert last_words(capsys) == ["next:", "amarray", "quantize", run, "--data", "$(id) [/]"]
    facts = dict.fromkeys(("parameters", "weight_bits", "activation_bits", "float_accuracy", "quantized_accuracy"), 0)
    show_quantization({"name": "x", "data": "a", "network": "-o.npz", "notes": [], **facts})
    assert last_words(capsys)[:5] == ["next:", "amarray", "generate", "./-o.npz", "--lanes"]
    facts = {"predicted_cycles_per_image": 1, "utilization": 1.0, "file": "x", "bytes": 1}
    facts |= {"data_option": [], "notes": []}
    show_load({"network": "x", "network_path": "a b", "build": "$(id)", **facts})
    assert last_words(capsys) == ["next:", "amarray", "simulate", "$(id)", "--load", "a b"]


def last_words(capsys):
    return shlex.split(capsys.readouterr().out.splitlines()[-1])


def test_progress_shows_a_title_as_it_is(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with bar(HOSTILE["markup"], 3, "steps", note=HOSTILE["markup"]) as update:
        update(1)
    assert capsys.readouterr().err.count(HOSTILE["markup"]) >= 2


def test_a_terminal_without_the_script_shows_numbers(folder, monkeypatch):
    network_file.save(replace(NETWORK, name="网"), folder / "net.npz")
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stdout)
    assert main(["export", "net.npz", "--format", "c", "-o", "net.h"]) == 0
    assert stdout.buffer.getvalue().startswith(rb"\u7f51 as c: net.h")


def test_an_error_cannot_steer_the_terminal(capsys):
    assert main(["evaluate", "mlp", "--data", "no\x1b[2J"]) == 2
    assert capsys.readouterr().err.startswith(r"amarray: no\x1b[2J is not a folder")
