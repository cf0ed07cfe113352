"""The user's cache: entries appear whole, are made again where they are damaged, and go where there are too many."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading

import platformdirs
import pytest

from sw import user_cache
from sw.errors import InputError
from sw.user_cache import LISTING, VARIABLE, add, clear, entries, entry, evict, find, home


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, beside which nothing is kept by the process."""
    folder = tmp_path / "a cache"
    monkeypatch.setenv(VARIABLE, str(folder))
    monkeypatch.setattr(user_cache, "_unkept", {})
    user_cache._say.cache_clear()
    return folder


class Made:
    """Makes an entry of two files and counts how often."""

    def __init__(self, text: str = "made", size: int = 0):
        self.text, self.size, self.calls = text, size, 0

    def __call__(self, folder):
        self.calls += 1
        (folder / "one").write_text(self.text)
        (folder / "below").mkdir()
        (folder / "below" / "two").write_bytes(bytes(self.size))


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_an_entry_is_made_once_and_known_by_all_of_its_key():
    make = Made()
    assert find("kind", [1, "a"]) is None
    first = entry("kind", [1, "a"], make)
    assert names(first) == ["below/two", LISTING, "one"]
    assert entry("kind", [1, "a"], make) == find("kind", [1, "a"]) == first
    assert make.calls == 1
    assert len({first, entry("other", [1, "a"], make), entry("kind", [2, "a"], make)}) == make.calls == 3


def test_the_place_is_the_users_or_that_of_the_variable(cache, monkeypatch):
    assert home() == cache
    monkeypatch.setenv(VARIABLE, "")
    assert home() == platformdirs.user_cache_path("amarray", appauthor=False)


def test_only_the_user_may_read_the_cache(cache):
    entry("kind", 1, Made())
    assert (cache.stat().st_mode & 0o777, (cache / "kind").stat().st_mode & 0o777) == (0o700, 0o700)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_cache_where_others_write_is_refused(cache, mode):
    cache.mkdir()
    cache.chmod(mode)
    with pytest.raises(InputError, match=r"others can write there; `chmod go-w` it, or name another folder in AMARRAY"):
        find("kind", 1)
    cache.chmod(0o755)
    assert find("kind", 1) is None


def test_a_cache_of_another_user_is_refused(cache, monkeypatch):
    cache.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: cache.stat().st_uid + 1)
    with pytest.raises(InputError, match=r"will not use the cache .*: it belongs to another user"):
        add("kind", 1, Made())


def test_a_cache_that_is_a_file_is_refused(cache):
    cache.write_text("mine")
    with pytest.raises(InputError, match=r"the cache cannot be .*, which is no folder"):
        entry("kind", 1, Made())
    assert cache.read_text() == "mine"


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "one").write_text("mad"),
        lambda folder: (folder / "one").unlink(),
        lambda folder: (folder / LISTING).unlink(),
        lambda folder: (folder / LISTING).write_text('{"one": "'),
        lambda folder: (folder / LISTING).write_text("[]"),
        lambda folder: (folder / LISTING).write_bytes(b"\xff"),
        lambda folder: (shutil.rmtree(folder), folder.write_text("a file")),
    ],
)
def test_a_damaged_entry_is_made_again(damage):
    make = Made()
    folder = entry("kind", 1, make)
    damage(folder)
    assert find("kind", 1) is None
    assert entry("kind", 1, make) == folder
    assert (make.calls, (folder / "one").read_text(), names(folder)) == (2, "made", ["below/two", LISTING, "one"])
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_what_fails_leaves_nothing(cache):
    def fails(folder):
        (folder / "half").write_text("half")
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        entry("kind", 1, fails)
    assert not cache.exists()


