"""A network as memory images for Verilog: a folder with a text file an array, and a manifest.

Each file has a comment line, then one word a line: the values in the array's order, the last axis fastest, in two's
complement at the array's own width. `$readmemh` reads the hexadecimal files, `$readmemb` the binary ones (IEEE
1364-2005, section 17.2.9).
"""

import json
from pathlib import Path

from sw.export.contents import Array, arrays, manifest
from sw.files import replacing_folder
from sw.network import Network

MANIFEST = "manifest.json"
MARKER = ".amarray-export"
"""Empty file that tells a later export that the folder may be replaced."""
READERS = {"hex": "$readmemh", "mem": "$readmemb"}
"""The Verilog task that reads the files, by their suffix."""
FILES = (MANIFEST, *(f"*.{suffix}" for suffix in READERS))
"""What else the folder may hold."""


def write(network: Network, folder: Path, suffix: str) -> None:
    """Write the folder, whole or not at all. suffix: a key of READERS. Raises InputError where that is impossible."""
    description = manifest(network)
    for layer in description["layers"]:
        for array in layer["arrays"]:
            array["file"] = file_name(array["name"], suffix)
    with replacing_folder(folder, MARKER, FILES) as temporary:
        for array in arrays(network):
            (temporary / file_name(array.name, suffix)).write_text(image(array, suffix), encoding="ascii")
        (temporary / MANIFEST).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        (temporary / MARKER).touch()


def file_name(array: str, suffix: str) -> str:
    """Name of the file of an array."""
    return f"{array.replace('.', '_')}.{suffix}"


def image(array: Array, suffix: str) -> str:
    """Text of the file of an array."""
    bits = array.form.bits
    shape = " x ".join(f"{length} ({axis})" for length, axis in zip(array.values.shape, array.axes, strict=True))
    head = f"// {array.name}: {shape}, last axis fastest; {array.form}, for {READERS[suffix]} into reg [{bits - 1}:0]"
    code = f"0{-(-bits // 4)}x" if suffix == "hex" else f"0{bits}b"
    words = [format(value & ((1 << bits) - 1), code) for value in array.values.ravel().tolist()]
    return "\n".join([head, *words, ""])
