"""Damage for readers: seeded, of every kind, and what must hold of each answer.

A reader ends in InputError of one line, within MOST_MEMORY more than the process has, or what it accepts works. The
n-th case of a kind under a seed depends on kind, seed and n alone, so that a failure can be repeated:
`fuzz.run(kind, seed, [n], folder)`.
"""

import base64
import gzip
import hashlib
import io
import json
import re
import resource
import struct
import tempfile
import tomllib
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from networks import random_image_network, random_images, random_network
from tiny import idx_bytes

from hw import build as builds
from hw.compiler import compile_network, size_array
from hw.fpga.driver import Driver, Info, LinkError
from hw.fpga.frames import ANSWER, VERSION, Command, encode
from hw.load_image import read_load_image
from hw.ports_file import read_ports as read_port_file
from sw import idx, network_file
from sw.architecture import Architecture
from sw.checkpoint import load_checkpoint, save_checkpoint
from sw.dataset import Dataset, load_folder
from sw.errors import LONGEST, InputError
from sw.golden import infer
from sw.image_file import read_image_file
from sw.network_toml import read_network_toml
from sw.recipe import Recipe
from sw.run_folder import load_run, save_run
from sw.train import TrainedModel, Training, logits

MOST_MEMORY = 3 << 30
"""Bytes that a case may take; all inputs are small, but a network of 2^26 parameters may be asked for."""
SIZES = [-1, 0, 1, 2, 3, 255, 256, 1000, 46340, 46341, 65535, 65536, 2**21, 2**26, 2**26 + 1, 3037000500]
SIZES += [2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64, -(2**31), -(2**63), 10**12, 99999999999]
"""Sizes whose products are near the ends of the usual integers."""
VALUES = [*SIZES, None, True, False, 0.5, -0.0, 1e308, "", "x", "classes", "x" * 3000, [], {}, [[]], {"a": 1}, 10**30]
VALUES += [10**200, "\ud800", "\n", "a\x1b[2J", [1, 1, 1], [2**21, 2**21, 2**22], "he", "dense", float("nan"), 1.0, 2.0]


@dataclass
class Kind:
    """A kind of damage to what one reader reads.

    make: from a random generator, bytes. read: from these bytes and a folder of its own; checks what it accepts.
    """

    make: Callable[[np.random.Generator], bytes]
    read: Callable[[bytes, Path], None]


def run(kind: str, seed: int, numbers: Iterable[int], folder: Path) -> Counter:
    """How many cases were accepted and refused. Raises AssertionError that names the first miss, and its bytes."""
    found = Counter()
    for number in numbers:
        data = KINDS[kind].make(np.random.default_rng([seed, number, *kind.encode()]))
        try:
            with little_memory():
                KINDS[kind].read(data, folder)
            found["accepted"] += 1
        except (InputError, LinkError) as error:
            line = str(error)
            if not line.isprintable() or len(line) > LONGEST + 200 or "more memory than there is" in line:
                raise AssertionError(_name(kind, seed, number, data)) from error
            found["refused"] += 1
        except Exception as error:
            raise AssertionError(_name(kind, seed, number, data)) from error
    return found


def _name(kind: str, seed: int, number: int, data: bytes) -> str:
    return f"a miss: kind {kind!r}, seed {seed}, case {number}: {base64.b64encode(data[:20000]).decode()}"


