"""Steps that are not repeated: each is known by the content of what goes in and what comes out.

A step is reused if its inputs, the source files that it runs and the packages it uses have the same
hash as when it last ran, and its output files still have theirs. No time stamp takes part.
"""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from importlib import metadata
from pathlib import Path

from sw.errors import InputError
from sw.files import write_text

STATE = "steps.json"
ROOT = Path(__file__).resolve().parents[1]


class Steps:
    """The steps of one output folder. Threads and processes may run steps of different names at the same time.

    Parameters
    ----------
    folder: where outputs and the record of the steps lie. An existing folder must be empty or have a record.
    say: called with a line for each step that is reused.

    Attributes
    ----------
    seconds: time of each step in this run. reused: names of those that did not run.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]):
        self._folder, self._say = Path(folder), say
        _check_folder(self._folder)
        self._state = _read_state(self._folder)
        self._recording = threading.Lock()
        self.seconds: dict[str, float] = {}
        self.reused: list[str] = []

    def run(
        self,
        name: str,
        action: Callable[[], dict],
        *,
        inputs: object,
        outputs: Iterable[str],
        code: Iterable[str],
        packages: Iterable[str],
    ) -> dict:
        """The action's result, a JSON object; from the record if nothing has changed.

        inputs: JSON value that decides the result. outputs: files and folders that the action writes, by
        name in the folder. code: source folders and files that it runs. packages: distributions that it uses.
        """
        outputs = list(outputs)
        key = _digest([inputs, [digest(ROOT / part, "*.py") for part in code], _versions(packages)])
        start = time.perf_counter()
        found = self._state.get(name)
        if found and found["key"] == key and found["outputs"] == self.contents(*outputs):
            self.reused.append(name)
            self._say(f"{name}: nothing has changed since it last ran, its result is reused")
        else:
            self._record({})  # so that the folder is ours whatever the action leaves in it
            result = action()
            found = {"key": key, "outputs": self.contents(*outputs), "result": result}
            self._record({name: found})
        self.seconds[name] = time.perf_counter() - start
        return found["result"]

    def _record(self, steps: dict) -> None:
        """Write steps into the record, with what others have written there meanwhile."""
        with self._recording:
            self._state |= _read_state(self._folder) | steps
            write_text(self._folder / STATE, json.dumps(self._state, indent=1) + "\n")

    def contents(self, *names: str) -> dict[str, str]:
        """SHA-256 of files and folders by name in the folder."""
        return {name: digest(self._folder / name) for name in names}


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"will not write into {folder}: it is a file; name a folder")
    if folder.exists() and any(folder.iterdir()) and not (folder / STATE).is_file():
        raise InputError(f"will not write into {folder}: it is not empty and has no {STATE}; name a new folder")


def _read_state(folder: Path) -> dict:
    try:
        return json.loads((folder / STATE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}  # of none or a damaged one: every step runs


def digest(path: Path, pattern: str = "*") -> str:
    """SHA-256 over a file, or over names and contents of the files right in a folder."""
    files = [path] if path.is_file() else sorted(p for p in path.glob(f"**/{pattern}") if p.is_file())
    parts = [[str(file.relative_to(path)), hashlib.sha256(file.read_bytes()).hexdigest()] for file in files]
    return _digest(parts)


def _versions(packages: Iterable[str]) -> list[str]:
    return [f"{package} {metadata.version(package)}" for package in packages]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
