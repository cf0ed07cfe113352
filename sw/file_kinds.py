"""The kinds of files that are written where the user says, each with what an earlier one of ours begins with.

An existing file is replaced only if it is empty or of the kind to be written; see sw.files.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HEAD = 2048
"""Bytes of a file that tell its kind."""
WRITTEN_BY = b"Written by amarray"
"""In the first comment of a text file of ours."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Parameters
    ----------
    name: in words, with its article.
    begins: whether a file that begins with these bytes is one.
    """

    name: str
    begins: Callable[[bytes], bool]

    def matches(self, path: Path) -> bool:
        """Whether the file is of this kind, or empty. Raises OSError where it cannot be read."""
        with Path(path).open("rb") as file:
            head = file.read(HEAD)
        return not head or self.begins(head)


def _archive(member: str) -> Callable[[bytes], bool]:
    """A .npz archive whose first member has this name, which in a ZIP file stands at byte 30."""
    return lambda head: head.startswith(b"PK\x03\x04") and head[30:].startswith(f"{member}.npy".encode())


def _is_svg(head: bytes) -> bool:
    return head.startswith((b"<?xml", b"<svg")) and (b"<svg" in head or b"<!DOCTYPE svg" in head)


def _is_onnx(head: bytes) -> bool:
    """Field 1, version of the format; field 2, the producer: its length and its name."""
    return head[:1] == b"\x08" and head[2:3] == b"\x12" and head[4:].startswith(b"amarray")


def _is_bitstream(head: bytes) -> bool:
    """FF 00, comments, and the word that wakes an ECP5 or an iCE40; or, for Gowin, a line of zeros and ones."""
    if head.startswith(b"\xff\x00"):
        return bytes.fromhex("ffffbdb3") in head or bytes.fromhex("7eaa997e") in head
    return len(head) == HEAD and not head.strip(b"01\n")


NETWORK = Kind("a Network file", _archive("header"))
ARRAYS = Kind("an archive of arrays that `amarray export` wrote", _archive("manifest"))
C_HEADER = Kind("a C header that amarray wrote", lambda head: head.startswith(b"/*") and WRITTEN_BY in head)
ONNX = Kind("an ONNX model that amarray wrote", _is_onnx)
LOAD_IMAGE = Kind("a load image", lambda head: head.startswith(b"amar") and head[5:8] == bytes(3))
BITSTREAM = Kind("a bitstream", _is_bitstream)
SVG = Kind("an SVG picture", _is_svg)
VCD = Kind("a VCD file", lambda head: head.lstrip().startswith((b"$version", b"$date", b"$comment", b"$timescale")))
FST = Kind("an FST file", lambda head: head.startswith(b"\x00" + (329).to_bytes(8)))  # its first block and its length
