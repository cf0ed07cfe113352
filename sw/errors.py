"""The exception for bad input: one line that a user can act on."""

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 1000
"""Characters of a message at most; of a longer one the middle is left out."""


class InputError(ValueError):
    """Bad input from the user.

    The message is one line that names the value, the rule and what would be right. The command line
    prints it as it is and exits with a code other than 0; every other exception is a defect of ours.
    A message may echo any value: what does not print is escaped, and what is too long is cut.
    """

    def __init__(self, message):
        super().__init__(one_line(str(message)))


def one_line(text: str) -> str:
    """The text on one line of printable characters, LONGEST at most."""
    text = " ".join(text.split())
    if len(text) > LONGEST:
        text = f"{text[: LONGEST * 2 // 3]} ... {text[-LONGEST // 4 :]}"
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The end of a message about a wrong word: the known one that is most like it, or nothing if none is."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.7) if isinstance(word, str) else []
    return f"; did you mean {close[0]}?" if close else ""
