"""sw/network_file.py: round trip, equal bytes, and a reason for every way of damage."""

import dataclasses
import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from fuzz import npy
from networks import random_image_network

from sw import network_file
from sw.data_record import DataRecord
from sw.errors import InputError
from sw.fixed import Format
from sw.integer_layer import Requantize
from sw.integer_layers import KINDS, Add, AvgPool, Conv2d, Dense, MaxPool
from sw.network import InputContract, Network


def example(**changes):
    hidden = Dense(
        weight=[[1, -2, 3, 127], [0, 0, -127, 5]],
        bias=[-(2**40), 7],
        weight_bits=8,
        requantize=Requantize([65535, 1], [0, 30], Format(5, signed=True), scale=0.1),
        weight_scale=[1 / 3, 1e-9],
    )
    last = Dense([[1, 1], [-3, 2]], [1, -1], 3, None, weight_scale=[0.25, 0.25])
    fields = {
        "name": "example",
        "input": InputContract((2, 2, 1)),
        "layers": (hidden, last),
        "notes": {"accuracy": 0.97, "who": "é", "list": [1, None, True]},
    }
    return Network(**fields | changes)


def graph():
    """A network of every kind of layer, with branches."""
    scale = Requantize([1, 300], [3, 7], Format(7, signed=False), scale=0.5)
    signed = Requantize([1, 1], [9, 9], Format(8, signed=True))
    layers = (
        Conv2d(np.arange(-9, 9).reshape(2, 3, 3, 1), [5, -5], 8, scale, [0.5, 0.25], stride=2, padding=1),
        Conv2d([[[[1]]], [[[-1]]]], [0, 1], 2, signed, groups=1, stride=2, source=-1),
        Add(0, [3, 1], 4, scale),
        MaxPool(2, 1),
        AvgPool(2, 1, signed, source=2),
        Add(3, [1, 1], 2, scale),
        AvgPool(None, requantize=scale),
        Dense([[1, -1], [2, 3]], [0, 7], 8, None),
    )
    return Network("graph", InputContract((6, 5, 1)), layers, {"seed": 1})


RECORD = DataRecord("signs", "0123456789abcdef" * 4, (2, 2, 1), 2, "my/signs")
EXAMPLES = {"chain": example, "graph": graph}


@pytest.fixture
def path(tmp_path):
    network_file.save(example(), tmp_path / "net.npz")
    return tmp_path / "net.npz"


@pytest.fixture
def graph_path(tmp_path):
    network_file.save(graph(), tmp_path / "net.npz")
    return tmp_path / "net.npz"


def same_layers(first, second):
    for a, b in zip(first.layers, second.layers, strict=True):
        assert type(a) is type(b)
        for field in dataclasses.fields(a):
            if field.name != "requantize":
                np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))
        assert (a.requantize is None) == (b.requantize is None)
        if a.requantize:
            assert (a.requantize.form, a.requantize.scale) == (b.requantize.form, b.requantize.scale)
            np.testing.assert_array_equal(a.requantize.multiplier, b.requantize.multiplier)
            np.testing.assert_array_equal(a.requantize.shift, b.requantize.shift)


@pytest.mark.parametrize("make", EXAMPLES.values(), ids=EXAMPLES)
def test_round_trip(tmp_path, make):
    network_file.save(make(), tmp_path / "net.npz")
    loaded = network_file.load(tmp_path / "net.npz")
    assert (loaded.name, loaded.input, loaded.notes) == (make().name, make().input, make().notes)
    same_layers(loaded, make())
    assert network_file.digest(loaded) == network_file.digest(make())


@pytest.mark.parametrize("seed", range(5))
def test_round_trip_of_random_networks(tmp_path, seed):
    network = random_image_network(seed)
    network_file.save(network, tmp_path / "net.npz")
    first = (tmp_path / "net.npz").read_bytes()
    network_file.save(network_file.load(tmp_path / "net.npz"), tmp_path / "net.npz")
    assert (tmp_path / "net.npz").read_bytes() == first


def test_the_graph_has_every_kind():
    assert {layer.kind for layer in graph().layers} == set(KINDS)


