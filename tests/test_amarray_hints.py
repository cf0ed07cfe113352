"""Every command that is printed after `next:` runs as it is printed: with its data, with paths quoted."""

import json
import shlex
from dataclasses import replace

import pytest
from tiny import write_tiny

from amarray.cli import main
from sw import network_file
from sw.network import InputContract

FAST = ("--simulator", "amaranth", "--images", "2")
"""What a test adds to `amarray simulate`, to spare itself the compiler and most images."""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """The folder of tests/tiny.py, with blanks in the names, a trained run, a network and a reloadable build."""
    folder = tmp_path_factory.mktemp("hints")
    write_tiny(folder)
    (folder / "bars").rename(folder / "my bars")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", "tiny.toml", "--data", "my bars", "-o", "my run"]) == 0
        assert main(["quantize", "my run", "-o", "my net.npz"]) == 0
        array = ("--lanes", "2", "--taps", "3", "--reloadable")
        assert main(["generate", "my net.npz", *array, "-o", "my build"]) == 0
    return folder


@pytest.fixture(autouse=True)
def _there(workplace, monkeypatch):
    monkeypatch.chdir(workplace)


def printed(capsys, *arguments):
    """What a command prints on standard output."""
    capsys.readouterr()
    assert main([*arguments]) == 0
    return capsys.readouterr().out


def hint(capsys, *arguments):
    """The words after `amarray` of the one command that is printed after `next:`."""
    (line,) = [line for line in printed(capsys, *arguments).splitlines() if line.startswith("next: ")]
    program, *words = shlex.split(line.removeprefix("next: "))
    assert program == "amarray"
    return words


def save_other(path):
    """A network that fits into the build, for other images than its; it records no data."""
    network = network_file.load("my net.npz")
    network_file.save(replace(network, input=InputContract((8, 9, 1)), data=None), path)


TRAIN = ("train", "tiny.toml", "--data", "my bars", "--epochs", "1", "-o", "my run")
GENERATE = ("generate", "my net.npz", "--lanes", "2", "--taps", "3", "--reloadable", "-o", "my build")


def test_of_train_and_of_the_quantize_that_it_names(capsys):
    words = hint(capsys, *TRAIN)
    assert words == ["quantize", "my run", "--data", "my bars"]
    words = hint(capsys, *words)
    assert words[:2] == ["generate", "my run/network.npz"]
    words = hint(capsys, *words)
    assert words == ["simulate", "build", "--data", "my bars"]


def test_of_generate_and_of_the_simulate_that_it_names(capsys):
    words = hint(capsys, *GENERATE)
    assert words == ["simulate", "my build", "--data", "my bars"]
    assert hint(capsys, *words, *FAST) == ["synth", "my build", "--device", "ecp5-25k"]


