"""The data set that a command works on: the embedded MNIST, or a folder of IDX files.

A run and a Network file record the data that they were made with. A run is the user's own, so its recorded path is
opened; a Network file or a build may come from somebody else and never opens one. Of the embedded MNIST the hash is
enough.
"""

import os
import shlex
from dataclasses import dataclass

from sw import mnist
from sw.data_record import DataRecord, images_of
from sw.dataset import Dataset, load_folder
from sw.errors import InputError
from sw.network import Network
from sw.train import TrainedModel

HASH_BEGIN = 12
"""Digits of a hash that a message shows."""


@dataclass(frozen=True)
class Reader:
    """What reads the images, a run or a network.

    Parameters
    ----------
    title: what messages call it.
    record: the data that it says it was made with, if any.
    shape, classes: of the images that it can read.
    opens: whether the recorded path may be opened.
    """

    title: str
    record: DataRecord | None
    shape: tuple[int, int, int]
    classes: int
    opens: bool

    @classmethod
    def of_run(cls, name: str, trained: TrainedModel) -> "Reader":
        """A run; `name` as the user wrote it."""
        return cls(f"run {name}", trained.data, trained.data.shape, trained.data.classes, opens=True)

    @classmethod
    def of_network(cls, title: str, network: Network) -> "Reader":
        """A Network file or a build."""
        return cls(title, network.data, network.input.shape, network.classes, opens=False)

    @property
    def sha256(self) -> str | None:
        """Of the recorded data; None where it is not known."""
        return self.record.sha256 if self.record else None


def load_data(name: str | None) -> Dataset:
    """MNIST where nothing or `mnist` is named, else the folder; a folder called mnist is ./mnist."""
    return mnist.load() if name in (None, mnist.NAME) else load_folder(name)


def choose_data(name: str | None, reader: Reader) -> tuple[Dataset, list[str]]:
    """The data that `--data` names, or else those that the reader records; and what must be said about them.

    Raises InputError where the reader cannot read such images, where the recorded data are gone or changed, and where
    only the user can say which they are.
    """
    if name is not None:
        dataset = load_data(name)
        return dataset, fits(dataset, reader)
    if reader.sha256 is None:
        dataset = mnist.load()
        fits(dataset, reader)
        own = f" but their name, {reader.record.name}" if reader.record else ""
        return dataset, [f"{reader.title} records nothing of its data{own}: MNIST is taken; name others with --data"]
    return _recorded(reader), []


def fits(dataset: Dataset, reader: Reader) -> list[str]:
    """What must be said about these images for this reader: that they are others than those it records.

    Raises InputError where they are of another shape, or of more classes.
    """
    if dataset.shape != reader.shape or dataset.classes > reader.classes:
        raise InputError(
            f"{reader.title} reads images of {images_of(reader.shape, reader.classes)}; those of "
            f"{_called(dataset)} are {images_of(dataset.shape, dataset.classes)}; name data of its shape with --data"
        )
    if reader.sha256 in (None, dataset.sha256):
        return []
    return [f"{reader.title} was made with other data than {_called(dataset)}: {_described(reader.record)}"]


def data_option(record: DataRecord) -> list[str] | None:
    """The words with which a later command takes the recorded data; None where they cannot be named."""
    if record.sha256 == mnist.SHA256:
        return []
    if record.path is None:
        return None
    is_else = record.path.startswith("-") or record.path == mnist.NAME  # an option, the embedded MNIST
    return ["--data", f"./{record.path}" if is_else else record.path]


def simulation_data(network: Network) -> tuple[list[str] | None, list[str]]:
    """The same words for simulating a network, and what must be said.

    They are None where only the user can say what to simulate it with.
    """
    reader, record = Reader.of_network("the network", network), network.data
    own = images_of(reader.shape, reader.classes)
    if reader.sha256 in (None, mnist.SHA256):
        if reader.shape == mnist.SHAPE and reader.classes >= mnist.CLASSES:
            return [], []
        return None, [f"the network does not say where its data are: simulate it with --data, images of {own}"]
    words = data_option(record)
    if words is None or not os.path.isdir(words[1]):  # Path.is_dir raises for names that are too long
        return None, [
            f"the network's data are not here: simulate it with --data, {_described(record)}, images of {own}"
        ]
    return words, []


def count(given: int | None, option: str, default: int, there: int, what: str) -> tuple[int, list[str]]:
    """How many of the images that are there to take: as many as given, or the default or all; and what must be said.

    Raises InputError, which names the option, where the user asks for none or for more than there are.
    """
    if given is None:
        few = [f"there are {there} {what}: all are taken, not {default}"] if there < default else []
        return min(default, there), few
    if not 1 <= given <= there:
        raise InputError(f"{option} must be 1..{there}, not {given}: there are {there} {what}")
    return given, []


def _recorded(reader: Reader) -> Dataset:
    """The data that the reader records."""
    record = reader.record
    if record.sha256 == mnist.SHA256:
        dataset = mnist.load()
        fits(dataset, reader)  # whoever wrote the record may have been wrong
        return dataset
    if not reader.opens:
        words = data_option(record)
        option = "--data" if words is None else f"{shlex.join(words)}, as it says"
        raise InputError(
            f"{reader.title} was made with {record.name} (SHA-256 {record.sha256[:HASH_BEGIN]}...), not with MNIST, "
            f"and opens no other data by itself; give {option}"
        )
    if record.path is None:
        raise InputError(f"{reader.title} was trained on {_described(record)}; name the data with --data")
    try:
        dataset = load_data(record.path)
    except (InputError, OSError) as error:
        raise InputError(
            f"{reader.title} was trained on {_described(record)}, which cannot be read ({error}); name its data with "
            f"--data"
        ) from error
    if dataset.sha256 != record.sha256:
        raise InputError(
            f"{reader.title} was trained on {_described(record)}, but the data there have changed, now SHA-256 "
            f"{dataset.sha256[:HASH_BEGIN]}...; name the data to take with --data"
        )
    fits(dataset, reader)
    return dataset


def _called(dataset: Dataset) -> str:
    return dataset.name if dataset.path is None else dataset.path


def _described(record: DataRecord) -> str:
    """The record in a message."""
    path = "no recorded path" if record.path is None else record.path
    return f"{record.name} ({path}, SHA-256 {record.sha256[:HASH_BEGIN]}...)"
