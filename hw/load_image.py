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

from hw.config import ArrayConfig
from hw.memories import static_memories, word_bytes
from hw.program import Header, header_layout, header_values
from sw.errors import InputError

MAGIC = b"amar"
VERSION = 1
NUMBER_BYTES = 4
"""Bytes of a number and of each field before the payload."""
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


def _number(value: int) -> bytes:
    return value.to_bytes(NUMBER_BYTES, "little")
