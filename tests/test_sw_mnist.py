"""sw/mnist.py: the embedded data set is MNIST, and a changed one is refused."""

import gzip
import shutil
from dataclasses import replace

import numpy as np
import pytest

from sw import mnist
from sw.data_record import DataRecord
from sw.errors import InputError


def test_embedded_data_set():
    data = mnist.load()
    assert data.train_images.shape == (60000, *mnist.SHAPE)
    assert data.test_images.shape == (10000, *mnist.SHAPE)
    assert (data.name, data.shape, data.classes) == ("mnist", mnist.SHAPE, mnist.CLASSES)
    assert data.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(data.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_its_hash_is_known_beforehand():
    data = mnist.load()
    assert replace(data, known_sha256=None).sha256 == data.sha256 == mnist.SHA256
    assert data.record == DataRecord("mnist", mnist.SHA256, mnist.SHAPE, mnist.CLASSES, "mnist")


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(mnist.FOLDER, tmp_path / "mnist")
    return tmp_path / "mnist"


def test_refuses_changed_content(folder):
    path = folder / "t10k-labels-idx1-ubyte.gz"
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[100] ^= 1
    path.write_bytes(gzip.compress(bytes(data)))
    with pytest.raises(InputError, match=r"t10k-labels.* is not the published MNIST: MD5 \w+, must be 27ae3e4e"):
        mnist.load(folder)


def test_refuses_missing_file(folder):
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match=r"cannot read .*train-labels"):
        mnist.load(folder)
