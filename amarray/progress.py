"""Progress on long work: a bar on standard error, a plain line where that is no terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from amarray.console import plain_console


def say_note(note: str) -> None:
    """Print a note on standard error, before the work that it is about."""
    plain_console(stderr=True).print(f"note: {note}", soft_wrap=True)


@contextmanager
def bar(title: str, total: float | None, unit: str, note: str = "") -> Iterator[Callable[[float], None]]:
    """Show a bar while the block runs; yields a function that takes how much is done. No total: a spinner.

    note: a line to print before, if any.
    """
    console = plain_console(stderr=True)
    if note:
        say_note(note)
    if not sys.stderr.isatty():
        console.print(f"{title} ...", soft_wrap=True)
        yield lambda done: None
        return
    counted = [BarColumn(), MofNCompleteColumn(), TextColumn(unit)] if total else []
    columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False), *counted, TimeElapsedColumn()]
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=round(done, 2))
        progress.update(task, completed=total or 1, total=total or 1)
