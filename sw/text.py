"""Text that others wrote: what a name may be, and how it is written where a character could mean something.

A name is any printable text, so whatever writes it somewhere keeps only the characters that mean nothing there.
"""

import json
import re

from sw.errors import InputError

NAME_LENGTH = 100
"""Most characters of a name."""
PATH_BYTES = 200
"""Most bytes of the part of a path that is made of a name."""
JSON_BYTES = 64 * 1024
"""Most bytes of a JSON object that travels with a network."""


def check_name(text: object, what: str) -> None:
    """Raises InputError, which says `what` has the name, unless it is a str of 1..100 printable characters."""
    if isinstance(text, str) and 1 <= len(text) <= NAME_LENGTH and text.isprintable():
        return
    given = repr(text)
    given = given if len(given) <= NAME_LENGTH else f"{given[:NAME_LENGTH]}..."
    raise InputError(f"the name of {what} must be 1..{NAME_LENGTH} printable characters, not {given}")


def path_word(text: str) -> str:
    """The text as part of a path: every character but letters and digits of any script, `-` and `_` becomes `_`.

    It is cut after 200 bytes, because names of files have 255 at most and get a suffix.
    """
    word = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in text)
    return word.encode()[:PATH_BYTES].decode(errors="ignore")


def identifier(text: str) -> str:
    """The text as an identifier: every character but ASCII letters, digits and `_` becomes `_`; no leading digit."""
    word = re.sub(r"[^A-Za-z0-9_]", "_", text)
    return f"_{word}" if word[:1].isdigit() else word


def comment_word(text: str) -> str:
    """The text in quotation marks, for a comment in Verilog or C.

    Every character but ASCII letters, digits, the space and `-_.,+` becomes `_`. So the word ends no comment and no
    line, and because of the quotation mark no tool reads it as a pragma: these are the first words of a comment.
    """
    return '"' + re.sub(r"[^A-Za-z0-9 \-_.,+]", "_", text) + '"'


def canonical_json(value: object, what: str) -> bytes:
    """The one JSON text of a value, in ASCII: sorted keys, no spaces.

    Raises InputError, which says `what` the value is, for what JSON cannot hold: other types, cycles, numbers that are
    not finite, more levels than Python recurses, and keys of which a reader would make others.
    """
    try:
        text = _dump(value)
        is_kept = _dump(json.loads(text)) == text
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{what} must be JSON values, finite and not nested too deep: {error}") from error
    if not is_kept:
        raise InputError(f"{what} must be JSON values: all keys must be strings")
    return text.encode()


def check_json_object(value: object, what: str) -> None:
    """Raises InputError, which says `what` the value is, unless it is a JSON object of at most 64 KiB."""
    if not isinstance(value, dict):
        raise InputError(f"{what} must be a JSON object, not {type(value).__name__}")
    size = len(canonical_json(value, what))
    if size > JSON_BYTES:
        raise InputError(f"{what} must be at most {JSON_BYTES:,} bytes of JSON, not {size:,}")


def _dump(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
