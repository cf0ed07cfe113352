"""A tiny network in a TOML file and a tiny data set in IDX files, as a user would have them in a folder."""

from pathlib import Path

import numpy as np

TOML = """
layers = [
  { kind = "flatten" },
  { kind = "dense", outputs = 8 },
  { kind = "batchnorm" },
  { kind = "relu" },
  { kind = "dropout", rate = 0.1 },
  { kind = "dense", outputs = "classes" },
]
[recipe]
epochs = 4
batch_size = 20
learning_rate = 0.01
validation_images = 20
"""
TRAIN = ("train", "tiny.toml", "--data", "bars", "--json")


def idx_bytes(array: np.ndarray) -> bytes:
    """A uint8 array as the content of an IDX file."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def write_tiny(folder: Path) -> None:
    """Write tiny.toml and the data set `bars`: class k is a bright bar in row 2k, in noise."""
    generator = np.random.default_rng(0)
    (folder / "bars").mkdir()
    for part, count in (("train", 120), ("t10k", 40)):
        labels = generator.integers(0, 4, count, dtype=np.uint8)
        images = generator.integers(0, 60, (count, 9, 8), dtype=np.uint8)
        images[np.arange(count), 2 * labels.astype(int)] += 150
        (folder / "bars" / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (folder / "bars" / f"{part}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    (folder / "tiny.toml").write_text(TOML)
