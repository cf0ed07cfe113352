"""What a run and a Network file say of the data they were made with: enough to find them again, and to know others."""

import re
from dataclasses import dataclass

from sw.errors import InputError
from sw.limits import check_classes, check_shape
from sw.text import check_name

PATH_LENGTH = 4096
"""Most characters of a path."""
SHA256 = re.compile("[0-9a-f]{64}")
FIELDS = ("name", "sha256", "shape", "classes", "path")


@dataclass(frozen=True)
class DataRecord:
    """A data set as others remember it.

    Parameters
    ----------
    name: what reports call it, 1..100 printable characters.
    sha256: `Dataset.sha256` in hexadecimal digits; None where nobody wrote it down.
    shape: (height, width, channels) of an image.
    classes: 1..256.
    path: what the user called it, at most 4096 printable characters; None where it has no place, or one of other
        characters. It is a remark for people: whoever opens it must have a reason to trust the file it comes from.

    Raises InputError where a field is none of these.
    """

    name: str
    sha256: str | None
    shape: tuple[int, int, int]
    classes: int
    path: str | None

    def __post_init__(self):
        check_name(self.name, "a data set")
        if self.path is not None and not is_path(self.path):
            raise InputError(
                f"the path of a data set must be 1..{PATH_LENGTH} printable characters, not {self.path!a:.120}"
            )
        if self.sha256 is not None and not (isinstance(self.sha256, str) and SHA256.fullmatch(self.sha256)):
            raise InputError(f"the SHA-256 of a data set must be 64 hexadecimal digits, not {self.sha256!a:.120}")
        if not isinstance(self.shape, tuple):
            raise InputError(f"the shape of a data set must be (height, width, channels), not {self.shape!a:.120}")
        check_shape(self.shape)
        check_classes(self.classes)

    @property
    def images(self) -> str:
        """Shape and classes as messages say them: 8 x 8 x 1 in 10 classes."""
        return images_of(self.shape, self.classes)

    def to_json(self) -> dict:
        """The fields as JSON values."""
        return {name: getattr(self, name) for name in FIELDS} | {"shape": list(self.shape)}

    @classmethod
    def from_json(cls, value) -> "DataRecord":
        """The record that a JSON value stands for. Raises InputError for every value that stands for none."""
        if not isinstance(value, dict) or set(value) != set(FIELDS):
            raise InputError(f"a data set must be described by {', '.join(FIELDS)}, and nothing else")
        shape = value["shape"]
        return cls(**value | {"shape": tuple(shape) if isinstance(shape, list) else shape})


def images_of(shape: tuple[int, int, int], classes: int) -> str:
    """8 x 8 x 1 in 10 classes."""
    return f"{' x '.join(map(str, shape))} in {classes} classes"


def is_path(text) -> bool:
    """Whether this is a path that a record may hold."""
    return isinstance(text, str) and 1 <= len(text) <= PATH_LENGTH and text.isprintable()