def test_digests_stay():
    """Of each format version; the first is what the version before the second one computed."""
    assert network_file.digest(example()) == "32ce493e54d1b2d147f264a39a16399f0c0bf5bd19f3cf048e928960754bb501"
    assert network_file.digest(graph()) == "c13f2fdf6e3262a0b1fda77bbe70d50448cfb10f846beaefcf27c37d35bb9b65"


def test_chains_keep_format_version_1(path):
    header, _ = read(path)
    assert header["format"] == 1
    assert header["layers"][1] == {"kind": "dense", "weight_bits": 3, "requantize": None}


def test_header_and_members_of_a_graph(graph_path):
    header, arrays = read(graph_path)
    assert header["format"] == 2
    form = {"bits": 7, "signed": False}
    assert header["layers"][0] == {
        "kind": "conv2d",
        "weight_bits": 8,
        "stride": 2,
        "padding": 1,
        "groups": 1,
        "source": None,
        "requantize": {"form": form, "scale": 0.5},
    }
    assert header["layers"][3] == {"kind": "maxpool", "size": 2, "stride": 1, "source": None}
    assert header["layers"][6] == {
        "kind": "avgpool",
        "size": None,
        "stride": 1,
        "source": None,
        "requantize": {"form": form, "scale": 0.5},
    }
    assert header["layers"][2] == {
        "kind": "add",
        "other": 0,
        "weight_bits": 4,
        "source": None,
        "requantize": {"form": form, "scale": 0.5},
    }
    assert header["layers"][7] == {"kind": "dense", "weight_bits": 8, "source": None, "requantize": None}
    kinds = {name.split(".")[1]: array.dtype for name, array in arrays.items()}
    assert kinds == {"weight": "i1", "bias": "i8", "weight_scale": "f8", "multiplier": "u2", "shift": "u1"}
    assert not any(name.startswith("layer3.") for name in arrays)


def test_same_network_gives_the_same_bytes(path, tmp_path):
    transposed = example().layers[0].weight.copy(order="F")
    layers = (Dense(transposed, [-(2**40), 7], 8, example().layers[0].requantize, [1 / 3, 1e-9]), example().layers[1])
    network_file.save(example(layers=layers), tmp_path / "other.npz")
    assert (tmp_path / "other.npz").read_bytes() == path.read_bytes()
    network_file.save(network_file.load(path), tmp_path / "third.npz")
    assert (tmp_path / "third.npz").read_bytes() == path.read_bytes()


def test_numpy_reads_the_archive(path):
    with np.load(path, allow_pickle=False) as archive:
        assert archive["layer0.weight"].dtype == np.int8
        header = json.loads(archive["header"].tobytes())
    assert header["generator"]["name"] == "amarray"
    assert header["sha256"] == network_file.digest(example())


@pytest.mark.parametrize("data", [RECORD, dataclasses.replace(RECORD, sha256=None, path=None, classes=1)])
def test_the_data_stand_beside_the_digest(tmp_path, data):
    network = example(data=data)
    network_file.save(network, tmp_path / "network.npz")
    assert network_file.load(tmp_path / "network.npz").data == data
    header, _ = read(tmp_path / "network.npz")
    assert (header["data"], header["format"]) == (data.to_json(), 1)
    assert network_file.digest(network) == network_file.digest(example())


def test_a_file_without_data_is_read(path):
    header, _ = read(path)
    assert "data" not in header
    assert network_file.load(path).data is None


def test_everything_that_matters_changes_the_digest():
    hidden, last = example().layers
    others = [
        example(name="other"),
        example(notes={}),
        example(input=InputContract((1, 4, 1))),
        example(input=InputContract((2, 2, 1), scale=0.5)),
        example(layers=(hidden, Dense(last.weight, [1, 0], 3, None, last.weight_scale))),
        example(layers=(hidden, Dense(-last.weight, last.bias, 3, None, last.weight_scale))),
        example(layers=(hidden, Dense(last.weight, last.bias, 4, None, last.weight_scale))),
        example(layers=(hidden, Dense(last.weight, last.bias, 3, None))),
    ]
    digests = {network_file.digest(network) for network in (example(), *others)}
    assert len(digests) == len(others) + 1


