"""sw/files.py: whole or not at all, and nothing of others is replaced."""

import errno
import os
import re
import resource
from pathlib import Path

import pytest

from sw.errors import InputError
from sw.file_kinds import Kind
from sw.files import TargetError, check_file, check_folder, replacing_file, replacing_folder, save_or_keep, write_text

OTHERS = ("first", "sec*", "in/*")
POEM = Kind("a poem", lambda head: head.startswith(b"O "))


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
    with replacing_folder(folder, "marker", OTHERS) as temporary:
        (temporary / "marker").write_text("")
        (temporary / content).write_text("")


def test_folder_is_made_and_replaced(tmp_path):
    make(tmp_path / "run", "first")
    make(tmp_path / "run", "second")
    assert names(tmp_path / "run") == ["marker", "second"]
    assert names(tmp_path) == ["run"]


def test_a_link_in_place_of_a_folder_is_replaced_and_its_folder_stays(tmp_path):
    make(tmp_path / "elsewhere", "first")
    (tmp_path / "run").symlink_to("elsewhere")
    make(tmp_path / "run", "second")
    assert not (tmp_path / "run").is_symlink()
    assert names(tmp_path / "elsewhere") == ["first", "marker"]
    assert names(tmp_path / "run") == ["marker", "second"]


@pytest.mark.parametrize("goal", ["nowhere", "run"])
def test_a_link_to_nothing_in_place_of_a_folder_is_refused_before_the_work(tmp_path, goal):
    (tmp_path / "run").symlink_to(goal)
    with pytest.raises(TargetError, match=r"cannot write folder .*run: it is a link to nothing|Too many levels"):
        check_folder(tmp_path / "run", "marker")
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


@pytest.mark.parametrize("foreign", ["thesis", "out/second", "my.first", ".thesis.lock", "out/.git/head"])
def test_a_folder_of_ours_is_kept_if_somebody_has_put_a_file_there(tmp_path, foreign):
    make(tmp_path / "run", "first")
    write_text(tmp_path / "run" / foreign, "mine")
    line = f"will not replace .*run: {re.escape(foreign)} in it is not of those that this command writes; move it away"
    with pytest.raises(TargetError, match=line):
        check_folder(tmp_path / "run", "marker", OTHERS)
    with pytest.raises(TargetError, match=line):
        make(tmp_path / "run", "second")
    assert (tmp_path / "run" / foreign).read_text() == "mine"


def test_a_folder_of_ours_is_replaced_with_all_that_ours_may_hold(tmp_path):
    make(tmp_path / "run", "first")
    for name in ("second", "in/own", "in/deep/own", ".first.lock"):
        write_text(tmp_path / "run" / name, "")
    make(tmp_path / "run", "second")
    assert names(tmp_path / "run") == ["marker", "second"]


def test_failure_leaves_the_old_folder(tmp_path):
    make(tmp_path / "run", "first")
    with pytest.raises(KeyboardInterrupt):
        write_half(replacing_folder(tmp_path / "run", "marker", OTHERS))
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


def test_a_check_makes_no_folders(tmp_path):
    check_file(tmp_path / "new" / "deep" / "b.txt")
    check_folder(tmp_path / "new" / "deep" / "run", "marker")
    assert names(tmp_path) == []


@pytest.mark.parametrize("old", ["", "O tempora"])
def test_a_file_of_the_same_kind_and_an_empty_one_are_replaced(tmp_path, old):
    (tmp_path / "poem").write_text(old)
    check_file(tmp_path / "poem", POEM)
    write_text(tmp_path / "poem", "O mores", POEM)
    assert (tmp_path / "poem").read_text() == "O mores"


def test_a_file_of_another_kind_is_replaced_by_force_alone(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("layers = []")
    for refused in (lambda: check_file(path, POEM), lambda: write_text(path, "O mores", POEM)):
        with pytest.raises(
            TargetError, match=r"will not replace .*: it is not a poem; name another file, or .*--force"
        ):
            refused()
    assert path.read_text() == "layers = []"
    check_file(path, POEM, force=True)
    write_text(path, "O mores", POEM, force=True)
    assert path.read_text() == "O mores"
    assert names(tmp_path) == ["mine.toml"]


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "poem"
    with pytest.raises(TargetError, match="will not replace"), replacing_file(path, POEM):
        path.write_text("other")
    assert path.read_text() == "other"


def test_a_folder_that_came_meanwhile_is_not_replaced(tmp_path):
    with pytest.raises(TargetError, match="will not replace"), replacing_folder(tmp_path / "run", "marker"):
        write_text(tmp_path / "run" / "thesis", "")
    assert names(tmp_path / "run") == ["thesis"]


def test_a_pipe_or_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(TargetError, match="it is a device, a pipe or the like; name a file"):
            check_file(path)


@pytest.mark.parametrize("path", [".", "..", "/", "a/.."])
def test_a_folder_without_a_name_of_its_own_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TargetError, match="must have a name of its own"):
        check_folder(Path(path), "marker")


