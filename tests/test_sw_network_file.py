"""sw/network_file.py: round trip, equal bytes, and a reason for every way of damage."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest

from sw import network_file
from sw.errors import InputError
from sw.fixed import Format
from sw.network import Dense, InputContract, Network, Requantize


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


@pytest.fixture
def path(tmp_path):
    network_file.save(example(), tmp_path / "net.npz")
    return tmp_path / "net.npz"


def same_layers(first, second):
    for a, b in zip(first.layers, second.layers, strict=True):
        assert a.weight_bits == b.weight_bits
        for name in ("weight", "bias", "weight_scale"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        assert (a.requantize is None) == (b.requantize is None)
        if a.requantize:
            assert (a.requantize.form, a.requantize.scale) == (b.requantize.form, b.requantize.scale)
            np.testing.assert_array_equal(a.requantize.multiplier, b.requantize.multiplier)
            np.testing.assert_array_equal(a.requantize.shift, b.requantize.shift)


def test_round_trip(path):
    loaded = network_file.load(path)
    assert (loaded.name, loaded.input, loaded.notes) == (example().name, example().input, example().notes)
    same_layers(loaded, example())
    assert network_file.digest(loaded) == network_file.digest(example())


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
        hashed = {key: value for key, value in header.items() if key not in ("generator", "sha256")}
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


def npy_that_claims(shape):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|i1", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def ignore_duplicate(path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        with_member("layer0.bias.npy", b"")(path)


HIDDEN_WEIGHT = np.array([[1, -2, 3, 127], [0, 0, -127, 5]], np.int8)
DAMAGES = {
    "missing": (lambda path: path.unlink(), "no such file; `amarray quantize` writes one"),
    "a folder": (replaced_by_folder, "it is a folder; name a network file"),
    "empty": (truncated(0), "not a network file, or truncated"),
    "text": (lambda path: path.write_text("hello"), "not a network file, or truncated or damaged"),
    "a bare array": (lambda path: path.write_bytes(object_array()), "not a network file"),
    "truncated at the start": (truncated(100), "not a network file, or truncated"),
    "truncated at the end": (truncated(-1), "not a network file, or truncated"),
    "a flipped bit": (flipped, r"damaged \(Bad CRC-32 for file 'layer0\.weight\.npy'\)"),
    "compressed": (compressed, "members are compressed"),
    "some other archive": (lambda path: np.savez(path, a=np.zeros(3)), "no member 'header'"),
    "header is not JSON": (lambda path: np.savez(path, header=np.zeros(9, np.uint8)), "the header is not JSON"),
    "header is a list": (lambda path: np.savez(path, header=np.frombuffer(b"[]", np.uint8)), "not a JSON object"),
    "newer format": (with_header(format=2), "format version 2 is not known; this version of amarray reads 1"),
    "no format": (without("format"), "format version None is not known"),
    "edited name": (with_header(rehash=False, name="better"), "does not match its SHA-256"),
    "edited notes": (with_header(rehash=False, notes={"accuracy": 1.0}), "does not match its SHA-256"),
    "added field": (with_header(rehash=False, extra=1), "does not match its SHA-256"),
    "edited layer": (with_layer(rehash=False, weight_bits=4), "does not match its SHA-256"),
    "edited array": (with_arrays({"layer1.bias": np.array([1, 0])}, rehash=False), "does not match its SHA-256"),
    "edited hash": (with_header(rehash=False, sha256="0" * 64), "does not match its SHA-256"),
    "no hash": (lambda path: write(path, *without_hash(path), rehash=False), "lacks a field.*'sha256'"),
    "no input": (without("input"), "lacks a field.*'input'"),
    "no layers": (with_header(layers=[]), "member 'layer0.bias' belongs to no layer"),
    "layers is a number": (with_header(layers=3), "lacks a field or has a wrong one"),
    "unknown kind": (with_layer(kind="attention"), "layer 1 is of unknown kind 'attention'; known is 'dense'"),
    "weight bits out of range": (with_layer(weight_bits=9), r"weight_bits must be 2\.\.8, not 9"),
    "weight beyond its bits": (with_layer(weight_bits=2), r"2-bit weight must be -1\.\.1"),
    "weight bits is text": (with_layer(weight_bits="8"), "lacks a field or has a wrong one"),
    "missing member": (with_arrays({"layer0.shift": None}), r"member 'layer0\.shift' is missing"),
    "unknown member": (with_arrays({"layer2.weight": HIDDEN_WEIGHT}), r"member 'layer2\.weight' belongs to no layer"),
    "wrong dtype": (
        with_arrays({"layer0.weight": HIDDEN_WEIGHT.astype(np.int16)}),
        r"member 'layer0\.weight' must have dtype int8, not int16",
    ),
    "float weights": (with_arrays({"layer0.weight": HIDDEN_WEIGHT.astype(float)}), "must have dtype int8, not float64"),
    "wrong shape": (with_arrays({"layer0.bias": np.zeros(3, np.int64)}), r"bias must have shape \(2,\)"),
    "objects": (with_member("layer2.weight.npy", object_array()), r"member 'layer2\.weight\.npy' is not a plain array"),
    "not an array": (with_member("readme.txt", b"hello"), r"member 'readme\.txt' is not a plain array"),
    "an array of a terabyte": (
        with_member("x.npy", npy_that_claims((10**12,))),
        r"not a plain array of shape \(1000000",
    ),
    "twice the same member": (ignore_duplicate, "a member occurs twice"),
}


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


def test_hand_written_file_with_a_right_hash_is_read(path):
    """The helper that damages files does no damage by itself."""
    write(path, *read(path))
    same_layers(network_file.load(path), example())


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
