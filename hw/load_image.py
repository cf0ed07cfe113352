"""Load image: a network as the bytes that an accelerator with `i_load` takes.

    magic      4 bytes   "amar"
    version    4 bytes   of this layout
    array      4 bytes   digest of the array's parameters: the image suits no other array
    length     4 bytes   of the payload
    payload              header, program, weights, parameters: of each the number of words (4 bytes), then the words,
                         each in whole bytes
    checksum   4 bytes   CRC-32 (ISO-HDLC, as zlib computes it) of all bytes before it

Numbers and words are little-endian.
"""

import hashlib
import json
import zlib
from pathlib import Path

from hw.config import ArrayConfig
from hw.memories import static_memories, word_bytes
from hw.program import Header, header_layout, header_values
from sw.errors import InputError
from sw.reading import read_bytes, refusing

MAGIC = b"amar"
VERSION = 1
NUMBER_BYTES = 4
"""Bytes of a number and of each field before the payload."""
MOST_BYTES = 1 << 28
"""Of a load image that is read."""
HEADER_START = 5 * NUMBER_BYTES
"""Byte in which the header begins, after the four fields and the number of its words."""


def preamble(config: ArrayConfig) -> bytes:
    """The bytes before the length: the same in every image for an array."""
    digest = hashlib.sha256(json.dumps(config.to_json(), sort_keys=True).encode()).digest()
    return MAGIC + _number(VERSION) + digest[:NUMBER_BYTES]


def sections(config: ArrayConfig) -> dict[str, tuple[int, int]]:
    """Parts of the payload in order: most words, and bits of a word."""
    return {"header": (1, header_layout(config).size)} | static_memories(config)


def load_image(config: ArrayConfig, header: Header, program, weights, parameters) -> bytes:
    """The image of a network that is compiled for the array. Raises InputError unless that takes load images.

    header, program, weights, parameters: see hw.accelerator.Accelerator.
    """
    if not config.reloadable:
        raise InputError(
            "this array takes no load image, for its reloadable is False; generate the build with --reloadable"
        )
    header_word = header_layout(config).const(header_values(header, config)).as_value().value
    payload = b""
    contents = ([header_word], program, weights, parameters)
    for words, (_, width) in zip(contents, sections(config).values(), strict=True):
        payload += _number(len(words)) + b"".join(word.to_bytes(word_bytes(width), "little") for word in words)
    image = preamble(config) + _number(len(payload)) + payload
    return image + _number(zlib.crc32(image))


def read_load_image(path: Path) -> bytes:
    """A load image from a file, whole; whether it is for a certain array, that array finds out.

    Raises InputError where the file is none, is damaged or has more than MOST_BYTES.
    """
    with refusing(f"read load image {path}", "a load image", "`amarray load` writes one"):
        image = read_bytes(path, MOST_BYTES)
        fields = [image[at : at + NUMBER_BYTES] for at in range(0, 4 * NUMBER_BYTES, NUMBER_BYTES)]
        if fields[0] != MAGIC:
            raise InputError(f"it begins with {fields[0].hex(' ')!r}, a load image with {MAGIC.hex(' ')!r}")
        if fields[1] != _number(VERSION):
            raise InputError(f"it is of version {int.from_bytes(fields[1], 'little')}, must be {VERSION}")
        payload = len(image) - 5 * NUMBER_BYTES
        if fields[3] != _number(max(payload, 0)):
            raise InputError(f"it has {payload} bytes of content, and says {int.from_bytes(fields[3], 'little')}")
        if _number(zlib.crc32(image[:-NUMBER_BYTES])) != image[-NUMBER_BYTES:]:
            raise InputError("its checksum is wrong: it was damaged; `amarray load` writes it again")
        return image


def _number(value: int) -> bytes:
    return value.to_bytes(NUMBER_BYTES, "little")
