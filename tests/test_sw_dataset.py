"""sw/dataset.py: folders of IDX files of other sizes and classes, and a reason for each that is refused."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from tiny import idx_bytes

from sw.data_record import DataRecord
from sw.dataset import Dataset, load_folder
from sw.errors import InputError

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def arrays(classes=3, shape=(5, 7)):
    generator = np.random.default_rng(0)
    labels = [np.arange(n, dtype=np.uint8) % classes for n in (12, 6)]
    images = [generator.integers(0, 256, (len(part), *shape), dtype=np.uint8) for part in labels]
    return images[0], labels[0], images[1], labels[1]


def write(folder, contents, names=NAMES):
    folder.mkdir(exist_ok=True)
    for name, array in zip(names, contents, strict=True):
        (folder / name).write_bytes(idx_bytes(array))
    return folder


def test_another_size_and_other_classes(tmp_path):
    data = load_folder(write(tmp_path / "signs", arrays()))
    assert (data.name, data.shape, data.classes) == ("signs", (5, 7, 1), 3)
    for part, array in zip((data.train_images[..., 0], data.train_labels), arrays()[:2], strict=True):
        np.testing.assert_array_equal(part, array)
    np.testing.assert_array_equal(data.test_images[..., 0], arrays()[2])
    np.testing.assert_array_equal(data.test_labels, arrays()[3])


def test_emnist_names_gzip_and_colour(tmp_path):
    names = [f"emnist-digits-{part}-{kind}.gz" for part in ("train", "test") for kind in ("images-idx3", "labels-idx1")]
    contents = arrays(shape=(4, 4, 3))
    for name, array in zip(names, contents, strict=True):
        (tmp_path / name).write_bytes(gzip.compress(idx_bytes(array)))
    assert load_folder(tmp_path).shape == (4, 4, 3)


def test_its_record_says_how_to_find_it_and_to_know_others(tmp_path, monkeypatch):
    write(tmp_path / "signs", arrays())
    monkeypatch.chdir(tmp_path)
    data = load_folder(Path("signs"))
    assert data.record == DataRecord("signs", data.sha256, (5, 7, 1), 3, "signs")
    assert load_folder(tmp_path / "signs").sha256 == data.sha256


@pytest.mark.parametrize("changed", range(4))
def test_every_array_changes_the_hash(changed):
    parts = arrays()
    before = Dataset(parts[0][..., None], parts[1], parts[2][..., None], parts[3]).sha256
    parts[changed].reshape(-1)[-2] ^= 1
    assert Dataset(parts[0][..., None], parts[1], parts[2][..., None], parts[3]).sha256 != before


def test_the_same_bytes_in_another_shape_have_another_hash():
    parts = arrays(shape=(4, 6))
    hashes = {
        Dataset(parts[0].reshape(-1, *shape), parts[1], parts[2].reshape(-1, *shape), parts[3]).sha256
        for shape in ((4, 6, 1), (6, 4, 1), (4, 3, 2))
    }
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("folder", "name", "path"),
    [("two\nlines", "two_lines", None), ("n" * 150, "n" * 100, "n" * 150), ("数字", "数字", "数字")],
)
def test_a_folder_of_any_name_has_a_record(tmp_path, monkeypatch, folder, name, path):
    write(tmp_path / folder, arrays())
    monkeypatch.chdir(tmp_path)
    record = load_folder(Path(folder)).record
    assert (record.name, record.path) == (name, path)


def test_a_missing_file_is_named(tmp_path):
    folder = write(tmp_path, arrays())
    (folder / NAMES[3]).unlink()
    with pytest.raises(InputError, match=r"0 files called \*t10k\*labels\* or \*test\*labels\*; must have one"):
        load_folder(folder)


def test_two_files_for_one_part(tmp_path):
    folder = write(tmp_path, arrays())
    (folder / "my-test-images").write_bytes(b"")
    with pytest.raises(InputError, match="2 files called"):
        load_folder(folder)


def test_not_a_folder(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        load_folder(tmp_path / "nowhere")


def changed(**parts):
    names = ("train_images", "train_labels", "test_images", "test_labels")
    contents = dict(zip(names, arrays(), strict=True))
    contents["train_images"] = contents["train_images"][..., None]
    contents["test_images"] = contents["test_images"][..., None]
    return contents | parts


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train_images": np.zeros((12, 5, 7), np.uint8)}, r"training images must be uint8 \(n, height"),
        ({"test_images": np.zeros((6, 5, 7, 1))}, "test images must be uint8 .*, not float64"),
        ({"test_labels": np.zeros(5, np.uint8)}, "6 test images with labels of shape"),
        ({"test_images": np.zeros((6, 5, 8, 1), np.uint8)}, r"training images are \(5, 7, 1\), test images"),
        ({"train_images": np.zeros((12, 0, 7, 1), np.uint8)}, "each at least 1, not"),
        ({"train_images": np.zeros((12, 4096, 4096, 2), np.uint8)}, "pixels of an image must be at most 16777216"),
        ({"name": "two\nlines"}, r"the name of a data set must be 1\.\.100 printable characters, not 'two\\nlines'"),
        ({"test_labels": np.full(6, 3, np.uint8)}, r"test label 3 is none of .* classes 0\.\.2"),
    ],
)
def test_refuses(parts, message):
    with pytest.raises(InputError, match=message):
        Dataset(**changed(**parts))
