"""The console of tables, notes and progress: text appears as it is, for names and paths are others' text."""

from rich.console import Console


def plain_console(**options) -> Console:
    """A rich console that takes neither [words] for styles nor :words: for pictures, and colours no numbers."""
    return Console(markup=False, emoji=False, highlight=False, **options)
