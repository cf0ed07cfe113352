"""The Network file: a quantized network in one file, safe to load and hashed.

An uncompressed .npz archive. Its member `header` holds JSON as uint8: format version, generator, name,
input contract, layers with their scalar fields, notes, and a SHA-256. The other members are the layers'
arrays, `layer0.weight` and so on, each in one fixed dtype. The bytes depend on the network alone (and
on the generator's version), so the same network gives the same file. Nothing in it is ever executed.
"""

import dataclasses
import hashlib
import io
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from sw.errors import InputError
from sw.file_kinds import NETWORK
from sw.files import replacing_file
from sw.fixed import Format
from sw.integer_layer import Layer, Requantize
from sw.integer_layers import KINDS, Dense
from sw.limits import LAYERS, PARAMETERS, check_most
from sw.network import InputContract, Network
from sw.reading import archive, json_value, memory, read_bytes, refusing
from sw.text import canonical_json

FORMAT_VERSIONS = (1, 2)
"""1 holds chains of dense layers, 2 any network. A file has the lowest version that can hold its network, so that
older readers read it and its digest stays the same."""
DTYPES = {"weight": "|i1", "bias": "<i8", "weight_scale": "<f8", "multiplier": "<u2", "shift": "|u1"}
"""The dtype of each array of a layer, the narrowest that holds all its legal values."""
LAYER_ARRAYS = {
    "dense": ("weight", "bias", "weight_scale"),
    "conv2d": ("weight", "bias", "weight_scale"),
    "add": ("weight",),
}
"""The arrays of the kinds that have any."""
REQUANTIZE_ARRAYS = ("multiplier", "shift")
MOST_BYTES = 1 << 30
"""Of a file; the largest network has fewer."""
NUMBERS = 4 * PARAMETERS
"""Of all arrays: beside a bias there are a scale, a multiplier and a shift."""


def save(network: Network, path: Path, force: bool = False) -> None:
    """Write the network to `path`, whole or not at all. Raises InputError where that is impossible.

    force: replace a file that is not a Network file, too.
    """
    header, arrays = _describe(network)
    header |= {"generator": {"name": "amarray", "version": _version()}, "sha256": _digest(header, arrays)}
    members = {"header": np.frombuffer(_canonical(header), np.uint8)} | arrays
    with replacing_file(Path(path), NETWORK, force) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in members.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy")  # of a fixed date, so that the bytes do not depend on the clock
            entry.create_system = 3
            archive.writestr(entry, content.getvalue())


