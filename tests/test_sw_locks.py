"""sw/locks.py: one at a time, and a lock ends with its process."""

import errno
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from sw import locks
from sw.files import TargetError
from sw.locks import locked

HOLD = """
import sys
from pathlib import Path
from sw.locks import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def take(target):
    with locked(target):
        pass


def test_the_second_is_refused_until_the_first_is_done(tmp_path):
    with locked(tmp_path / "new" / "run"):
        with pytest.raises(TargetError, match=f"another process is at work on {tmp_path}/new/run; wait"):
            take(tmp_path / "new" / "run")
        take(tmp_path / "new" / "other")
    take(tmp_path / "new" / "run")
    assert names(tmp_path / "new") == []


def test_a_lock_ends_with_its_process(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "run"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"locked\n"
        with pytest.raises(TargetError):
            take(tmp_path / "run")
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert names(tmp_path) == [".run.lock"]
        take(tmp_path / "run")
    assert names(tmp_path) == []


def test_a_file_that_its_owner_removed_meanwhile_is_no_lock(tmp_path, monkeypatch):
    tries = []

    def lock(handle):
        tries.append(handle)
        if len(tries) == 1:
            (tmp_path / ".run.lock").unlink()
        real(handle)

    real = locks._lock
    monkeypatch.setattr(locks, "_lock", lock)
    with locked(tmp_path / "run"):
        assert len(tries) == 2
        with pytest.raises(TargetError):
            take(tmp_path / "run")


def test_a_file_system_without_locks_is_no_hindrance(tmp_path, monkeypatch):
    def lock(handle):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "_lock", lock)
    take(tmp_path / "run")
    assert names(tmp_path) == []


def test_a_lock_that_cannot_be_made_names_the_target(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TargetError, match=r"cannot write a lock beside .*/file/run: "):
        take(tmp_path / "file" / "run")


def test_windows_has_its_own_way(tmp_path, monkeypatch):
    held = set()

    def locking(handle, mode, count):
        node = os.fstat(handle).st_ino
        if node in held:
            raise PermissionError(errno.EACCES, "Permission denied")
        held.add(node)

    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setattr(locks, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2), raising=False)
    with locked(tmp_path / "run"), pytest.raises(TargetError, match="another process"):
        take(tmp_path / "run")


def test_a_link_does_not_say_where_the_lock_is_made(tmp_path):
    (tmp_path / ".network.npz.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TargetError, match="cannot write a lock beside"), locked(tmp_path / "network.npz"):
        pass
    assert not (tmp_path / "elsewhere").exists()
