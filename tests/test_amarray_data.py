"""amarray/data.py: a command takes the right images or says what is missing, never others without a word."""

import dataclasses
import json

import numpy as np
import pytest
from networks import random_network
from tiny import idx_bytes

from amarray.cli import main
from amarray.data import Reader, choose_data, count, data_option, load_data, simulation_data
from amarray.networks import load_network
from amarray.training import load_teacher
from sw import mnist, network_file
from sw.architecture import Architecture
from sw.data_record import DataRecord
from sw.errors import InputError
from sw.integer_layers import Dense
from sw.network import InputContract, Network
from sw.recipe import Recipe
from sw.run_folder import load_run, save_run
from sw.train import TrainedModel

MNIST = DataRecord("mnist", mnist.SHA256, mnist.SHAPE, 10, "mnist")
DIGITS = mnist.load()
TABLES = ({"kind": "flatten"}, {"kind": "dense", "outputs": "classes"})


def write_data(folder, shape=(4, 4), classes=3, seed=0):
    """Four IDX files of noise."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(seed)
    for part, size in (("train", 30), ("t10k", 12)):
        images = generator.integers(0, 256, (size, *shape), dtype=np.uint8)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        labels = np.arange(size, dtype=np.uint8) % classes
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The working folder, with the data set d and others: of the same shape, another shape, more and fewer classes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mnist, "load", lambda: DIGITS)  # reading it takes long
    write_data(tmp_path / "d")
    write_data(tmp_path / "same", seed=1)
    write_data(tmp_path / "wide", shape=(4, 6))
    write_data(tmp_path / "more", classes=4)
    write_data(tmp_path / "fewer", classes=2)
    return tmp_path


def network(data=None, shape=(4, 4, 1), classes=3):
    weight = np.random.default_rng(0).integers(-9, 9, (classes, int(np.prod(shape))))
    return Network("net", InputContract(shape), (Dense(weight, [0] * classes, 8, None),), data=data)


def trained(data):
    architecture = Architecture("net", TABLES)
    model = architecture.build(data.shape, data.classes, np.random.default_rng(0))
    model.set_training(False)
    history = [{"epoch": 1, "loss": 1.0, "validation_accuracy": 0.5}]
    return TrainedModel(architecture, Recipe(epochs=1), data, model, history, 0.5)


def of_run(data):
    return Reader.of_run("runs/d", trained(data))


def of_network(data, **options):
    return Reader.of_network("network net.npz", network(data, **options))


def own():
    return load_data("d").record


def error(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


def test_a_run_opens_the_data_that_it_records():
    dataset, notes = choose_data(None, of_run(own()))
    assert (dataset.sha256, dataset.path, notes) == (own().sha256, "d", [])


def test_data_that_are_gone_are_refused():
    record = dataclasses.replace(own(), path="gone/d")
    line = error(choose_data, None, of_run(record))
    assert line.startswith(
        f"run runs/d was trained on d (gone/d, SHA-256 {record.sha256[:12]}...), which cannot be read"
    )
    assert line.endswith("name its data with --data")


def test_data_that_have_changed_are_refused(folder):
    reader = of_run(own())
    path = folder / "d" / "t10k-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    line = error(choose_data, None, reader)
    assert f"was trained on d (d, SHA-256 {reader.sha256[:12]}...), but the data there have changed" in line
    assert load_data("d").sha256[:12] in line
    assert "--data" in line


def test_data_without_a_path_must_be_named():
    assert "name the data with --data" in error(choose_data, None, of_run(dataclasses.replace(own(), path=None)))


def test_a_network_opens_no_path(monkeypatch):
    record = own()
    monkeypatch.setattr("amarray.data.load_folder", None)
    line = error(choose_data, None, of_network(dataclasses.replace(record, path="my d")))
    assert f"network net.npz was made with d (SHA-256 {record.sha256[:12]}...), not with MNIST" in line
    assert line.endswith("give --data 'my d', as it says")
    line = error(choose_data, None, of_network(dataclasses.replace(record, path=None)))
    assert line.endswith("give --data")


def test_of_mnist_the_hash_is_enough(monkeypatch):
    monkeypatch.setattr("amarray.data.load_folder", None)
    elsewhere = dataclasses.replace(MNIST, name="digits", path="somewhere/else")
    for reader in (of_run(elsewhere), of_network(elsewhere, shape=mnist.SHAPE, classes=10)):
        dataset, notes = choose_data(None, reader)
        assert (dataset.sha256, notes) == (mnist.SHA256, [])


def test_a_name_is_not_a_hash():
    """Data of 28 x 28 images that claim to be MNIST are not."""
    record = dataclasses.replace(MNIST, sha256="0" * 64)
    assert "not with MNIST" in error(choose_data, None, of_network(record, shape=mnist.SHAPE, classes=10))
    assert "the data there have changed" in error(choose_data, None, of_run(record))


@pytest.mark.parametrize("of", [of_run, of_network])
def test_a_record_that_claims_the_hash_of_mnist_for_other_images_is_refused(of):
    for record in (dataclasses.replace(MNIST, shape=(4, 4, 1), classes=3), dataclasses.replace(MNIST, classes=3)):
        reader = of(record) if of is of_run else of(record, shape=record.shape)
        assert "those of mnist are 28 x 28 x 1 in 10 classes" in error(choose_data, None, reader)


@pytest.mark.parametrize("of", [of_run, of_network])
def test_other_images_of_the_same_shape_are_taken_with_a_note(of):
    assert choose_data("d", of(own()))[1] == []
    for name in ("same", "fewer"):
        dataset, notes = choose_data(name, of(own()))
        assert dataset.name == name
        assert len(notes) == 1
        assert notes[0].endswith(f"was made with other data than {name}: d (d, SHA-256 {own().sha256[:12]}...)")


def test_the_same_images_elsewhere_need_no_note(folder):
    (folder / "d").rename(folder / "moved")
    write_data(folder / "d", seed=2)
    record = load_data("moved").record
    assert choose_data("moved", of_run(dataclasses.replace(record, name="d", path="d")))[1] == []


@pytest.mark.parametrize("of", [of_run, of_network])
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("wide", "wide are 4 x 6 x 1 in 3"),
        ("more", "more are 4 x 4 x 1 in 4"),
        ("mnist", "mnist are 28 x 28 x 1 in 10"),
    ],
)
def test_another_shape_or_more_classes_are_refused_with_both_named(of, name, found):
    line = error(choose_data, name, of(own()))
    assert f"reads images of 4 x 4 x 1 in 3 classes; those of {found} classes; " in line
    assert line.endswith("--data")


def test_without_a_record_it_is_mnist_with_a_note():
    for data in (None, dataclasses.replace(MNIST, sha256=None, path=None)):
        dataset, notes = choose_data(None, of_network(data, shape=mnist.SHAPE, classes=10))
        assert dataset.sha256 == mnist.SHA256
        assert len(notes) == 1
        assert "records nothing of its data" in notes[0]
        assert "MNIST is taken; name others with --data" in notes[0]
    assert "those of mnist are 28 x 28 x 1 in 10 classes" in error(choose_data, None, of_network(None))
    assert choose_data("d", of_network(None))[1] == []


def test_mnist_names_the_embedded_set_and_a_folder_of_that_name_is_another(folder):
    write_data(folder / "mnist")
    assert load_data("mnist").sha256 == mnist.SHA256
    record = load_data("./mnist").record
    assert (record.name, record.path, record.shape) == ("mnist", "./mnist", (4, 4, 1))
    assert choose_data(None, of_run(record))[0].sha256 == record.sha256


def test_a_later_command_is_told_the_data():
    assert data_option(MNIST) == []
    assert data_option(own()) == ["--data", "d"]
    assert data_option(dataclasses.replace(own(), path="-d")) == ["--data", "./-d"]
    assert data_option(dataclasses.replace(own(), path=None)) is None


def test_what_is_missing_for_a_simulation_is_said():
    assert simulation_data(network(own())) == (["--data", "d"], [])
    assert simulation_data(network(MNIST, mnist.SHAPE, 10)) == ([], [])
    assert simulation_data(network(None, mnist.SHAPE, 10)) == ([], [])
    for net, says in (
        (network(None), "does not say where its data are: simulate it with --data, images of 4 x 4 x 1 in 3 classes"),
        (network(dataclasses.replace(MNIST, shape=(4, 4, 1), classes=3)), "images of 4 x 4 x 1 in 3 classes"),
        (network(dataclasses.replace(own(), path="d" * 4096)), "are not here: simulate it with --data, d ("),
        (network(None, mnist.SHAPE, 9), "images of 28 x 28 x 1 in 9 classes"),
        (network(dataclasses.replace(own(), path="gone")), "are not here: simulate it with --data, d (gone, SHA-256 "),
        (network(dataclasses.replace(own(), path=None)), "are not here: simulate it with --data, d (no recorded path"),
    ):
        words, notes = simulation_data(net)
        assert words is None
        assert len(notes) == 1
        assert says in notes[0]


@pytest.mark.parametrize(
    ("given", "there", "found"), [(None, 30, 30), (None, 100, 100), (None, 101, 100), (1, 30, 1), (30, 30, 30)]
)
def test_a_default_shrinks_to_what_is_there(given, there, found):
    images, notes = count(given, "--images", 100, there, "test images")
    assert images == found
    assert notes == (["there are 30 test images: all are taken, not 100"] if given is None and there == 30 else [])


@pytest.mark.parametrize("given", [0, -1, 31])
def test_what_the_user_gives_is_refused_by_its_option(given):
    assert error(count, given, "--images", 100, 30, "test images") == (
        f"--images must be 1..30, not {given}: there are 30 test images"
    )


def test_a_teacher_knows_as_many_classes_as_its_pupil(folder):
    save_run(trained(load_data("more").record), folder / "teacher")
    line = error(load_teacher, "teacher", load_data("d"), 3)
    assert line == "teacher teacher knows 4 classes; must know 3, as its pupil"
    teacher, notes = load_teacher("teacher", load_data("more"), 4)
    assert (teacher(load_data("more").test_images).shape, notes) == ((12, 4), [])
    assert load_teacher("", load_data("d"), 3) == (None, [])


def result(capsys, *arguments):
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def fails(capsys, *arguments):
    assert main([*arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = [line for line in captured.err.splitlines() if not line.endswith("...")]
    return line


def test_evaluate_says_with_which_data(folder, capsys):
    network_file.save(network(own()), "net.npz")
    assert "give --data d" in fails(capsys, "evaluate", "net.npz")
    found = result(capsys, "evaluate", "net.npz", "--data", "d")
    assert (found["data"], found["notes"], found["images"]) == ("d", [], 12)
    found = result(capsys, "evaluate", "net.npz", "--data", "same")
    assert found["data"] == "same"
    assert "network net.npz was made with other data than same: d" in found["notes"][0]
    assert main(["evaluate", "net.npz", "--data", "same"]) == 0
    assert "note: network net.npz was made with other data than same: d" in capsys.readouterr().out


def test_quantize_takes_the_data_of_the_run_and_says_so_in_the_network(folder, capsys):
    save_run(trained(own()), folder / "run")
    found = result(capsys, "quantize", "run", "-o", "net.npz")
    assert (found["data"], found["images"]) == ("d", 12)
    assert found["notes"] == ["there are 30 training images: all are taken, not 2000"]
    assert network_file.load("net.npz").data == own()
    found = result(capsys, "quantize", "run", "-o", "net.npz", "--data", "same", "--calibration-images", "30")
    assert "run run was made with other data than same: d" in found["notes"][0]
    assert network_file.load("net.npz").data == load_data("same").record
    assert "--calibration-images must be 1..30, not 31" in fails(
        capsys, "quantize", "run", "--calibration-images", "31"
    )
    line = fails(capsys, "quantize", "run", "--data", "mnist")
    assert "run run reads images of 4 x 4 x 1 in 3 classes; those of mnist are 28 x 28 x 1 in 10 classes" in line


def test_a_run_of_format_2_takes_mnist_with_a_note(folder, capsys):
    save_run(trained(MNIST), folder / "run")
    text = json.loads((folder / "run" / "run.json").read_text())
    text |= {"format": 2, "data": {"name": "digits", "shape": [28, 28, 1], "classes": 10}}
    (folder / "run" / "run.json").write_text(json.dumps(text))
    assert load_run("run").data.sha256 is None
    found = result(capsys, "quantize", "run", "-o", "net.npz", "--calibration-images", "10")
    assert found["notes"] == [
        "run run records nothing of its data but their name, digits: MNIST is taken; name others with --data"
    ]
    assert network_file.load("net.npz").data == MNIST


def test_a_load_image_is_no_network(folder, capsys):
    (folder / "rgb.load").write_bytes(b"amar" + bytes(40))
    says = "rgb.load is a load image, for a board; give the network that it was made from"
    assert error(load_network, "rgb.load") == says
    for command in (
        ("evaluate", "rgb.load"),
        ("generate", "rgb.load"),
        ("export", "rgb.load", "--format", "c", "-o", "x"),
    ):
        assert says in fails(capsys, *command)


def test_a_network_is_as_it_was_where_its_first_bytes_are_no_load_image(folder):
    network_file.save(random_network(1, [16, 3]), "net.npz")
    assert network_file.digest(load_network("net.npz")) == network_file.digest(random_network(1, [16, 3]))