def test_two_may_make_an_entry_at_the_same_time(cache):
    both, found = threading.Barrier(2), []

    def make(folder):
        (folder / "one").write_text("made")
        both.wait()  # until the other one has not found it either

    threads = [threading.Thread(target=lambda: found.append(entry("kind", 1, make))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert names(cache) == sorted(f"kind/{found[0].name}/{name}" for name in (LISTING, "one"))


def test_another_process_finds_it(cache):
    entry("kind", {"a": [1, 2]}, Made())
    code = "from sw.user_cache import find; print((find('kind', {'a': [1, 2]}) / 'one').read_text())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "made\n"


def no_space(*arguments, **options):
    raise OSError(errno.ENOSPC, "No space left on device")


def no_space_for_a_file(*arguments, **options):
    raise shutil.Error([("from", "to", "[Errno 28] No space left on device")])


@pytest.mark.parametrize("copy", [no_space, no_space_for_a_file])
def test_a_full_cache_is_one_line_and_the_entry_lives_on(cache, monkeypatch, capsys, copy):
    monkeypatch.setattr(shutil, "copytree", copy)
    make = Made()
    folder = entry("kind", 1, make)
    assert entry("kind", 1, make) == folder
    assert ((folder / "one").read_text(), make.calls) == ("made", 1)
    entry("kind", 2, make)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"note: nothing can be kept in the cache {cache}: ")
    assert line.endswith("No space left on device")
    assert names(cache) == []


def test_where_no_cache_can_be_made_a_command_works_and_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("mine")
    code = "from sw import user_cache; print(user_cache.entry('kind', 1, lambda folder: None))"
    environment = os.environ | {VARIABLE: str(tmp_path / "file" / "cache"), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(tmp_path / "amarray-"))
    assert done.stderr == f"note: nothing can be kept in the cache {tmp_path / 'file' / 'cache'}: Not a directory\n"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_cache_that_can_only_be_read_is_read(cache, monkeypatch):
    make = Made()
    folder = entry("kind", 1, make)
    monkeypatch.setattr(os, "utime", no_space)
    assert entry("kind", 1, make) == folder
    assert make.calls == 1


def aged(folder, hours: float):
    """The entry, last used so long ago."""
    used = (folder / LISTING).stat().st_mtime - 3600 * hours
    os.utime(folder / LISTING, (used, used))
    return folder


def test_the_least_recently_used_go_and_none_of_the_last_hour(monkeypatch):
    folders = [aged(entry("kind", hours, Made(size=1000)), hours) for hours in (5, 3, 4, 0.9)]
    size = sum(each.bytes for each in entries())
    monkeypatch.setattr(user_cache, "LIMIT", size)
    evict()
    assert all(folder.exists() for folder in folders)
    find("kind", 5)  # which is a use
    monkeypatch.setattr(user_cache, "LIMIT", size - 1)
    evict()
    assert [folder.exists() for folder in folders] == [True, True, False, True]
    monkeypatch.setattr(user_cache, "LIMIT", 0)
    evict()
    assert [folder.exists() for folder in folders] == [True, False, False, True]


def test_a_new_entry_drives_out_old_ones(cache, monkeypatch):
    old = aged(entry("kind", 1, Made(size=5000)), 2)
    monkeypatch.setattr(user_cache, "LIMIT", 6000)
    entry("kind", 2, Made(size=5000))
    assert not old.exists()
    assert [each.bytes >= 5000 for each in entries()] == [True]
    assert [path.name for path in (cache / "kind").iterdir()] == [entries()[0].folder.name]


def test_clear_removes_what_is_ours_and_nothing_else(cache):
    entry("kind", 1, Made())
    entry("other", 1, Made())
    unfinished = cache / "kind" / ".new-abc123"
    unfinished.mkdir()
    (cache / "other" / "thesis.txt").write_text("mine")
    (cache / "notes").mkdir()
    assert len(entries()) == 3
    clear()
    assert entries() == []
    assert sorted(path.name for path in cache.rglob("*")) == ["notes", "other", "thesis.txt"]
    clear()


def test_what_others_name_by_hashes_stays(cache, tmp_path):
    ours = entry("kind", 1, Made())
    made = [cache / "sha256" / ours.name, cache / "containers" / ours.name, cache / "kind" / ".new-mine"]
    made[0].parent.mkdir()
    made[0].write_text("a layer of a container's image")
    for folder in (*made[1:], tmp_path / "elsewhere" / ours.name):
        folder.mkdir(parents=True)
        (folder / "data").write_text("mine")
    (cache / "link").symlink_to(tmp_path / "elsewhere")
    shutil.copytree(ours, tmp_path / "elsewhere" / ours.name, dirs_exist_ok=True)
    (cache / "containers" / ("0" * 64)).symlink_to(tmp_path / "elsewhere" / ours.name)
    clear()
    assert not ours.exists()
    assert all(path.exists() for path in made)
    assert (tmp_path / "elsewhere" / ours.name / "data").read_text() == "mine"
    assert sorted(path.name for path in cache.iterdir()) == ["containers", "kind", "link", "sha256"]


def test_the_listing_is_of_the_content(cache):
    folder = entry("kind", 1, Made())
    listed = json.loads((folder / LISTING).read_text())
    assert sorted(listed) == ["below/two", "one"]
