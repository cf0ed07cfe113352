"""Stops: Ctrl-C, SIGTERM and SIGHUP end a command alike, and the processes that it started."""

import os
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def stop(number: int, frame: object) -> None:
    """End all processes below this one, and raise KeyboardInterrupt: a handler of signals.

    A terminal sends Ctrl-C to all of them, but SIGTERM comes to one alone, and a compiler has compilers below it.
    """
    for process in _below(os.getpid()):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGTERM)
    raise KeyboardInterrupt


@contextmanager
def handling(handler: Callable[[int, object], None]) -> Iterator[None]:
    """Let the signals that stop call the handler while the block runs.

    SIGTERM is always one of them; Ctrl-C and SIGHUP are not where they are ignored, as the shell makes it for
    background jobs of a script, and nohup.
    """
    names = [name for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]
    numbers = [getattr(signal, name) for name in names]
    numbers = [each for each in numbers if each == signal.SIGTERM or signal.getsignal(each) != signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_DFL if old is None else old)


@contextmanager
def deferred_stop() -> Iterator[Callable[[], bool]]:
    """Let the first stop only be noted, so that a step is done whole; yields a function that says whether it came."""
    came = []

    def note(number: int, frame: object) -> None:
        if came:
            stop(number, frame)
        came.append(number)

    with handling(note):
        yield lambda: bool(came)


def _below(process: int) -> list[int]:
    """The processes that a process started, and those that they started; none where the system has no /proc."""
    children = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            parent = path.read_bytes().rpartition(b")")[2].split()[1]
            children[int(parent)].append(int(path.parent.name))
    found = [process]
    for each in found:
        found += children[each]
    return found[1:]
