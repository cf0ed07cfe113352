"""`amarray export`: writes a network in a format of other tools."""

import argparse
from collections.abc import Callable
from pathlib import Path

from amarray.networks import load_network
from sw import network_file
from sw.export import c_source, memory_images, onnx_model, plain_arrays
from sw.file_kinds import ARRAYS, C_HEADER, ONNX, Kind
from sw.files import check_file, check_folder
from sw.network import Network

FILES: dict[str, tuple[Callable[[Network, Path, bool], None], Kind]] = {
    "npz": (plain_arrays.write, ARRAYS),
    "c": (c_source.write, C_HEADER),
    "onnx": (onnx_model.write, ONNX),
}
"""What writes each format that is a file, and its kind."""
FORMATS = (*FILES, *memory_images.READERS)
"""Those, and the ones that are folders."""


def export(options: argparse.Namespace) -> dict:
    """`amarray export`."""
    path = Path(options.output)
    if options.format in FILES:
        write, kind = FILES[options.format]
        check_file(path, kind, options.force)
    else:
        check_folder(path, memory_images.MARKER, memory_images.FILES)
    network = load_network(options.network)
    if options.format in FILES:
        write(network, path, options.force)
    else:
        memory_images.write(network, path, suffix=options.format)
    files = sorted(file for file in path.iterdir() if not file.name.startswith(".")) if path.is_dir() else [path]
    return {
        "network": network.name,
        "format": options.format,
        "output": str(path),
        "files": {str(file): file.stat().st_size for file in files},
        "inexact_layers": onnx_model.inexact_layers(network) if options.format == "onnx" else [],
        "sha256": network_file.digest(network),
    }