@contextmanager
def little_memory():
    """The process cannot take more than MOST_MEMORY on top of what it has, where the system tells how much this is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    sizes = Path("/proc/self/statm")
    if not sizes.exists():
        yield
        return
    pages = int(sizes.read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MOST_MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


# Ways of damage.


def choose(rng, values):
    return values[int(rng.integers(len(values)))]


def damaged(rng, data: bytes) -> bytes:
    """Some bytes flipped, changed, cut out, doubled or put in; or the end cut off."""
    for _ in range(int(rng.integers(1, 4))):
        at, length = (int(rng.integers(n)) for n in (len(data) + 1, 9))
        noise = rng.bytes(length) if rng.integers(2) else bytes([choose(rng, [0, 1, 127, 255])]) * length
        match int(rng.integers(6)):
            case 0:
                data = (
                    data[:at] + bytes(byte ^ 1 << int(rng.integers(8)) for byte in data[at : at + 1]) + data[at + 1 :]
                )
            case 1:
                data = data[:at] + noise + data[at + length :]
            case 2:
                data = data[:at] + noise + data[at:]
            case 3:
                data = data[:at] + data[at + int(rng.integers(1, 40)) :]
            case 4:
                data = data[:at] + data[int(rng.integers(len(data) + 1)) :]
            case _:
                data = data[:at] if rng.integers(2) else data
    return data


def changed(rng, value):
    """The JSON value with one or two of its values, keys or items changed, left out or doubled."""
    value = json.loads(json.dumps(value))
    for _ in range(int(rng.integers(1, 3))):
        places = list(_places(value))
        if not places:
            return choose(rng, VALUES)
        holder, key = choose(rng, places)
        match int(rng.integers(6)):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[choose(rng, ["", "x", "kind", "source", "size"])] = holder[key]
            case 1:
                holder.insert(key, holder[key])
            case 2 if isinstance(holder[key], int):
                holder[key] += int(rng.integers(-2, 3))
            case 3:
                holder[key] = [holder[key]]
            case _:
                holder[key] = choose(rng, VALUES)
    return value


def _places(value):
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def json_bytes(value) -> bytes:
    return json.dumps(value).encode()


TOKEN = re.compile(r"\s+|[\w.+-]+|\"[^\"]*\"|.", re.DOTALL)


def shuffled(rng, text: str) -> bytes:
    """Some tokens of a text exchanged, left out, doubled, nested deep or replaced."""
    tokens = TOKEN.findall(text)
    for _ in range(int(rng.integers(1, 4))):
        first, second = (int(rng.integers(len(tokens))) for _ in range(2))
        match int(rng.integers(6)):
            case 0:
                tokens[first], tokens[second] = tokens[second], tokens[first]
            case 1:
                tokens[first] = ""
            case 2:
                tokens[first] *= int(rng.integers(2, 5))
            case 3:
                place = tokens.index("[") if "[" in tokens and rng.integers(2) else first
                tokens[place] = choose(rng, ["[", "{a=", "(", "-", "a.", '"', tokens[second]]) * 3000
            case _:
                tokens[first] = str(
                    choose(rng, [*SIZES, "nan", "inf", "true", "1979-05-27", "0x" + "f" * 5000, "9" * 5000])
                )
    return "".join(tokens).encode(errors="surrogatepass")


def npy(descr, shape, data: bytes, order: bool = False) -> bytes:
    """A .npy file that says what it likes."""
    header = f"{{'descr': {descr!r}, 'fortran_order': {order}, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def odd_npy(rng) -> bytes:
    """A .npy file whose header does not suit its data, or is no header."""
    shape = tuple(choose(rng, SIZES) for _ in range(int(rng.integers(0, 5))))
    shape = choose(rng, [shape, (0, *shape), (1,) * int(rng.integers(1, 100)), (6,), (2, 3), (-1,), "(" * 5000])
    if rng.integers(4) == 0:
        return npy("|u1", (3, 2, 1), bytes(6 + int(rng.integers(2))), bool(rng.integers(2)))
    descr = choose(
        rng, ["|u1", "|i1", "<f8", "|O", "|V0", "|S0", "<U2", "|b1", ">f2", "<M8[s]", "[" * 3000, ("<i4", (2,))]
    )
    return npy(descr, shape, rng.bytes(int(rng.integers(20))), bool(rng.integers(2)))


def stored(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content, compression)
    return stream.getvalue()


def members(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return {name.removesuffix(".npy"): file.read(name) for name in file.namelist()}


def odd_archive(rng, archive: bytes) -> bytes:
    """An archive with members left out, exchanged, damaged, renamed, compressed; or with records that lie."""
    parts = members(archive)
    first, second = (choose(rng, list(parts)) for _ in range(2))
    match int(rng.integers(9)):
        case 0:
            del parts[first]
        case 1:
            parts[first], parts[second] = parts[second], parts[first]
        case 2:
            parts[first] = damaged(rng, parts[first])
        case 3 | 4:
            parts[first] = odd_npy(rng)
        case 5:
            parts[choose(rng, ["x", "", "é", "../x", "a" * 5000, first + ".npy"])] = parts[first]
        case 6:
            return stored(parts, choose(rng, [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))
        case 7:
            parts[first] = pickled()
        case _:  # a record of the directory: flags, method, sizes, name, place
            data = stored(parts)
            at = choose(rng, [match.start() for match in re.finditer(b"PK\x01\x02", data)])
            at += int(rng.integers(4, 60))
            return data[:at] + rng.bytes(int(rng.integers(1, 5))) + data[at + 1 :][:0] + data[at + 4 :]
    return stored(parts)


@cache
def pickled() -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([{"a": 1}], object), allow_pickle=True)
    return stream.getvalue()


# What readers read, whole.


@cache
def networks() -> list[bytes]:
    made = [random_image_network(seed) for seed in (1, 3, 7)] + [random_network(0, [6, 4, 3], multiplier=True)]
    return [_file_bytes(lambda path, network=network: network_file.save(network, path)) for network in made]


def _file_bytes(save) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        save(Path(name) / "file")
        return (Path(name) / "file").read_bytes()


def with_digest(header: dict, parts: dict[str, bytes]) -> bytes:
    """A Network file whose SHA-256 fits, as far as its parts are arrays; by the documented rule."""
    hashed = {key: value for key, value in header.items() if key not in ("generator", "sha256")}
    content = json.dumps(hashed, sort_keys=True, separators=(",", ":")).encode()
    for name in sorted(parts):
        try:
            array = np.load(io.BytesIO(parts[name]))
            content += f"{name} {array.dtype.str} {array.shape} ".encode() + array.tobytes()
        except Exception:  # no digest is right then
            continue
    header = header | {"sha256": hashlib.sha256(content).hexdigest()}
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    return stored({"header": npy("|u1", text.shape, text.tobytes())} | parts)


def network_header(rng) -> bytes:
    parts = members(choose(rng, networks()))
    header = json.loads(np.load(io.BytesIO(parts.pop("header"))).tobytes())
    found = changed(rng, header)
    return with_digest(found if isinstance(found, dict) else header, parts)


def network_sizes(rng) -> bytes:
    """A chain whose fields are sizes near the limits, with a right digest."""
    shape = [choose(rng, [1, 1, 2, 9, 64, 4096, choose(rng, SIZES)]) for _ in range(3)]
    size = lambda: choose(rng, [1, 2, 3, 7, 100, 4096, choose(rng, SIZES)])  # noqa: E731
    form = {"bits": int(rng.integers(0, 10)), "signed": bool(rng.integers(2))}
    pools = [{"kind": "maxpool", "size": size(), "stride": size(), "source": None} for _ in range(rng.integers(3))]
    channels = shape[2] if isinstance(shape[2], int) and 0 < shape[2] < 100 else 1
    conv = {"kind": "conv2d", "weight_bits": 8, "stride": size(), "padding": choose(rng, [0, 1, size()]), "groups": 1}
    conv |= {"source": None, "requantize": None}
    header = {
        "format": 2,
        "name": "sizes",
        "input": {
            "shape": shape,
            "form": {"bits": 8, "signed": False},
            "scale": 1.0,
            "zero_point": 0,
            "preprocessing": "none",
        },
        "layers": [*pools, conv],
        "notes": {"form": form},
        "generator": {"name": "amarray", "version": "0"},
    }
    kernel = int(rng.integers(1, 4))
    weight = rng.integers(-127, 128, (2, kernel, kernel, channels), dtype=np.int8)
    arrays = {"weight": weight, "bias": np.zeros(2, np.int64), "weight_scale": np.ones(2)}
    parts = {f"layer{len(pools)}.{name}": npy(a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()}
    return with_digest(header, parts)


def network_arrays(rng) -> bytes:
    parts = members(choose(rng, networks()))
    header = json.loads(np.load(io.BytesIO(parts.pop("header"))).tobytes())
    name = choose(rng, list(parts))
    array = np.load(io.BytesIO(parts[name]))
    match int(rng.integers(5)):
        case 0:
            parts[name] = odd_npy(rng)
        case 1:
            array = array.reshape(choose(rng, [(-1,), (1, -1), (*array.shape, 1), array.shape[::-1]]))
            parts[name] = npy(array.dtype.str, array.shape, array.tobytes())
        case 2:
            dtype = np.dtype(choose(rng, ["|i1", "<i8", ">i8", "<f8", "<u2", "|u1", "|b1", "<f2"]))
            parts[name] = npy(dtype.str, array.shape, array.astype(dtype).tobytes())
        case 3:
            parts[name] = npy(array.dtype.str, array.shape, rng.bytes(array.nbytes))
        case _:
            parts[name] = npy(array.dtype.str, array.shape, array.tobytes("F"), True)
    return with_digest(header, parts)


def data_folder(rng) -> bytes:
    """Four IDX files of images and labels that suit each other or not, one behind the other."""
    sizes = lambda: [choose(rng, [1, 2, 2, 5, 0]) for _ in range(choose(rng, [2, 2, 3, 1]))]  # noqa: E731
    shape, files = sizes(), []
    for count in (6, 3):
        images = rng.integers(0, 256, (count, *(shape if rng.integers(8) else sizes())), dtype=np.uint8)
        labels = np.arange(count if rng.integers(8) else choose(rng, [0, 1, 7]), dtype=np.uint8) % choose(
            rng, [3, 3, 255]
        )
        files += [idx_bytes(images), idx_bytes(labels)]
    index = int(rng.integers(12))
    if index < 4:
        files[index] = damaged(rng, files[index])
    return b"".join(struct.pack("<I", len(file)) + file for file in files)


def read_folder(data: bytes, folder: Path) -> None:
    for part in ("train", "test"):
        for kind in ("images", "labels"):
            size = struct.unpack("<I", data[:4])[0]
            (folder / f"{part}-{kind}").write_bytes(data[4 : 4 + size])
            data = data[4 + size :]
    found = load_folder(folder)
    layers = ({"kind": "flatten"}, {"kind": "dense", "outputs": "classes"})
    model = Architecture("a", layers).build(found.shape, found.classes, np.random.default_rng(0))
    assert logits(model, found.test_images).shape == (len(found.test_labels), found.classes)


def idx_file(rng, length: int = 24) -> bytes:
    rank = int(rng.integers(0, 6)) if rng.integers(8) else int(rng.integers(256))
    sizes = [choose(rng, [0, 1, 2, 3, 46341, 65536, 2**21, 2**31, 2**32 - 1]) for _ in range(rank)]
    code = choose(rng, [8, 9, 11, 12, 13, 14, 0, 255])
    data = bytes([0, 0, code, rank]) + struct.pack(f">{rank}I", *sizes) + rng.bytes(length)
    return gzip.compress(data) if rng.integers(2) else data


@cache
def idx_good() -> list[bytes]:
    plain = idx_bytes(np.arange(60, dtype=np.uint8).reshape(3, 4, 5))
    floats = bytes([0, 0, 14, 1]) + struct.pack(">I4d", 4, 1, 2, 3, 4)
    return [plain, gzip.compress(plain), floats, gzip.compress(plain[:30]) + gzip.compress(plain[30:])]


TOML = """name = "tiny"
layers = [
  { kind = "conv", outputs = 4, size = 3, stride = 1, padding = 1, groups = 1, initializer = "he" },
  { kind = "batchnorm", momentum = 0.9 },
  { kind = "leaky_relu", slope = 0.1 },
  { kind = "add", body = [{ kind = "conv", outputs = 4, size = 3, padding = 1 }], shortcut = [{ kind = "relu" }] },
  { kind = "maxpool", size = 2, stride = 2 },
  { kind = "avgpool", size = 2 },
  { kind = "dropout", rate = 0.1 },
  { kind = "flatten" },
  { kind = "dense", outputs = 8 },
  { kind = "relu" },
  { kind = "dense", outputs = "classes" },
]

