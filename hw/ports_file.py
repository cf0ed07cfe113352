"""Reads ports.json of a build whose Verilog was edited: it is checked, for its names become part of source text."""

import json
import re
from pathlib import Path

from sw.errors import InputError

MOST_BYTES = 1 << 20
"""Of the file."""
MOST_BITS = 1 << 16
"""Of a port."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def read_ports(path: Path, compiled: dict[str, dict]) -> dict[str, dict]:
    """The port map in a file: every port that is compiled, as it is compiled, and any others.

    compiled: see hw.verilog.port_map. Raises InputError where the file, of at most 1 MiB, is none or lacks a port.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ValueError("more than 1 MiB")
        ports = json.loads(content)
        if not isinstance(ports, dict):
            raise ValueError("no object")
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}); generate the build again") from error
    for name, port in ports.items():
        if not (NAME.fullmatch(name) and isinstance(port, dict) and _is_port(port)):
            raise InputError(f"{path}: port {name!r} must be a Verilog name with a direction and a width in bits")
    for name, port in compiled.items():
        if any(ports.get(name, {}).get(part) != port.get(part) for part in ("direction", "width", "fields")):
            raise InputError(f"{path} must have the port {name} as the network and the array need it; more are allowed")
    return ports


def _is_port(port: dict) -> bool:
    width = port.get("width")
    return port.get("direction") in ("input", "output") and type(width) is int and 1 <= width <= MOST_BITS
