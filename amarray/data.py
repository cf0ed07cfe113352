"""The data set that a command works on: the embedded MNIST, or a folder of IDX files."""

from pathlib import Path

from sw import mnist
from sw.dataset import Dataset, load_folder


def load_data(folder: str | None) -> Dataset:
    """MNIST where no folder is named."""
    return mnist.load() if folder is None else load_folder(Path(folder))
