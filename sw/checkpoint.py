"""A checkpoint: a training that was stopped, in one file, so that it can go on bit for bit.

An uncompressed .npz archive of the arrays of `Training.state`, with its JSON values, what is trained, how and with
which data in the member `header`. Nothing in it is ever executed.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

from sw.architecture import Architecture
from sw.dataset import Dataset
from sw.errors import InputError
from sw.files import replacing_file
from sw.reading import archive, json_value, memory, read_bytes, refusing
from sw.recipe import Recipe
from sw.train import Training

FORMAT_VERSION = 1
MOST_HEADER = 1 << 24
"""Bytes of the header, which holds the loss of every step of an epoch; parsed, they take less than 1 GiB."""


def save_checkpoint(training: Training, architecture: Architecture, path: Path) -> None:
    """Write the training's state to `path`, whole or not at all. Raises InputError where that is impossible."""
    values, arrays = training.state()
    header = {
        "format": FORMAT_VERSION,
        "architecture": architecture.to_dict(),
        "recipe": training.recipe.to_dict(),
        "data_sha256": _digest(training.dataset),
        "values": values,
    }
    members = arrays | {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    with replacing_file(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez(file, **members)


def load_checkpoint(
    path: Path, architecture: Architecture, recipe: Recipe, dataset: Dataset
) -> tuple[dict, dict[str, np.ndarray]]:
    """What `sw.train.train` takes as `start`.

    Raises InputError where the file is missing or damaged, or is of another network, recipe or data set; what the
    training makes of it is checked by `Training.restore`. The file has at most a quarter of the memory there is, and
    takes three times its size, and its header what MOST_HEADER says.
    """
    with refusing(f"resume from {path}", "a checkpoint", "a stopped training leaves one"):
        arrays = archive(read_bytes(Path(path), memory() // 4))
        header = json_value(arrays.pop("header").tobytes(), MOST_HEADER)
        if header["format"] != FORMAT_VERSION:
            raise InputError(f"format version {header['format']!r} is not known; must be {FORMAT_VERSION}")
        # a round trip through JSON, so that tuples and lists compare as equal
        wanted = json.loads(json.dumps({"architecture": architecture.to_dict(), "recipe": recipe.to_dict()}))
        for name in wanted:
            if header[name] != wanted[name]:
                raise InputError(f"it is of another {name}{_difference(header[name], wanted[name])}")
        if header["data_sha256"] != _digest(dataset):
            raise InputError("it is of another data set")
        return header["values"], {name: array.copy() for name, array in arrays.items()}


def _difference(found: dict, wanted: dict) -> str:
    names = [name for name in wanted if found.get(name) != wanted[name]]
    return "; " + ", ".join(f"{name} is {found.get(name)!r} there and {wanted[name]!r} here" for name in names[:3])


def _digest(dataset: Dataset) -> str:
    content = hashlib.sha256()
    for array in (dataset.train_images, dataset.train_labels):
        content.update(f"{array.shape}".encode())
        content.update(np.ascontiguousarray(array))
    return content.hexdigest()