@pytest.mark.parametrize(
    ("index", "changes"),
    [
        (0, {"weight_scale": [0.5, 0.5]}),
        (1, {"bias": [0, 2]}),
        (2, {"source": 0, "other": 1}),
        (2, {"weight": [1, 3]}),
        (2, {"weight_bits": 3}),
        (3, {"source": 1}),
        (4, {"source": 1}),
        (4, {"requantize": Requantize([1, 1], [9, 8], Format(8, signed=True))}),
        (6, {"size": 1, "stride": 2}),
        (6, {"size": 1, "stride": 3}),
    ],
)
def test_every_field_of_a_graph_changes_the_digest(index, changes):
    layers = list(graph().layers)
    layers[index] = dataclasses.replace(layers[index], **changes)
    assert network_file.digest(dataclasses.replace(graph(), layers=layers)) != network_file.digest(graph())


def test_notes_must_be_json(tmp_path):
    for notes in ({"a": {1, 2}}, {"a": float("nan")}):
        with pytest.raises(InputError, match="notes of a network must be JSON"):
            network_file.save(example(notes=notes), tmp_path / "net.npz")
    assert list(tmp_path.iterdir()) == []


def read(path):
    with np.load(path) as archive:
        arrays = dict(archive)
    return json.loads(arrays.pop("header").tobytes()), arrays


def write(path, header, arrays, rehash=True):
    """Store a file by hand; with `rehash` its SHA-256 fits, as computed here from the documented rule."""
    if rehash:
        hashed = {key: value for key, value in header.items() if key not in ("generator", "data", "sha256")}
        content = json.dumps(hashed, sort_keys=True, separators=(",", ":")).encode()
        for name in sorted(arrays):
            content += f"{name} {arrays[name].dtype.str} {arrays[name].shape} ".encode() + arrays[name].tobytes()
        header = header | {"sha256": hashlib.sha256(content).hexdigest()}
    np.savez(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)


def with_header(rehash=True, **changes):
    def damage(path):
        header, arrays = read(path)
        write(path, header | changes, arrays, rehash)

    return damage


def with_layer(rehash=True, **changes):
    def damage(path):
        header, arrays = read(path)
        header["layers"][1] |= changes
        write(path, header, arrays, rehash)

    return damage


def with_layer_of_graph(index, rehash=True, without=(), **changes):
    def damage(path):
        header, arrays = read(path)
        header["layers"][index] |= changes
        for name in without:
            del header["layers"][index][name]
        write(path, header, arrays, rehash)

    return damage


def with_arrays(changes, rehash=True):
    def damage(path):
        header, arrays = read(path)
        arrays = {name: array for name, array in (arrays | changes).items() if array is not None}
        write(path, header, arrays, rehash)

    return damage


def without(field):
    def damage(path):
        header, arrays = read(path)
        del header[field]
        write(path, header, arrays)

    return damage


def with_member(name, content):
    def damage(path):
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, content)

    return damage


def truncated(keep):
    return lambda path: path.write_bytes(path.read_bytes()[:keep])


def flipped(path):
    """Flip a bit inside an array."""
    data = bytearray(path.read_bytes())
    place = data.index(bytes([0, 0, 0x81, 5]))  # the second row of layer0.weight
    data[place] ^= 1
    path.write_bytes(data)


def replaced_by_folder(path):
    path.unlink()
    path.mkdir()


def compressed(path):
    header, arrays = read(path)
    np.savez_compressed(path, header=np.frombuffer(json.dumps(header).encode(), np.uint8), **arrays)


def object_array():
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return stream.getvalue()


def name_that_is_no_text(path):
    data = path.read_bytes()
    at = data.rindex(b"layer0.shift")  # in the directory
    flags = data.rindex(b"PK\x01\x02", 0, at) + 9
    path.write_bytes(data[:flags] + b"\x08" + data[flags + 1 : at] + b"\x99" + data[at + 1 :])


def header_bytes(data):
    """Another member `header`, beside arrays that stay."""

    def damage(path):
        arrays = read(path)[1]
        np.savez(path, header=np.frombuffer(data, np.uint8), **arrays)

    return damage