def test_simulate_takes_all_images_where_there_are_few(capsys, monkeypatch):
    monkeypatch.setattr("amarray.commands.simulate_build", lambda build, dataset, images, *_, **__: {"images": images})
    assert main(["simulate", "my build", "--data", "my bars", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {"images": 40, "notes": ["there are 40 test images: all are taken, not 1000"]}
    assert main(["simulate", "my build", "--data", "my bars", "--images", "41"]) == 2
    assert "--images must be 1..40, not 41: there are 40 test images" in capsys.readouterr().err


def test_of_load(capsys):
    words = hint(capsys, "load", "my build", "my net.npz", "-o", "image.load")
    assert words == ["simulate", "my build", "--load", "my net.npz", "--data", "my bars"]
    assert "2 / 0" in printed(capsys, *words, *FAST)


def test_of_fit(capsys):
    words = hint(capsys, "fit", "my net.npz", "--macs", "4")
    assert words[:2] == ["generate", "my net.npz"]
    assert "--schedule" not in words
    assert hint(capsys, *words) == ["simulate", "build", "--data", "my bars"]


def test_of_fit_for_latency(capsys):
    words = hint(capsys, "fit", "my net.npz", "--macs", "4", "--schedule", "latency")
    assert words[:2] == ["generate", "my net.npz"]
    assert words[-4:] == ["--schedule", "latency", "-o", "build"]


def test_nothing_is_named_where_the_data_are_unknown_or_gone(workplace, capsys):
    save_other("unknown.npz")
    text = printed(capsys, "load", "my build", "unknown.npz", "-o", "unknown.load")
    assert "next:" not in text
    assert "note: the network does not say where its data are: simulate it with --data, images of 8 x 9 x 1" in text
    (workplace / "my bars").rename(workplace / "gone")
    try:
        text = printed(capsys, "load", "my build", "my net.npz", "-o", "image.load")
    finally:
        (workplace / "gone").rename(workplace / "my bars")
    assert "next:" not in text
    assert "note: the network's data are not here: simulate it with --data, my bars (my bars, SHA-256 " in text


def test_a_path_that_begins_with_a_dash(workplace, capsys):
    network_file.save(network_file.load("my net.npz"), "-net.npz")
    words = hint(capsys, "fit", "--macs", "4", "--", "-net.npz")
    assert words[:2] == ["generate", "./-net.npz"]


def test_a_result_that_is_called_as_a_shipped_network(capsys):
    words = hint(capsys, *TRAIN[:-1], "cnn")
    assert words == ["quantize", "./cnn", "--data", "my bars"]
    words = hint(capsys, *words, "-o", "mlp")
    assert words[:2] == ["generate", "./mlp"]
    assert hint(capsys, "fit", "./mlp", "--macs", "4")[1] == "./mlp"
    assert hint(capsys, "fit", "mlp", "--macs", "1")[1] == "mlp"
    for name, command in (("mlp", ("evaluate", "mlp")), ("cnn", ("quantize", "cnn"))):
        assert main([*command, "--data", "my bars"]) == 2
        assert f"note: {name} is the shipped network; what lies here is ./{name}" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["my\nrun", "run \x1b[1m"])
def test_no_command_where_a_path_cannot_be_printed(capsys, path):
    assert "next:" not in printed(capsys, *TRAIN[:-1], path)


@pytest.mark.parametrize(("path", "words"), [("-x", "./-x"), ("mnist", "./mnist"), ("a 'b", "'a '\"'\"'b'")])
def test_data_of_a_network_whose_path_means_something_else(capsys, path, words):
    network = network_file.load("my net.npz")
    network_file.save(replace(network, data=replace(network.data, path=path)), "elsewhere.npz")
    assert main(["evaluate", "elsewhere.npz"]) == 2
    assert f"; give --data {words}, as it says" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("simulate",), ("explain", "--image", "1")])
def test_a_build_without_data_asks_for_them(capsys, command):
    name, *options = command
    assert main([name, "my build", *options]) == 2
    line = capsys.readouterr().err
    assert "build my build was made with my bars (SHA-256 " in line
    assert "give --data 'my bars', as it says" in line


def test_a_load_image_is_not_the_network_that_is_loaded(capsys):
    assert main(["load", "my build", "my net.npz", "-o", "m7.load"]) == 0
    assert main(["simulate", "my build", "--load", "m7.load", "--data", "my bars"]) == 2
    assert "m7.load is a load image, for a board; give the network that it was made from" in capsys.readouterr().err


def test_the_images_are_for_the_network_that_is_loaded(capsys):
    save_other("other.npz")
    arguments = ("simulate", "my build", "--load", "other.npz")
    for data, found in (((), "mnist are 28 x 28 x 1 in 10"), (("--data", "my bars"), "my bars are 9 x 8 x 1 in 4")):
        assert main([*arguments, *data]) == 2
        line = capsys.readouterr().err
        assert f"network other.npz reads images of 8 x 9 x 1 in 4 classes; those of {found} classes" in line


@pytest.mark.slow
@pytest.mark.parametrize("first", [TRAIN, ("train", "mlp", "--epochs", "1", "-o", "my digits")])
def test_the_whole_way_as_it_is_printed(capsys, first):
    words, done = hint(capsys, *first), []
    while words[0] != "synth":
        done.append(words[0])
        words = hint(capsys, *words)
    assert done == ["quantize", "generate", "simulate"]
    assert "cells" in printed(capsys, *words)


@pytest.mark.slow
def test_load_as_it_is_printed(capsys):
    words = hint(capsys, "load", "my build", "my net.npz", "-o", "image.load")
    assert "40 / 0" in printed(capsys, *words)