def load(path: Path) -> Network:
    """Read a network from `path` and check it: what is accepted infers, and is saved with the same SHA-256.

    Raises InputError with the reason where it is refused. The file has MOST_BYTES at most and a quarter of the memory
    there is; a network of sw.limits.PARAMETERS takes 4 GiB while it is read.
    """
    path = Path(path)
    with refusing(f"load network {path}", "a network file", "`amarray quantize` writes one"):
        if path.is_dir():
            raise InputError("it is a folder; name a network file")
        members = archive(read_bytes(path, min(MOST_BYTES, memory() // 4)))
        header = _header(members)
        check_most("layers of a network", len(header["layers"]), LAYERS)
        layers = [(fields, _take_arrays(members, index, fields)) for index, fields in enumerate(header["layers"])]
        if members:
            raise InputError(f"member {min(members)!r} belongs to no layer; the file must hold nothing else")
        arrays = {f"layer{i}.{k}": a for i, (_, arrays) in enumerate(layers) for k, a in arrays.items()}
        check_most("numbers of a network", sum(array.size for array in arrays.values()), NUMBERS)
        _check_hash(header, arrays)
        network = Network(
            name=header["name"],
            input=_input(header["input"]),
            layers=tuple(_layer(fields, arrays) for fields, arrays in layers),
            notes=header["notes"],
        )
        if header["format"] != _format_version(network):
            raise InputError(f"format version {header['format']} is not that of its layers, {_format_version(network)}")
        if header["sha256"] != digest(network):
            raise InputError("a field is not written as amarray writes it, such as 1 where 1.0 is due; make it again")
        return network


def digest(network: Network) -> str:
    """SHA-256 of the network as hexadecimal digits, the same that its file carries.

    It covers the canonical header, notes included, and every array's name, dtype, shape and bytes. It
    leaves out the generator, so that a network keeps its digest when a later version writes it again.
    """
    return _digest(*_describe(network))


def _describe(network: Network) -> tuple[dict, dict[str, np.ndarray]]:
    """The hashed part of the header, and the arrays by member name."""
    contract = network.input
    header = {
        "format": _format_version(network),
        "name": network.name,
        "input": {
            "shape": list(contract.shape),
            "form": _form_fields(contract.form),
            "scale": float(contract.scale),
            "zero_point": contract.zero_point,
            "preprocessing": contract.preprocessing,
        },
        "layers": [],
        "notes": network.notes,
    }
    arrays = {}
    for index, layer in enumerate(network.layers):
        header["layers"].append(_scalar_fields(layer, header["format"]))
        sources = dict.fromkeys(LAYER_ARRAYS.get(layer.kind, ()), layer)
        if layer.requantize is not None:
            sources |= dict.fromkeys(REQUANTIZE_ARRAYS, layer.requantize)
        arrays |= {
            f"layer{index}.{name}": getattr(source, name).astype(DTYPES[name], order="C")
            for name, source in sources.items()
        }
    return header, arrays


def _format_version(network: Network) -> int:
    is_chain = all(layer.kind == Dense.kind and layer.source is None for layer in network.layers)
    return 1 if is_chain else 2


def _scalar_fields(layer: Layer, format_version: int) -> dict:
    """A layer's entry in the header: its kind and all fields that are no arrays."""
    names = {field.name for field in dataclasses.fields(layer)} - set(LAYER_ARRAYS.get(layer.kind, ()))
    fields = {"kind": layer.kind} | {name: getattr(layer, name) for name in names}
    if format_version == 1:
        del fields["source"]
    if layer.requantize is not None:
        scale = layer.requantize
        fields["requantize"] = {"form": _form_fields(scale.form), "scale": float(scale.scale)}
    return fields


def _canonical(header: dict) -> bytes:
    return canonical_json(header, "scales and notes of a network")


def _digest(header: dict, arrays: dict[str, np.ndarray]) -> str:
    content = hashlib.sha256(_canonical(header))
    for name in sorted(arrays):
        array = arrays[name]
        content.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        content.update(array.tobytes())
    return content.hexdigest()


def _version() -> str:
    try:
        return version("amarray")
    except PackageNotFoundError:
        return "source tree"


def _header(members: dict[str, np.ndarray]) -> dict:
    """Take the header out of `members`, and check its format version."""
    if "header" not in members:
        raise InputError("it has no member 'header'; it is not a network file")
    header = json_value(members.pop("header").tobytes())
    if not isinstance(header, dict):
        raise InputError("the header is not a JSON object")
    if header.get("format") not in FORMAT_VERSIONS:
        known = " and ".join(map(str, FORMAT_VERSIONS))
        raise InputError(f"format version {header.get('format')!r} is not known; this version of amarray reads {known}")
    return header


def _take_arrays(members: dict[str, np.ndarray], index: int, fields: dict) -> dict[str, np.ndarray]:
    """Take the arrays of one layer out of `members`."""
    kind = fields["kind"]
    if kind not in KINDS:
        raise InputError(f"layer {index} is of unknown kind {kind!r}; known are {', '.join(KINDS)}")
    arrays = {}
    for name in LAYER_ARRAYS.get(kind, ()) + (REQUANTIZE_ARRAYS if fields.get("requantize") else ()):
        member = f"layer{index}.{name}"
        if member not in members:
            raise InputError(f"member {member!r} is missing")
        arrays[name] = members.pop(member)
        if arrays[name].dtype.str != DTYPES[name]:
            raise InputError(f"member {member!r} must have dtype {np.dtype(DTYPES[name])}, not {arrays[name].dtype}")
    return arrays


def _check_hash(header: dict, arrays: dict[str, np.ndarray]) -> None:
    hashed = {key: value for key, value in header.items() if key not in ("generator", "sha256")}
    if header["sha256"] != _digest(hashed, arrays):
        raise InputError("its content does not match its SHA-256: it was edited or damaged; make it again")


def _layer(fields: dict, arrays: dict[str, np.ndarray]) -> Layer:
    """The layer of these fields and arrays; a field too many or too few is a TypeError."""
    scalars = {name: value for name, value in fields.items() if name != "kind"}
    weights = {name: array for name, array in arrays.items() if name not in REQUANTIZE_ARRAYS}
    kind = KINDS[fields["kind"]]
    if not kind.sums:
        return kind(**scalars)
    scale = scalars.pop("requantize")
    requantize = None
    if scale:
        form = Format(**scale["form"])
        requantize = Requantize(arrays["multiplier"], arrays["shift"], **scale | {"form": form})
    return kind(**scalars, **weights, requantize=requantize)


def _input(fields: dict) -> InputContract:
    return InputContract(**fields | {"shape": tuple(fields["shape"]), "form": Format(**fields["form"])})


def _form_fields(form: Format) -> dict:
    return {"bits": form.bits, "signed": form.signed}
