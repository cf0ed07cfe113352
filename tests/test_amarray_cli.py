"""The command line as a user meets it: each command, its JSON, its errors in one line."""

import errno
import json
import re

import numpy as np
import pytest
from networks import random_network
from simulators import EACH_SIMULATOR

from amarray.cli import main
from sw import network_file
from sw.network import InputContract


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a short training, its network and a build."""
    folder = tmp_path_factory.mktemp("cli")
    assert main(["train", "mlp", "--epochs", "1", "-o", str(folder / "run"), "--json"]) == 0
    assert main(["quantize", str(folder / "run"), "-o", str(folder / "mlp.npz")]) == 0
    assert main(["generate", str(folder / "mlp.npz"), "--lanes", "8", "--taps", "4", "-o", str(folder / "build")]) == 0
    return folder


def run_json(capsys, *arguments):
    code = main([*map(str, arguments), "--json"])
    return code, json.loads(capsys.readouterr().out)


def fails(capsys, *arguments):
    """Exit code and the one line on standard error."""
    code = main([*map(str, arguments)])
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if not line.endswith("...")]
    assert captured.out == ""
    assert len(lines) == 1, captured.err
    assert code == 2
    return lines[0]


def test_help_lists_every_command_with_an_example(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in (
        "train",
        "quantize",
        "evaluate",
        "export",
        "fit",
        "generate",
        "load",
        "simulate",
        "synth",
        "place",
        "demo",
        "cache",
    ):
        assert re.search(rf"^    {command} ", text, re.MULTILINE)
        assert f"amarray {command}" in text


def test_evaluate(workplace, capsys):
    code, result = run_json(capsys, "evaluate", workplace / "mlp.npz")
    assert code == 0
    assert result["parameters"] == 13002
    assert (result["weight_bits"], result["activation_bits"], result["images"]) == (8, 8, 10000)
    confusion = np.array(result["confusion"])
    assert confusion.sum() == 10000
    assert result["quantized_accuracy"] == np.trace(confusion) / 10000
    assert abs(result["quantized_accuracy"] - result["float_accuracy"]) < 0.01


def test_generate_predicts_and_names_its_files(workplace, tmp_path, capsys):
    build = tmp_path / "build"
    code, result = run_json(capsys, "generate", workplace / "mlp.npz", "--lanes", 16, "--taps", 8, "-o", build)
    assert code == 0
    assert result["predicted_cycles_per_image"] == 102
    assert result["utilization"] == 12960 / (128 * 102)
    assert {"accelerator.v", "ports.json", "weights.hex", "build.json"} <= set(result["files"])
    assert all(path.is_file() for path in build.iterdir())


@pytest.mark.parametrize("simulator", EACH_SIMULATOR)
def test_simulate_equals_golden_and_the_prediction(workplace, capsys, simulator):
    code, result = run_json(capsys, "simulate", workplace / "build", "--images", 6, "--simulator", simulator)
    assert code == 0
    assert (result["simulator"], result["images"], result["mismatches"]) == (simulator, 6, 0)
    assert not result["edited"]
    assert result["cycles_per_image"] == result["predicted_cycles_per_image"]
    assert result["utilization"] == 12960 / (32 * result["cycles_per_image"])
    assert 0 <= result["accuracy"] <= 1
    assert result["seconds"] > 0


def test_generate_for_the_array_of_another_build(workplace, tmp_path, capsys):
    array = json.loads((workplace / "build" / "build.json").read_text())["array"]
    (tmp_path / "array.json").write_text(json.dumps(array | {"weight_words": 2048, "accumulator_bits": 30}))
    arguments = ("generate", workplace / "mlp.npz", "--array", tmp_path / "array.json", "-o", tmp_path / "build")
    code, result = run_json(capsys, *arguments)
    assert (code, result["lanes"], result["taps"], result["accumulator_bits"]) == (0, 8, 4, 30)


def test_fit(workplace, capsys):
    code, result = run_json(capsys, "fit", workplace / "mlp.npz", "--macs", 32)
    assert code == 0
    assert result["limits"] == {"macs": 32, "multipliers": None, "block_rams": None}
    best = result["front"][0]
    assert best["cycles"] == min(found["cycles"] for found in result["front"])
    shape = [f"--{name}={best[name]}" for name in ("lanes", "taps", "pixels")]
    code, made = run_json(capsys, "generate", workplace / "mlp.npz", *shape, "-o", workplace / "best")
    assert (code, made["predicted_cycles_per_image"]) == (0, best["cycles"])
    assert main(["fit", "cnn", "--macs", "20"]) == 0
    text = capsys.readouterr().out
    assert "no other one beats" in text
    assert "next: amarray generate cnn --lanes 4 --taps 5 --pixels 1 -o build" in text
    assert "limits" not in fails(capsys, "fit", workplace / "mlp.npz")


def test_a_second_network_on_the_same_verilog(workplace, tmp_path, capsys):
    both, image = tmp_path / "both", tmp_path / "cnn.load"
    array = ("--lanes", 4, "--taps", 4)
    assert run_json(capsys, "generate", "mlp", *array, "--also", "cnn", "-o", both)[0] == 0
    code, loaded = run_json(capsys, "load", both, "cnn", "-o", image)
    assert (code, loaded["bytes"]) == (0, len(image.read_bytes()))
    code, result = run_json(capsys, "simulate", both, "--images", 4, "--load", "cnn", "--simulator", "native")
    assert (code, result["network"], result["mismatches"]) == (0, "cnn", 0)
    assert result["cycles_per_image"] == result["predicted_cycles_per_image"]
    assert result["first_result_cycles"] == result["predicted_first_result_cycles"]
    assert run_json(capsys, "simulate", both, "--images", 9, "--simulator", "native")[1]["mismatches"] == 0


def test_generate_draws_the_schedule(workplace, capsys):
    arguments = ("generate", "cnn", "--lanes", 8, "--taps", 8, "--pixels", 2, "-o", workplace / "drawn")
    code, result = run_json(capsys, *arguments, "--chart", workplace / "schedule.svg")
    assert code == 0
    assert result["files"]["schedule.svg"] == str(workplace / "schedule.svg")
    assert result["first_layer"] == {"rows": 3, "cycles": 1152, "cycles_row_by_row": 1440}
    drawn = (workplace / "schedule.svg").read_bytes()
    assert b"conv2d + maxpool" in drawn
    run_json(capsys, *arguments, "--chart", workplace / "schedule.svg")
    assert (workplace / "schedule.svg").read_bytes() == drawn
    assert "chart must be a .svg file, not" in fails(capsys, *arguments, "--chart", workplace / "schedule.png")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"accumulator_bits": 12}, "layer 0 (dense) needs accumulator_bits of at least "),
        ({"weight_words": 100}, "the network needs weight_words of at least 416, the array has 100"),
        (
            {"hidden_words": 2, "input_words": 9},
            "input_words of at least 392, the array has 9; the network needs hidden",
        ),
        ({"lanes": 0}, "lanes must be 1..64, not 0"),
        ({"colour": 3}, "unknown or missing: colour"),
    ],
)
def test_an_array_that_does_not_fit_is_refused_in_one_line(workplace, tmp_path, capsys, change, says):
    array = json.loads((workplace / "build" / "build.json").read_text())["array"]
    (tmp_path / "array.json").write_text(json.dumps(array | change))
    arguments = ("generate", workplace / "mlp.npz", "--array", tmp_path / "array.json", "-o", tmp_path / "build")
    assert says in fails(capsys, *arguments)
    assert not (tmp_path / "build").exists()


def test_simulate_with_stalls_is_equal_too(workplace, capsys):
    stalls = ("--idle", "random", "--back-pressure", "bursts", "--seed", 3)
    code, result = run_json(capsys, "simulate", workplace / "build", "--images", 3, "--simulator", "amaranth", *stalls)
    assert (code, result["mismatches"]) == (0, 0)
    assert result["stalled_input"] > 0


def test_a_difference_is_found_and_ends_with_code_1(workplace, tmp_path, capsys):
    build = tmp_path / "build"
    assert main(["generate", str(workplace / "mlp.npz"), "--lanes", "8", "--taps", "4", "-o", str(build)]) == 0
    verilog = (build / "accelerator.v").read_text()
    words = re.findall(r"memory\[101\] = (\d+)'h([0-9a-f]+);", verilog)  # of pixels 404.., in the middle
    width, digits = max(words, key=lambda word: int(word[0]))  # the weights are the widest words
    changed = f"{int(digits, 16) ^ (0xFF << 16):0{len(digits)}x}"
    (build / "accelerator.v").write_text(verilog.replace(f"{width}'h{digits}", f"{width}'h{changed}"))
    capsys.readouterr()
    arguments = ("simulate", build, "--images", 20, "--simulator", "verilator")
    refusal = fails(capsys, *arguments)
    assert "accelerator.v is not what the network and the array compile to; generate the build again, or" in refusal
    code, result = run_json(capsys, *arguments, "--edited")
    assert (code, result["edited"]) == (1, True)
    assert result["mismatches"] > 0
    assert result["first_mismatches"]


def test_synth_counts_and_writes_json(workplace, capsys):
    code, result = run_json(capsys, "synth", workplace / "build", "--device", "gw1n-9c")
    assert code == 0
    assert result["resources"]["dsps"] == 32
    assert (
        json.loads((workplace / "build" / "fpga" / "gw1n-9c-auto-synth.json").read_text())["resources"]
        == result["resources"]
    )


def test_fit_for_a_device(workplace, capsys):
    network = workplace / "mlp.npz"
    code, result = run_json(capsys, "fit", network, "--device", "ecp5-25k", "--macs", "40")
    assert code == 0
    assert result["best"] in result["choices"]
    assert result["best"]["fits"]
    assert result["best"]["images_per_second"] == max(each["images_per_second"] for each in result["choices"])
    code, small = run_json(
        capsys, "fit", network, "--device", "ecp5-25k", "--macs", "40", "--min-images-per-second", "100000"
    )
    assert 100_000 <= small["best"]["images_per_second"] < result["best"]["images_per_second"]
    assert main(["fit", str(network), "--device", "ecp5-25k", "--macs", "40"]) == 0
    text = capsys.readouterr().out
    assert "which `amarray place` measures" in text
    assert " is outside of the model" not in text


def test_fit_says_what_is_outside_of_the_model(tmp_path, capsys):
    network_file.save(random_network(0, [18, 4, 2], weight_bits=2), tmp_path / "small.npz")
    command = ["fit", tmp_path / "small.npz", "--device", "ice40-hx8k", "--macs", "4"]
    best = run_json(capsys, *command)[1]["best"]
    assert best["outside_model"]["weight_bits"] == {"value": 2, "fitted": [3, 8]}
    assert main([*map(str, command)]) == 0
    text = capsys.readouterr().out
    shape = f"{best['lanes']} x {best['taps']} x {best['pixels']}"
    assert f"  {shape} * " in text
    assert "*: outside of the model, which was fitted to other arrays" in text
    assert f"{shape} is outside of the model: " in text
    assert "weight_bits 2 (fitted 3..8), " in text


def test_tables_for_a_person(workplace, capsys):
    assert main(["evaluate", str(workplace / "mlp.npz")]) == 0
    assert main(["simulate", str(workplace / "build"), "--images", "2", "--simulator", "amaranth"]) == 0
    text = capsys.readouterr().out
    assert "quantized accuracy" in text
    assert "images compared / mismatches" in text
    assert "next: amarray synth" in text


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["train", "resnet"], "'resnet' is neither a TOML file nor a shipped network"),
        (["train", "mlp", "--epochs", "0"], "epochs must be an integer 1..10000, not 0"),
        (["quantize", "nowhere"], "is neither a folder that `amarray train` wrote nor a shipped network"),
        (["quantize", "RUN", "--weight-bits", "9"], "weight_bits must be an integer 2..8, not 9"),
        (["evaluate", "nowhere.npz"], "nowhere.npz"),
        (["evaluate", "RUN/run.json"], "cannot load network"),
        (["fit", "NETWORK", "--device", "ecp5-25k", "--min-images-per-second", "0"], "must be a number above 0, not 0"),
        (["fit", "NETWORK", "--device", "ecp5-25k", "--min-images-per-second", "nan"], "a number above 0, not nan"),
        (["fit", "NETWORK", "--macs", "4", "--speed", "6"], "need --device"),
        (["fit", "NETWORK", "--device", "ecp5-25k", "--block-rams", "4"], "must not come with --device"),
        (["generate", "NETWORK", "--lanes", "65"], "lanes must be 1..64, not 65"),
        (["generate", "NETWORK", "--taps", "0"], "taps must be 1..16, not 0"),
        (["generate", "NETWORK", "-o", "FILE"], "a file has that name"),
        (["generate", "NETWORK", "-o", "RUN"], "it is not empty and has no build.json"),
        (["generate", "NETWORK", "--array", "nowhere"], "cannot read array nowhere: No such file or directory"),
        (["generate", "NETWORK", "--array", "FILE"], "it is not an array in JSON"),
        (["load", "BUILD", "mlp", "-o", "x.load"], "--reloadable"),
        (["generate", "mlp", "--array", "BUILD", "--also", "cnn", "-o", "other"], "must not come with --array"),
        (["simulate", "nowhere"], "not a build: it has no build.json; make one with `amarray generate`"),
        (["simulate", "BUILD", "--simulator", "modelsim"], "verilator, icarus, native, amaranth, not 'modelsim'"),
        (["simulate", "BUILD", "--images", "0"], "images must be 1..10000, not 0"),
        (["simulate", "BUILD", "--images", "10001"], "images must be 1..10000, not 10001"),
        (["synth", "BUILD", "--device", "asic"], "xilinx-7, xilinx-us, not 'asic'"),
        (["demo", "-o", "RUN"], "it is not empty and has no demo.json"),
        (["demo", "-o", "FILE"], "it is a file; name a folder"),
        (["fly"], "invalid choice: 'fly'"),
        (["trian", "mlp"], "did you mean train?; see `amarray --help`"),
        (["train", "mlp", "--epoch", "3"], "amarray train: unrecognized option --epoch; did you mean --epochs?; see"),
        (["--versoin"], "amarray: unrecognized option --versoin; did you mean --version?; see `amarray --help`"),
        (
            ["export", "cnn", "--fromat", "c", "-o", "x.h"],
            "--fromat; did you mean --format?; see `amarray export",
        ),
        (["export", "cnn", "--format", "onx", "-o", "x"], "did you mean onnx?"),
        (["train", "mlp", "--set", "optimzer=adam"], "did you mean optimizer?"),
        (["train", "mlp", "--set", "optimizer=adm"], "did you mean adam?"),
        (["train", "lenet"], "did you mean lenet5?"),
        (["simulate", "BUILD", "--simulator", "icarsu"], "did you mean icarus?"),
        (["synth", "BUILD", "--device", "ecp5-25"], "not 'ecp5-25'; did you mean ecp5-25k?"),
        (["bitstream", "BUILD", "--board", "icebraker"], "did you mean icebreaker?"),
        (["generate", "NETWORK", "--lanes", "many"], "invalid int value: 'many'"),
        (["evaluate", "NETWORK", "a\nb", "c\x1b[2J"], r"unrecognized arguments: a b c\x1b[2J; see"),
        (["train", "mlp", "--set", "epochs=1\nseed=2"], "cannot read --set epochs: it must be one value"),
        (["simulate", "BUILD", "--seed", "-1"], "seed must be an integer of at least 0, not -1"),
        (["evaluate", ""], "argument NETWORK: must not be empty"),
        (["simulate", "BUILD", "--load", ""], "argument --load: must not be empty"),
        (["generate", "NETWORK", "--also="], "argument --also: must not be empty"),
    ],
)
def test_bad_input_is_one_line(workplace, tmp_path, capsys, arguments, says):
    (tmp_path / "file").write_text("mine")
    names = {"RUN": workplace / "run", "NETWORK": workplace / "mlp.npz", "BUILD": workplace / "build"}
    names["FILE"] = tmp_path / "file"
    before = sorted(workplace.rglob("*"))
    for name, path in names.items():
        arguments = [argument.replace(name, str(path)) for argument in arguments]
    assert says in fails(capsys, *arguments)
    assert sorted(workplace.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "mine"


def test_a_network_of_another_image_shape_is_refused(workplace, tmp_path, capsys):
    network = random_network(1, [30, 10])
    assert network.input != InputContract((28, 28, 1))
    network_file.save(network, tmp_path / "other.npz")
    assert "reads images of 1 x 30 x 1 in 10 classes; those of mnist are 28 x 28 x 1 in 10 classes" in fails(
        capsys, "evaluate", tmp_path / "other.npz"
    )


def test_no_permission_to_write(workplace, capsys, monkeypatch):
    def refused(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("sw.files.tempfile.mkstemp", refused)
    monkeypatch.setattr("sw.files.tempfile.mkdtemp", refused)
    line = fails(capsys, "quantize", workplace / "run", "-o", workplace / "locked.npz")
    assert "Permission denied" in line
    assert str(workplace / "locked.npz") in line
    line = fails(capsys, "generate", workplace / "mlp.npz", "-o", workplace / "locked")
    assert "Permission denied" in line
    assert not (workplace / "locked").exists()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "No space left on device; temporary files lie in /scratch",
        ),
        (PermissionError(errno.EACCES, "Permission denied", "x.npz"), "cannot open x.npz: Permission denied"),
    ],
)
def test_an_error_of_the_system_names_a_place(capsys, monkeypatch, error, says):
    def work(options):
        raise error

    monkeypatch.setattr("amarray.cli.commands.evaluate", work)
    monkeypatch.setattr("tempfile.tempdir", "/scratch")
    assert fails(capsys, "evaluate", "mlp").startswith(f"amarray: {says}")
