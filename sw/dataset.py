"""A data set of labelled images: four arrays, and how to read them from a folder of IDX files."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sw import idx
from sw.data_record import DataRecord, is_path
from sw.errors import InputError
from sw.limits import check_shape
from sw.text import NAME_LENGTH, check_name

PARTS = {"train": ("train",), "test": ("t10k", "test")}
"""What the name of a file says about its part of the data."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images uint8 (n, height, width, channels) and labels uint8 (n,), for training and for the final test.

    Parameters
    ----------
    name: what reports call it, 1..100 printable characters.
    path: what the user called it, word for word; None where it is in no folder.
    known_sha256: `sha256`, where the reader knows it and need not compute it.

    Raises InputError where the name is not such, or images and labels do not fit together.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    name: str = "unnamed"
    path: str | None = None
    known_sha256: str | None = None

    def __post_init__(self):
        check_name(self.name, "a data set")
        for part, images, labels in (
            ("training", self.train_images, self.train_labels),
            ("test", self.test_images, self.test_labels),
        ):
            if images.dtype != np.uint8 or images.ndim != 4 or labels.dtype != np.uint8:
                raise InputError(
                    f"{part} images must be uint8 (n, height, width, channels) with uint8 labels, "
                    f"not {images.dtype} {images.shape} with {labels.dtype}"
                )
            check_shape(images.shape[1:])
            if not len(images) or labels.shape != (len(images),):
                raise InputError(
                    f"there are {len(images)} {part} images with labels of shape {labels.shape}; there must be at "
                    f"least one image, and one label for each"
                )
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise InputError(f"training images are {self.shape}, test images {self.test_images.shape[1:]}; must agree")
        if int(self.test_labels.max()) >= self.classes:
            raise InputError(
                f"test label {self.test_labels.max()} is none of the training labels' classes 0..{self.classes - 1}"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels of an image."""
        return self.train_images.shape[1:]

    @property
    def classes(self) -> int:
        """Number of classes: the training labels are 0..classes - 1."""
        return int(self.train_labels.max()) + 1

    @cached_property
    def sha256(self) -> str:
        """Hash over shapes and bytes of the four arrays, in hexadecimal digits."""
        if self.known_sha256 is not None:
            return self.known_sha256
        content = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            content.update(f"{array.shape} ".encode())
            content.update(np.ascontiguousarray(array))
        return content.hexdigest()

    @property
    def record(self) -> DataRecord:
        """What a run or a Network file writes down of it."""
        path = self.path if is_path(self.path) else None
        return DataRecord(self.name, self.sha256, self.shape, self.classes, path)


def load_folder(folder: Path | str) -> Dataset:
    """The data set in a folder of four IDX files, plain or gzipped, called as MNIST's, Fashion-MNIST's or EMNIST's.

    A file belongs to the training part where its name has "train" in it, to the test part where it has "t10k" or
    "test"; it holds labels where it has "labels" in it, images where it has "images". Images are (n, height, width)
    or (n, height, width, channels). Raises InputError where a file is missing, named twice, or damaged.
    """
    path, folder = str(folder), Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; name one with four IDX files, called as those of MNIST")
    files = sorted(path for path in folder.iterdir() if path.is_file())
    arrays = [idx.read(_find(files, folder, part, kind)) for part in PARTS for kind in ("images", "labels")]
    images = [array[..., None] if array.ndim == 3 else array for array in arrays[::2]]
    return Dataset(images[0], arrays[1], images[1], arrays[3], name=_name(folder), path=path)


def _name(folder: Path) -> str:
    """The folder's own name, as a record may hold it."""
    name = "".join(letter if letter.isprintable() else "_" for letter in folder.resolve().name)
    return name[:NAME_LENGTH] or "data"


def _find(files: list[Path], folder: Path, part: str, kind: str) -> Path:
    words = PARTS[part]
    found = [path for path in files if kind in path.name and any(word in path.name for word in words)]
    if len(found) != 1:
        names = " or ".join(f"*{word}*{kind}*" for word in words)
        raise InputError(f"{folder} has {len(found)} files called {names}; must have one, an IDX file")
    return found[0]