def test_a_name_that_is_too_long_is_refused(tmp_path):
    for check in (lambda path: check_file(path, POEM), lambda path: check_folder(path, "marker")):
        with pytest.raises(TargetError, match=r"cannot write .*: File name too long"):
            check(tmp_path / ("x" * 300))


def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path, monkeypatch):
    def refused(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("sw.files.tempfile.mkstemp", refused)
    for check in (lambda path: check_file(path, POEM), lambda path: check_folder(path, "marker")):
        with pytest.raises(TargetError, match=r"cannot write .*new: Permission denied; choose a place"):
            check(tmp_path / "new")


def test_a_full_disk_names_the_place(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(TargetError, match=r"cannot write .*b\.txt: File too large; choose a place"):
            write_text(tmp_path / "b.txt", "x" * 11)
        with pytest.raises(TargetError, match=r"cannot write .*run: File too large; choose a place"):
            save_run(tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(tmp_path) == []


def save_run(folder, content="x" * 11):
    with replacing_folder(folder, marker="marker") as temporary:
        (temporary / "marker").write_text(content)


def test_a_full_disk_within_a_folder_names_the_folder(tmp_path, monkeypatch):
    def full(path, *arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sw.files.Path.write_text", full)
    line = f"cannot write {tmp_path}/run: No space left on device; choose a place you can write to"
    with pytest.raises(TargetError, match=line), replacing_folder(tmp_path / "run", "marker") as temporary:
        write_text(temporary / "marker", "")
    with pytest.raises(TargetError, match=f"cannot write {tmp_path}/b.txt: No space left"):
        write_text(tmp_path / "b.txt", "")
    assert names(tmp_path) == []


def test_an_error_of_another_file_is_told_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), replacing_file(tmp_path / "b.txt"):
        (tmp_path / "source").read_text()


def test_a_copy_for_which_there_is_no_room_names_the_place(tmp_path):
    def copy(path):
        with replacing_file(path) as temporary:
            raise OSError(errno.ENOSPC, "No space left on device", "source", None, str(temporary))  # as shutil does

    with pytest.raises(TargetError, match=r"cannot write .*b\.txt: No space left on device"):
        copy(tmp_path / "b.txt")


def test_a_result_whose_place_is_refused_is_kept_beside(tmp_path):
    write_text(tmp_path / "run" / "thesis", "")
    for name in ("run.kept", "run.kept2"):
        with pytest.raises(TargetError, match=f"will not replace .*; what .* is kept as {tmp_path / name}$"):
            save_or_keep(save_run, tmp_path / "run")
        assert names(tmp_path / name) == ["marker"]
    (tmp_path / "net.npz").mkdir()
    with pytest.raises(TargetError, match=r"it is a folder; .* is kept as .*/net\.kept\.npz$"):
        save_or_keep(lambda path: write_text(path, "result"), tmp_path / "net.npz")


def test_a_result_that_has_no_place_beside_is_kept_with_temporary_files(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))

    def save(path):
        if path.parent == tmp_path:
            with replacing_file(path):
                raise OSError(errno.ENOSPC, "No space left on device")
        write_text(path, "result")

    with pytest.raises(TargetError, match=r"net\.npz: No space left on device; .*; what .* kept as (.*)$") as refused:
        save_or_keep(save, tmp_path / "net.npz")
    kept = Path(str(refused.value).rpartition(" ")[2])
    assert (kept.name, kept.read_text(), kept.parents[1]) == ("net.npz", "result", tmp_path / "tmp")


def test_a_result_that_no_place_takes_is_lost_and_the_line_says_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def full(path):
        with replacing_file(path):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(TargetError, match=r"choose a place you can write to$"):
        save_or_keep(full, tmp_path / "net.npz")
    assert names(tmp_path) == []


def test_a_result_whose_place_is_good_is_written_once(tmp_path):
    save_or_keep(save_run, tmp_path / "run")
    assert names(tmp_path) == ["run"]