def ignore_duplicate(path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        with_member("layer0.bias.npy", b"")(path)


def with_input(**changes):
    def damage(path):
        header, arrays = read(path)
        header["input"] |= changes
        write(path, header, arrays)

    return damage


HIDDEN_WEIGHT = np.array([[1, -2, 3, 127], [0, 0, -127, 5]], np.int8)
DAMAGES = {
    "data of another shape": (
        with_header(data=RECORD.to_json() | {"shape": [4, 1, 1]}),
        "reads images of 2 x 2 x 1 in 2 classes; its data must be such, not 4 x 1 x 1 in 2 classes",
    ),
    "data of more classes": (with_header(data=RECORD.to_json() | {"classes": 3}), "not 2 x 2 x 1 in 3 classes"),
    "data that are no record": (with_header(data=None), "a data set must be described by name, sha256"),
    "data of a wrong name": (with_header(data=RECORD.to_json() | {"name": "a\nb"}), "must be 1..100 printable"),
    "missing": (lambda path: path.unlink(), "No such file or directory; `amarray quantize` writes one"),
    "a folder": (replaced_by_folder, "it is a folder; name a network file"),
    "empty": (truncated(0), "not a network file, or truncated"),
    "text": (lambda path: path.write_text("hello"), "not a network file, or truncated or damaged"),
    "a bare array": (lambda path: path.write_bytes(object_array()), "not a network file"),
    "truncated at the start": (truncated(100), "not a network file, or truncated"),
    "truncated at the end": (truncated(-1), "not a network file, or truncated"),
    "a flipped bit": (flipped, r"damaged \(Bad CRC-32 for file 'layer0\.weight\.npy'\)"),
    "compressed": (compressed, "members are compressed"),
    "some other archive": (lambda path: np.savez(path, a=np.zeros(3)), "no member 'header'"),
    "header is not JSON": (
        lambda path: np.savez(path, header=np.zeros(9, np.uint8)),
        "not a network file, .*(codec|Expecting value)",
    ),
    "header is a list": (lambda path: np.savez(path, header=np.frombuffer(b"[]", np.uint8)), "not a JSON object"),
    "newer format": (with_header(format=3), "format version 3 is not known; this version of amarray reads 1 and 2"),
    "no format": (without("format"), "format version None is not known"),
    "edited name": (with_header(rehash=False, name="better"), "does not match its SHA-256"),
    "edited notes": (with_header(rehash=False, notes={"accuracy": 1.0}), "does not match its SHA-256"),
    "added field": (with_header(rehash=False, extra=1), "does not match its SHA-256"),
    "edited layer": (with_layer(rehash=False, weight_bits=4), "does not match its SHA-256"),
    "edited array": (with_arrays({"layer1.bias": np.array([1, 0])}, rehash=False), "does not match its SHA-256"),
    "edited hash": (with_header(rehash=False, sha256="0" * 64), "does not match its SHA-256"),
    "no hash": (lambda path: write(path, *without_hash(path), rehash=False), "not a network file.*'sha256' is missing"),
    "no input": (without("input"), "not a network file.*'input' is missing"),
    "no layers": (with_header(layers=[]), "member 'layer0.bias' belongs to no layer"),
    "layers is a number": (with_header(layers=3), "not a network file, or truncated or damaged"),
    "unknown kind": (with_layer(kind="attention"), "layer 1 is of unknown kind 'attention'; known are dense, conv2d"),
    "weight bits out of range": (with_layer(weight_bits=9), r"weight_bits must be 2\.\.8, not 9"),
    "weight beyond its bits": (with_layer(weight_bits=2), r"2-bit weight must be -1\.\.1"),
    "weight bits is text": (with_layer(weight_bits="8"), "not a network file, or truncated or damaged"),
    "missing member": (with_arrays({"layer0.shift": None}), r"member 'layer0\.shift' is missing"),
    "unknown member": (with_arrays({"layer2.weight": HIDDEN_WEIGHT}), r"member 'layer2\.weight' belongs to no layer"),
    "wrong dtype": (
        with_arrays({"layer0.weight": HIDDEN_WEIGHT.astype(np.int16)}),
        r"member 'layer0\.weight' must have dtype int8, not int16",
    ),
    "float weights": (with_arrays({"layer0.weight": HIDDEN_WEIGHT.astype(float)}), "must have dtype int8, not float64"),
    "wrong shape": (with_arrays({"layer0.bias": np.zeros(3, np.int64)}), r"bias must have shape \(2,\)"),
    "objects": (
        with_member("layer2.weight.npy", object_array()),
        r"member 'layer2\.weight\.npy': it is not a plain array",
    ),
    "not an array": (with_member("readme.txt", b"hello"), r"member 'readme\.txt': it is not a plain array"),
    "an array of a terabyte": (
        with_member("x.npy", npy("|i1", (10**12,), b"")),
        r"not a plain array of shape \(1000000",
    ),
    "a name that is no text": (name_that_is_no_text, "codec can't decode byte 0x99"),
    "negative sizes": (with_member("x.npy", npy("|i1", (-1, -1), b"1")), "'x.npy': it is not a plain array"),
    "sizes that overflow": (with_member("x.npy", npy("|i1", (0, 2**63 - 1, 4), b"")), "not a network file.*damaged"),
    "100 dimensions": (with_member("x.npy", npy("|i1", (1,) * 100, b"1")), "not a network file.*dimension"),
    "a member of nothing": (with_member("x.npy", npy("|V0", (1,), b"")), "'x.npy': it is not a plain array"),
    "a header of brackets": (with_member("x.npy", npy("|i1", "(" * 5000, b"1")), "'x.npy': it is not a plain array"),
    "JSON nested deep": (header_bytes(b"[" * 10**5), "not a network file.*nested too deep"),
    "JSON in UTF-16": (header_bytes('{"format": 1}'.encode("utf-16")), "codec can't decode"),
    "JSON of 2 MiB": (header_bytes(b" " * 2**21), "at most 1048576 bytes, not 2097152"),
    "a key twice": (header_bytes(b'{"format": 1, "format": 1}'), "a key must occur once, not twice as 'format' does"),
    "long layers": (with_header(layers=[{"kind": "maxpool"}] * 1001), "layers of a network must be at most 1000"),
    "a scale that is an integer": (with_input(scale=1), "not written as amarray writes it, such as 1 where 1.0 is due"),
    "an image of 2^64 pixels": (with_input(shape=[2**32, 2**32, 1]), "pixels of an image must be at most 16777216"),
    "an image of -1 pixels": (with_input(shape=[-1, 2, 2]), "each at least 1"),
    "an image of true pixels": (with_input(shape=[True, 2, 2]), "each at least 1"),
    "a scale of 400 digits": (with_input(scale=10**400), "an integer must have at most 128 bits"),
    "twice the same member": (ignore_duplicate, "a member occurs twice"),
}


WEIGHT = np.ones((2, 1, 1, 1), np.int8)
DAMAGES_OF_GRAPH = {
    "format version 1": (with_header(format=1), "lacks a field or has a wrong one|format version 1 is not that of"),
    "unknown kind": (with_layer_of_graph(3, kind="softmax"), "layer 3 is of unknown kind 'softmax'"),
    "another kind": (with_layer_of_graph(3, kind="avgpool"), "not a network file, .*'requantize' is missing"),
    "pool that requantizes": (with_layer_of_graph(3, requantize=None), "not a network file.*unexpected .*'requantize'"),
    "field of another kind": (with_layer_of_graph(2, stride=1), "not a network file.*unexpected .*'stride'"),
    "field too many": (with_layer_of_graph(0, dilation=1), "not a network file.*unexpected .*'dilation'"),
    "no other": (with_layer_of_graph(2, without=["other"]), "not a network file.*missing .*'other'"),
    "no requantize": (with_layer_of_graph(4, without=["requantize"]), "'layer4.multiplier' belongs to no layer"),
    "stride 0": (with_layer_of_graph(0, stride=0), "stride must be an integer of at least 1, not 0"),
    "stride is text": (with_layer_of_graph(3, stride="2"), "stride must be an integer of at least 1, not '2'"),
    "padding is true": (with_layer_of_graph(0, padding=True), "padding must be an integer of at least 0, not True"),
    "groups": (with_layer_of_graph(0, groups=2), r"layer 0 \(conv2d\): takes 2 input channels, but 1 arrive"),
    "size": (with_layer_of_graph(3, size=9), r"layer 3 \(maxpool\): has a window of 9x9"),
    "source is a float": (with_layer_of_graph(4, source=2.0), "layer 4 reads layer 2.0; must be"),
    "source is later": (with_layer_of_graph(4, source=4), "layer 4 reads layer 4; must be"),
    "other is null": (with_layer_of_graph(2, other=None), "layer 0 is read by no layer"),
    "edited source": (with_layer_of_graph(4, rehash=False, source=0), "does not match its SHA-256"),
    "edited padding": (with_layer_of_graph(0, rehash=False, padding=2), "does not match its SHA-256"),
    "edited array": (with_arrays({"layer2.weight": np.array([3, 2], np.int8)}, rehash=False), "match its SHA-256"),
    "missing operands": (with_arrays({"layer2.weight": None}), r"member 'layer2\.weight' is missing"),
    "missing shift of a mean": (with_arrays({"layer6.shift": None}), r"member 'layer6\.shift' is missing"),
    "a huge border": (with_layer_of_graph(0, padding=10**9), "its padding included, must be at most 16777216"),
    "a border that overflows": (
        with_layer_of_graph(0, padding=2**62),
        "its padding included, must be at most 16777216",
    ),
    "stride left to default": (with_layer_of_graph(6, stride=None), "not written as amarray writes it"),
    "weight of a pool": (with_arrays({"layer3.weight": WEIGHT}), r"member 'layer3\.weight' belongs to no layer"),
    "bias of a sum": (with_arrays({"layer2.bias": np.zeros(2, int)}), r"member 'layer2\.bias' belongs to no layer"),
    "dtype of a kernel": (with_arrays({"layer1.weight": WEIGHT.astype(np.int64)}), "must have dtype int8, not int64"),
    "dtype of operands": (with_arrays({"layer2.weight": np.array([3, 1])}), "must have dtype int8, not int64"),
    "rank of a kernel": (with_arrays({"layer1.weight": WEIGHT[0]}), "conv2d weight must have shape"),
    "operands": (with_arrays({"layer2.weight": np.array([3, 0], np.int8)}), r"4-bit weight must be 1\.\.7"),
}


@pytest.mark.parametrize("name", DAMAGES_OF_GRAPH)
def test_refuses_damaged_graph_with_one_line(graph_path, name):
    damage, message = DAMAGES_OF_GRAPH[name]
    damage(graph_path)
    with pytest.raises(InputError, match=rf"cannot load network .*net\.npz: .*({message})") as caught:
        network_file.load(graph_path)
    assert "\n" not in str(caught.value)


def test_chain_with_a_higher_version_than_it_needs_is_refused(path):
    header, arrays = read(path)
    write(path, header | {"format": 2}, arrays)
    with pytest.raises(InputError, match="format version 2 is not that of its layers, 1"):
        network_file.load(path)


def without_hash(path):
    header, arrays = read(path)
    del header["sha256"]
    return header, arrays


@pytest.mark.parametrize("name", DAMAGES)
def test_refuses_damage_with_one_line(path, name):
    damage, message = DAMAGES[name]
    damage(path)
    with pytest.raises(InputError, match=rf"cannot load network .*net\.npz: .*{message}") as caught:
        network_file.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", EXAMPLES.values(), ids=EXAMPLES)
def test_hand_written_file_with_a_right_hash_is_read(tmp_path, make):
    """The helper that damages files does no damage by itself."""
    path = tmp_path / "net.npz"
    network_file.save(make(), path)
    write(path, *read(path))
    same_layers(network_file.load(path), make())


def test_every_truncation_is_refused(path):
    whole = path.read_bytes()
    for keep in range(0, len(whole), 97):
        path.write_bytes(whole[:keep])
        with pytest.raises(InputError, match="cannot load network"):
            network_file.load(path)


def test_any_flipped_byte_is_refused_or_harmless(path):
    """Bytes that no reader looks at may change; the network may not."""
    whole = path.read_bytes()
    for place in range(0, len(whole), 13):
        data = bytearray(whole)
        data[place] ^= 0xFF
        path.write_bytes(data)
        try:
            assert network_file.digest(network_file.load(path)) == network_file.digest(example())
        except InputError:
            continue
