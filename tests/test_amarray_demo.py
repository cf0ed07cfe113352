"""`amarray demo`, small: every step once, then again, then with one thing changed."""

import json

import pytest

from amarray.cli import main

STEPS = ["train", "quantize", "generate", "simulate", "synthesize"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "demo"


def demo(capsys, folder, *options):
    small = ["--epochs", "1", "--images", "20", "--lanes", "4", "--taps", "2"]
    code = main(["demo", "-o", str(folder), "--json", *small, *options])
    captured = capsys.readouterr()
    return code, json.loads(captured.out.splitlines()[-1]), captured.err


def test_demo_and_what_it_reuses(folder, capsys):
    code, result, _ = demo(capsys, folder)
    assert code == 0
    assert (result["images"], result["mismatches"]) == (20, 0)
    assert result["cycles_per_image"] == result["predicted_cycles_per_image"]
    assert 0.5 < result["quantized_accuracy"] <= 1
    assert abs(result["float_accuracy"] - result["quantized_accuracy"]) < 0.01
    assert 0 < result["utilization"] <= 1
    assert result["resources"]["dsps"] == 8
    assert list(result["seconds"]) == STEPS
    assert result["reused"] == []
    assert all(path.startswith(str(folder)) for path in result["files"].values())

    _, again, messages = demo(capsys, folder)
    assert again["reused"] == STEPS
    assert messages.count("nothing has changed") == len(STEPS)
    same = set(result) - {"seconds", "reused"}
    assert {key: again[key] for key in same} == {key: result[key] for key in same}

    _, faster, _ = demo(capsys, folder, "--schedule", "latency")
    assert faster["reused"] == ["train", "quantize"]
    assert faster["cycles_per_image"] > result["cycles_per_image"]


def test_demo_table(folder, capsys):
    small = ["--epochs", "1", "--images", "20", "--lanes", "4", "--taps", "2", "--schedule", "latency"]
    main(["demo", "-o", str(folder), *small])  # all of which is reused
    text = capsys.readouterr().out
    for line in (
        "float accuracy",
        "images compared / mismatches",
        "MAC utilization",
        "LUTs (ecp5-85k)",
        "Network file",
    ):
        assert line in text


@pytest.mark.slow
def test_without_a_compiler_the_demo_says_so_and_takes_amaranth(folder, capsys, monkeypatch):
    monkeypatch.setattr("sim.simulate.missing_tools", lambda simulator: ["a C++ compiler"])
    code, result, messages = demo(capsys, folder)
    assert (code, result["simulator"], result["images"], result["mismatches"]) == (0, "amaranth", 5, 0)
    assert "verilator needs a C++ compiler: simulating 5 of 20 images" in messages.replace("\n", " ")


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--lanes=0", "lanes must be 1..64, not 0"),
        ("--lanes=65", "lanes must be 1..64, not 65"),
        ("--taps=17", "taps must be 1..16, not 17"),
        ("--pixels=3", "pixels must be 1, 2 or 4, not 3"),
        ("--images=0", "images must be 1..10000, not 0"),
        ("--images=10001", "images must be 1..10000, not 10001"),
        ("--epochs=0", "epochs must be an integer 1..10000, not 0"),
    ],
)
def test_a_wrong_option_is_refused_before_the_training(tmp_path, capsys, monkeypatch, option, says):
    monkeypatch.setattr("amarray.demo.train_run", None)
    assert main(["demo", "-o", str(tmp_path / "demo"), option]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"amarray: {says}"
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize(("name", "says"), [("network.npz", "it is not a Network file"), ("build/mine", "build.json")])
def test_a_target_that_is_not_the_demos_is_refused_before_the_training(tmp_path, capsys, monkeypatch, name, says):
    monkeypatch.setattr("amarray.demo.train_run", None)
    (tmp_path / "build").mkdir()
    (tmp_path / "demo.json").touch()
    (tmp_path / name).write_text("mine")
    assert main(["demo", "-o", str(tmp_path)]) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]
    assert (tmp_path / name).read_text() == "mine"
