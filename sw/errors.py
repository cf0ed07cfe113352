"""The exception for bad input: one line that a user can act on."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Bad input from the user.

    The message is one line that names the value, the rule and what would be right. The command line
    prints it as it is and exits with a code other than 0; every other exception is a defect of ours.
    """


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The end of a message about a wrong word: the known one that is most like it, or nothing if none is."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.7) if isinstance(word, str) else []
    return f"; did you mean {close[0]}?" if close else ""
