"""The MNIST handwritten digits, embedded whole and unchanged: no network access is needed."""

import hashlib
from pathlib import Path

import numpy as np

from sw import idx
from sw.dataset import Dataset
from sw.errors import InputError

FOLDER = Path(__file__).parent / "data" / "mnist"
"""Where the four embedded files are, in a wheel too."""
SHAPE = (28, 28, 1)
"""Height, width, channels of an image."""
CLASSES = 10

MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
"""The published MD5 sums of the uncompressed files."""
NAME = "mnist"
SHA256 = "f5c9419f3b023472de6fefa4ddb6e358cb3b002274993ea20aed785af87b6b1b"
"""`Dataset.sha256` of what these MD5 sums are of."""


def load(folder: Path = FOLDER) -> Dataset:
    """MNIST: 60,000 training and 10,000 test images (n, 28, 28, 1).

    Raises InputError if a file is missing, damaged, or differs from the published one.
    """
    train_images, train_labels, test_images, test_labels = (_read(Path(folder) / f"{name}.gz", name) for name in MD5)
    return Dataset(
        train_images=train_images.reshape(-1, *SHAPE),
        train_labels=train_labels,
        test_images=test_images.reshape(-1, *SHAPE),
        test_labels=test_labels,
        name=NAME,
        path=NAME,
        known_sha256=SHA256,
    )


def _read(path: Path, name: str) -> np.ndarray:
    data = idx.content(path)
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if found != MD5[name]:
        raise InputError(f"{path} is not the published MNIST: MD5 {found}, must be {MD5[name]}; get the file again")
    return idx.parse(data, str(path))
