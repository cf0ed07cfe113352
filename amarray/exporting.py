"""`amarray export`: writes a network in a format of other tools."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from amarray.networks import load_network
from sw import network_file
from sw.export import c_source, memory_images, onnx_model, plain_arrays
from sw.network import Network

FORMATS: dict[str, Callable[[Network, Path], None]] = {
    "npz": plain_arrays.write,
    "hex": partial(memory_images.write, suffix="hex"),
    "mem": partial(memory_images.write, suffix="mem"),
    "c": c_source.write,
    "onnx": onnx_model.write,
}
"""What writes each format."""


def export(options: argparse.Namespace) -> dict:
    """`amarray export`."""
    path = Path(options.output)
    network = load_network(options.network)
    FORMATS[options.format](network, path)
    files = sorted(file for file in path.iterdir() if not file.name.startswith(".")) if path.is_dir() else [path]
    return {
        "network": network.name,
        "format": options.format,
        "output": str(path),
        "files": {file.name: file.stat().st_size for file in files},
        "inexact_layers": onnx_model.inexact_layers(network) if options.format == "onnx" else [],
        "sha256": network_file.digest(network),
    }
