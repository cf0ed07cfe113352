"""Reads ports.json of a build: it is checked, for its names become part of source text."""

import re
from pathlib import Path

from sw.errors import InputError
from sw.reading import json_value, read_bytes, refusing

MOST_BITS = 1 << 16
"""Of a port; those of the largest array have fewer."""
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")


def read_ports(path: Path, compiled: dict[str, dict]) -> dict[str, dict]:
    """The port map in a file: every port that is compiled, as it is compiled, and any others.

    compiled: see hw.verilog.port_map. Raises InputError where the file, of at most 1 MiB, is none or lacks a port.
    """
    with refusing(f"read {path}", "a map of ports", "generate the build again"):
        ports = json_value(read_bytes(path))
        for name, port in ports.items():
            if not (NAME.fullmatch(name) and isinstance(port, dict) and _is_port(port)):
                raise InputError(f"port {name!r} must be a Verilog name with a direction and a width in bits")
        for name, port in compiled.items():
            if any(ports.get(name, {}).get(part) != port.get(part) for part in ("direction", "width", "fields")):
                raise InputError(f"it must have the port {name} as the network and the array need it; more are allowed")
        return ports


def _is_port(port: dict) -> bool:
    width = port.get("width")
    return port.get("direction") in ("input", "output") and type(width) is int and 1 <= width <= MOST_BITS
