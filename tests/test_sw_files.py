"""sw/files.py: whole or not at all, and nothing of others is replaced."""

import os

import pytest

from sw.errors import InputError
from sw.files import check_file, replacing_file, replacing_folder, write_text


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_is_written_with_its_folders(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "é")
    assert (tmp_path / "a" / "b.txt").read_bytes() == "é".encode()
    assert names(tmp_path / "a") == ["b.txt"]


def test_file_obeys_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "b.txt", "")
    finally:
        os.umask(old)
    assert (tmp_path / "b.txt").stat().st_mode & 0o777 == 0o640


def write_half(context):
    with context as temporary:
        path = temporary / "half" if temporary.is_dir() else temporary
        path.write_text("half")
        raise KeyboardInterrupt


def test_failure_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "b.txt", "old")
    with pytest.raises(KeyboardInterrupt):
        write_half(replacing_file(tmp_path / "b.txt"))
    assert names(tmp_path) == ["b.txt"]
    assert (tmp_path / "b.txt").read_text() == "old"


def test_file_refuses_a_folder(tmp_path):
    with pytest.raises(InputError, match="it is a folder; name a file"):
        write_text(tmp_path, "")


def test_refuses_a_file_in_place_of_a_folder(tmp_path):
    write_text(tmp_path / "b.txt", "")
    with pytest.raises(InputError, match=r"cannot write .*c\.txt: .*; choose a place"):
        write_text(tmp_path / "b.txt" / "c.txt", "")
    with pytest.raises(InputError, match="a file has that name"), replacing_folder(tmp_path / "b.txt", "m"):
        pass


def make(folder, content):
    with replacing_folder(folder, marker="marker") as temporary:
        (temporary / "marker").write_text("")
        (temporary / content).write_text("")


def test_folder_is_made_and_replaced(tmp_path):
    make(tmp_path / "run", "first")
    make(tmp_path / "run", "second")
    assert names(tmp_path / "run") == ["marker", "second"]
    assert names(tmp_path) == ["run"]


def test_empty_folder_is_replaced(tmp_path):
    (tmp_path / "run").mkdir()
    make(tmp_path / "run", "first")
    assert names(tmp_path / "run") == ["first", "marker"]


def test_foreign_folder_is_kept(tmp_path):
    write_text(tmp_path / "run" / "thesis", "")
    with pytest.raises(InputError, match="not empty and has no marker; name a new folder"):
        make(tmp_path / "run", "first")
    assert names(tmp_path / "run") == ["thesis"]


def test_failure_leaves_the_old_folder(tmp_path):
    make(tmp_path / "run", "first")
    with pytest.raises(KeyboardInterrupt):
        write_half(replacing_folder(tmp_path / "run", marker="marker"))
    assert names(tmp_path / "run") == ["first", "marker"]
    assert names(tmp_path) == ["run"]


def test_a_place_is_checked_and_left_as_it_was(tmp_path):
    write_text(tmp_path / "b.txt", "old")
    check_file(tmp_path / "b.txt")
    check_file(tmp_path / "new.txt")
    assert names(tmp_path) == ["b.txt"]
    assert (tmp_path / "b.txt").read_text() == "old"
    with pytest.raises(InputError, match="it is a folder; name a file"):
        check_file(tmp_path)
    with pytest.raises(InputError, match="choose a place you can write to"):
        check_file(tmp_path / "b.txt" / "c.txt")
