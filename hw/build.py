"""A build: the folder that holds one network on one array, ready to simulate and to synthesize.

build.json       what the build is: array, schedule, predicted cycles, digests
network.npz      the Network file it was made from
accelerator.v    the Verilog module
ports.json       its ports
program.hex, weights.hex, parameters.hex   contents of its memories, for reading; the Verilog holds them too
"""

import hashlib
import json
import tempfile
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from hw.accelerator import Accelerator
from hw.compiler import Compiled, compile_network, map_network
from hw.config import ArrayConfig
from hw.memories import static_memories
from hw.ports_file import read_ports
from hw.verilog import write_memory, write_verilog
from sw import network_file
from sw.errors import InputError
from sw.files import replacing_folder
from sw.network import Network
from sw.reading import json_value, read_bytes, refusing

MARKER = "build.json"
FILES = (MARKER, "network.npz", "accelerator.v", "ports.json", "program.hex", "weights.hex", "parameters.hex")
FORMAT = 3
"""Version of the folder's layout."""


@dataclass(frozen=True, eq=False)
class Build:
    """A build folder and what it was compiled from.

    Parameters
    ----------
    folder: where it lies. compiled: the network on the array.
    """

    folder: Path
    compiled: Compiled

    @property
    def network(self) -> Network:
        """The quantized network."""
        return self.compiled.network

    @property
    def config(self) -> ArrayConfig:
        """The array."""
        return self.compiled.config

    @property
    def verilog(self) -> Path:
        """The Verilog file."""
        return self.folder / "accelerator.v"

    @cached_property
    def ports(self) -> dict[str, dict]:
        """The port map, see hw.verilog.port_map."""
        return read_ports(self.folder / "ports.json", {})

    def accelerator(self) -> Accelerator:
        """A new Amaranth component of the same design."""
        return self.compiled.accelerator()

    def watchdog_cycles(self, images: int) -> int:
        """Cycles in which so many images are surely done if nobody stalls."""
        return self.compiled.watchdog_cycles(images)


def write(compiled: Compiled, folder: Path) -> Build:
    """Write a build folder, whole or not at all. Raises InputError where it cannot be written."""
    folder = Path(folder)
    with replacing_folder(folder, MARKER) as temporary:
        network_file.save(compiled.network, temporary / "network.npz")
        _dump(write_verilog(compiled, temporary / "accelerator.v"), temporary / "ports.json")
        for name, (_, width) in static_memories(compiled.config).items():
            write_memory(getattr(compiled, name), width, temporary / f"{name}.hex")
        _dump(_description(compiled), temporary / MARKER)
    return Build(folder, compiled)


def load(folder: Path) -> Build:
    """Read a build folder. Raises InputError where it is none, is damaged or was made by a newer version."""
    folder = Path(folder)
    marker = folder / MARKER
    if not marker.is_file():
        raise InputError(f"{folder} is not a build: it has no {MARKER}; make one with `amarray generate`")
    with refusing(f"read {marker}", "the description of a build", "generate the build again"):
        description = json_value(read_bytes(marker))
        found, schedule = description["format"], description["schedule"]
    if found != FORMAT:
        raise InputError(f"{marker} has format {found}; this version reads format {FORMAT}; generate the build again")
    network = network_file.load(folder / "network.npz")
    compiled = compile_network(network, load_array(marker), schedule)
    if description != _description(compiled):
        raise InputError(
            f"{marker} is not what this version compiles from {folder / 'network.npz'}: it was changed, or another "
            f"version made it; generate the build again"
        )
    for name in ("accelerator.v", "ports.json"):
        if not (folder / name).is_file():
            raise InputError(f"{folder} lacks {name}; generate the build again")
    return Build(folder, compiled)


def check_verilog(build: Build) -> None:
    """Raises InputError where accelerator.v is not the Verilog that the build compiles to."""
    with tempfile.TemporaryDirectory(prefix="amarray-") as name:
        expected = Path(name) / build.verilog.name
        write_verilog(build.compiled, expected)
        if build.verilog.read_bytes() != expected.read_bytes():
            raise InputError(
                f"{build.verilog} is not what this version compiles: it was changed, or other versions of amarray or "
                f"yosys made it; generate the build again"
            )


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