[recipe]
epochs = 4
optimizer = "adam"
schedule = "one-cycle"
learning_rate = 0.01
rotate = 3.0
validation_images = 20
"""


def toml_values(rng) -> bytes:
    """The layers with fields changed, written as TOML."""
    found = changed(rng, tomllib.loads(TOML))
    found = found if isinstance(found, dict) else {"layers": found}
    return "".join(f"{name or 'x'} = {toml(value)}\n" for name, value in found.items()).encode(errors="replace")


def toml(value) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return {"NaN": "nan", "null": "''"}.get(json.dumps(value), json.dumps(value))


def toml_crafted(rng) -> bytes:
    """Nested and long networks, long keys and numbers, other encodings."""
    deep = int(rng.integers(2, 30))
    add = "{kind='relu'}"
    for _ in range(deep):
        add = f"{{kind='add', body=[{add}]}}"
    end = "{kind='flatten'}, {kind='dense', outputs='classes'}]"
    key = choose(rng, ["a.", '"=".', "a . "]) * int(rng.integers(2, 5000)) + "a = 1\n"
    match int(rng.integers(7)):
        case 0:
            text = f"layers = [{add}, {end}"
        case 1:
            text = "layers = [" + "{kind='relu'}," * (990 + deep) + end
        case 2:
            text = key + "layers = []"
        case 3:
            text = "layers = [" + "[" * deep * 100
        case 4:
            text = TOML.replace("0.01", "0x" + "f" * deep) + "#" * (2**20 * int(rng.integers(2)))
        case 5:
            text = "layers = [" + "1," * deep * 1000 + "]"
        case _:
            text = choose(rng, ["", "\ufeff", "\0", "\r", "\x1b"]) + TOML
    return text.encode(choose(rng, ["utf-8", "utf-8", "utf-8", "utf-16"]))


TABLES = (
    {"kind": "conv", "outputs": 2, "size": 3, "padding": 1},
    {"kind": "batchnorm"},
    {"kind": "relu"},
    {"kind": "flatten"},
    {"kind": "dense", "outputs": "classes"},
)
ARCHITECTURE, RECIPE = Architecture("tiny", TABLES), Recipe(epochs=3, batch_size=10, validation_images=10)


@cache
def run_files() -> tuple[dict, bytes]:
    """run.json and model.npz of a run."""
    model = ARCHITECTURE.build((4, 5, 1), 3, np.random.default_rng(3))
    history = [{"epoch": 1, "loss": 0.1, "validation_accuracy": 0.5}]
    with tempfile.TemporaryDirectory() as name:
        save_run(TrainedModel(ARCHITECTURE, RECIPE, (4, 5, 1), 3, "signs", model, history, 0.75), Path(name) / "run")
        return json.loads((Path(name) / "run/run.json").read_text()), (Path(name) / "run/model.npz").read_bytes()


@cache
def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    parts = [(rng.integers(0, 256, (n, 4, 5, 1), dtype=np.uint8), np.arange(n, dtype=np.uint8) % 3) for n in (60, 9)]
    return Dataset(*parts[0], *parts[1])


def training() -> Training:
    rng = np.random.default_rng(RECIPE.seed)
    return Training(ARCHITECTURE.build((4, 5, 1), 3, rng), RECIPE, dataset(), generator=rng)


@cache
def checkpoint() -> bytes:
    stopped = training()
    for _ in range(7):
        stopped.advance()
    return _file_bytes(lambda path: save_checkpoint(stopped, ARCHITECTURE, path))


def checkpoint_header(rng) -> bytes:
    parts = members(checkpoint())
    header = json.loads(np.load(io.BytesIO(parts["header"])).tobytes())
    header["values"] = changed(rng, header["values"])
    text = json.dumps(header).encode()
    return stored(parts | {"header": npy("|u1", (len(text),), text)})


@cache
def build_files() -> dict[str, bytes]:
    network = random_network(0, [7, 4, 3])
    compiled = compile_network(network, size_array(network, 2, 2, kind="latency"), "latency")
    with tempfile.TemporaryDirectory() as name:
        builds.write(compiled, Path(name) / "build")
        return {path.name: path.read_bytes() for path in (Path(name) / "build").iterdir()}


IMAGE = np.arange(72, dtype=np.uint8).reshape(9, 8)


def pgm(rng) -> bytes:
    parts = [b"P5", b"\n", b"# comment\n", b"8", b" ", b"9", b"\n", b"255", b"\n"]
    if rng.integers(2):
        choice = [
            b"",
            b" ",
            b"#",
            b"\0",
            b"0",
            b"-1",
            b"65535",
            b"4294967296",
            b"9" * 5000,
            b" " * 70000,
            b"#\n" * 30000,
        ]
        parts[int(rng.integers(len(parts)))] = choose(rng, choice)
        return b"".join(parts) + IMAGE.tobytes()
    return damaged(rng, b"".join(parts) + IMAGE.tobytes())


def loadable(rng, checked: bool) -> bytes:
    image = b"amar" + struct.pack("<III", 1, 77, 40) + rng.bytes(40)
    if not checked:
        return damaged(rng, image + struct.pack("<I", zlib.crc32(image)))
    image = damaged(rng, image)
    return image + struct.pack("<I", zlib.crc32(image))


INFO = Info(VERSION, 4, 3, False, 64, 72, 0, 24_000_000)


def frames(rng) -> bytes:
    """Answers to info, counters and an image, of which one has another payload, and some a damage."""
    info = struct.pack("<4BHHII", VERSION, 4, 3, 0, 64, 72, 0, 24_000_000)
    payloads = [b"\0" + info, b"\0" + bytes(24), b"\0" + bytes(9) + b"\1\0"]
    index = int(rng.integers(3))
    if rng.integers(3) == 0:
        at = int(rng.integers(len(payloads[index])))
        payloads[index] = payloads[index][:at] + bytes([choose(rng, [0, 1, 255])]) + payloads[index][at + 1 :]
    elif rng.integers(2):
        payloads[index] = payloads[index][: int(rng.integers(len(payloads[index]) + 1))] + rng.bytes(rng.integers(3))
    else:
        payloads[index] = damaged(rng, payloads[index])
    answers = [
        encode(command | ANSWER, payload)
        for command, payload in zip((Command.INFO, Command.COUNTERS, Command.IMAGE), payloads, strict=True)
    ]
    return b"".join(answers) if rng.integers(3) else damaged(rng, b"".join(answers))


# Readers, and what must hold of what they accept.


def read_network(data: bytes, folder: Path) -> None:
    (folder / "a.npz").write_bytes(data)
    network = network_file.load(folder / "a.npz")
    assert infer(network, random_images(0, network, 1)).logits.shape == (1, network.classes)
    network_file.save(network, folder / "b.npz")
    assert network_file.digest(network_file.load(folder / "b.npz")) == network_file.digest(network)
    assert network_file.digest(network) == json.loads(np.load(folder / "a.npz")["header"].tobytes())["sha256"]


def read_idx(data: bytes, folder: Path) -> None:
    (folder / "a.idx").write_bytes(data)
    assert idx.read(folder / "a.idx").nbytes <= 1 << 20


def read_toml(data: bytes, folder: Path) -> None:
    (folder / "a.toml").write_bytes(data)
    architecture, recipe = read_network_toml(folder / "a.toml")[:2]
    architecture.build((16, 16, 1), 4, np.random.default_rng(recipe.seed))


def read_run(description: bytes, weights: bytes, folder: Path) -> None:
    (folder / "run").mkdir(exist_ok=True)
    (folder / "run" / "run.json").write_bytes(description)
    (folder / "run" / "model.npz").write_bytes(weights)
    trained = load_run(folder / "run")
    assert trained.logits(np.zeros((1, *trained.shape), np.uint8)).shape == (1, trained.classes)
    save_run(trained, folder / "again")
    load_run(folder / "again")


def read_description(data: bytes, folder: Path) -> None:
    read_run(data, run_files()[1], folder)


def read_weights(data: bytes, folder: Path) -> None:
    description = run_files()[0] | {"model_sha256": hashlib.sha256(data).hexdigest()}
    read_run(json_bytes(description), data, folder)


def read_checkpoint(data: bytes, folder: Path) -> None:
    (folder / "c.npz").write_bytes(data)
    resumed = training()
    resumed.restore(*load_checkpoint(folder / "c.npz", ARCHITECTURE, RECIPE, dataset()))
    if not resumed.done:
        resumed.advance()


def read_image(suffix: str, data: bytes, folder: Path) -> None:
    (folder / f"a{suffix}").write_bytes(data)
    pixels = read_image_file(folder / f"a{suffix}")
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert 0 < pixels.size <= 1 << 24


def read_build(data: bytes, folder: Path) -> None:
    for file, content in (build_files() | {"build.json": data}).items():
        (folder / file).write_bytes(content)
    assert builds.load(folder).network.classes == 3


def read_ports(data: bytes, folder: Path) -> None:
    (folder / "ports.json").write_bytes(data)
    ports = read_port_file(folder / "ports.json", json.loads(build_files()["ports.json"]))
    assert ports["o_result__payload"]["fields"]["logit"]["width"] >= 1
    assert ports["written"]["fields"]["mask"]["width"] >= 1


def read_array(data: bytes, folder: Path) -> None:
    (folder / "array.json").write_bytes(data)
    assert replace(builds.load_array(folder / "array.json"))


def read_loadable(data: bytes, folder: Path) -> None:
    (folder / "a.load").write_bytes(data)
    assert read_load_image(folder / "a.load") == data


class Line:
    """A port from which the given bytes come."""

    def __init__(self, data: bytes):
        self.stream = io.BytesIO(data)

    def write(self, data: bytes) -> None:
        pass

    def read(self, count: int) -> bytes:
        return self.stream.read(count)


def read_frames(data: bytes, folder: Path) -> None:
    driver = Driver(Line(data))
    info = driver.info()
    driver.counters()
    result = driver.classify(np.zeros(info.image_bytes, np.uint8), info)
    assert 0 <= result.label < len(result.logits)


def _array_json() -> dict:
    return json.loads(build_files()["build.json"])["array"]


KINDS = {
    "network, bytes": Kind(lambda rng: damaged(rng, choose(rng, networks())), read_network),
    "network, header": Kind(network_header, read_network),
    "network, sizes": Kind(network_sizes, read_network),
    "network, arrays": Kind(network_arrays, read_network),
    "network, archive": Kind(lambda rng: odd_archive(rng, choose(rng, networks())), read_network),
    "idx, bytes": Kind(lambda rng: damaged(rng, choose(rng, idx_good())), read_idx),
    "idx, header": Kind(idx_file, read_idx),
    "data folder": Kind(data_folder, read_folder),
    "toml, bytes": Kind(lambda rng: damaged(rng, TOML.encode()), read_toml),
    "toml, tokens": Kind(lambda rng: shuffled(rng, TOML), read_toml),
    "toml, values": Kind(toml_values, read_toml),
    "toml, crafted": Kind(toml_crafted, read_toml),
    "run.json, bytes": Kind(lambda rng: damaged(rng, json_bytes(run_files()[0])), read_description),
    "run.json, tokens": Kind(lambda rng: shuffled(rng, json.dumps(run_files()[0])), read_description),
    "run.json, values": Kind(lambda rng: json_bytes(changed(rng, run_files()[0])), read_description),
    "model.npz, bytes": Kind(lambda rng: damaged(rng, run_files()[1]), read_weights),
    "model.npz, archive": Kind(lambda rng: odd_archive(rng, run_files()[1]), read_weights),
    "checkpoint, bytes": Kind(lambda rng: damaged(rng, checkpoint()), read_checkpoint),
    "checkpoint, archive": Kind(lambda rng: odd_archive(rng, checkpoint()), read_checkpoint),
    "checkpoint, header": Kind(checkpoint_header, read_checkpoint),
    ".npy, bytes": Kind(
        lambda rng: damaged(rng, npy("|u1", IMAGE.shape, IMAGE.tobytes())), lambda *case: read_image(".npy", *case)
    ),
    ".npy, header": Kind(odd_npy, lambda *case: read_image(".npy", *case)),
    ".pgm": Kind(pgm, lambda *case: read_image(".pgm", *case)),
    "build.json, bytes": Kind(lambda rng: damaged(rng, build_files()["build.json"]), read_build),
    "build.json, values": Kind(
        lambda rng: json_bytes(changed(rng, json.loads(build_files()["build.json"]))), read_build
    ),
    "ports.json, bytes": Kind(lambda rng: damaged(rng, build_files()["ports.json"]), read_ports),
    "ports.json, values": Kind(
        lambda rng: json_bytes(changed(rng, json.loads(build_files()["ports.json"]))), read_ports
    ),
    "array, bytes": Kind(lambda rng: damaged(rng, json_bytes(_array_json())), read_array),
    "array, values": Kind(lambda rng: json_bytes(changed(rng, _array_json())), read_array),
    "load image, bytes": Kind(lambda rng: loadable(rng, False), read_loadable),
    "load image, checksum right": Kind(lambda rng: loadable(rng, True), read_loadable),
    "frames": Kind(frames, read_frames),
}
