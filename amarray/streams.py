"""Standard output and standard error that may be closed, full, or a pipe whose reader has gone."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TextIO


class Stream:
    """A text stream whose errors do not raise: the first one is kept, and what follows goes nowhere.

    What is printed is never worth the work that it tells of.

    Attributes
    ----------
    error: the first error, None without one.
    """

    def __init__(self, stream: TextIO):
        self._stream, self.error = stream, None

    def write(self, text: str) -> int:
        """Write, or do nothing."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._close(error)
            return len(text)

    def flush(self) -> None:
        """Hand all to the system, or do nothing."""
        try:
            self._stream.flush()
        except OSError as error:
            self._close(error)

    def _close(self, error: OSError) -> None:
        """What is still in the stream's buffer must go somewhere, or the interpreter complains at its end."""
        self.error = self.error or error
        with suppress(OSError), open(os.devnull, "w", encoding="utf-8") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())

    def __getattr__(self, name: str):
        return getattr(self._stream, name)


@contextmanager
def guarded_streams() -> Iterator[Stream]:
    """For the block, let standard output and standard error be such streams; yields that of the output.

    One that is closed goes nowhere. What the locale lacks is escaped, for names are of any script.
    """
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with ExitStack() as stack:
        sys.stdout, sys.stderr = (
            Stream(stream or stack.enter_context(open(os.devnull, "w", encoding="utf-8"))) for stream in before
        )
        try:
            yield sys.stdout
        finally:
            sys.stdout, sys.stderr = before
