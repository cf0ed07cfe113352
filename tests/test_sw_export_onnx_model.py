"""sw/export/onnx_model.py: onnxruntime computes golden's numbers, with and without its optimizations."""

import re
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import onnx
import onnxruntime
import pytest
from names import HOSTILE
from networks import random_image_network, random_images, random_network
from tiers import slow

from sw.errors import InputError
from sw.export.onnx_model import build, inexact_layers, write
from sw.fixed import Format
from sw.golden import infer
from sw.network import Add, Conv2d, Dense, InputContract, Network, Requantize

IMAGES = 200
MIXED = ("avgpool", "overlapping", "residual", "depthwise", "grouped", "padded", "maxpool", "projection")
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_ALL")
EXACT_KERNELS = "session.x64quantprecision"
"""Without it onnxruntime saturates sums in 16 bits on x86-64 processors that have no VNNI instructions."""


def run(model: onnx.ModelProto, images: np.ndarray, level: str = "ORT_DISABLE_ALL") -> dict[str, np.ndarray]:
    """All outputs of the model by name."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.add_session_config_entry(EXACT_KERNELS, "1")
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pixels": images}), strict=True))


def assert_equal_to_golden(network: Network):
    assert inexact_layers(network) == []
    model, images = build(network), random_images(1, network, IMAGES)
    golden = infer(network, images)
    for level in LEVELS:
        found = run(model, images, level)
        np.testing.assert_array_equal(found["logits"], golden.logits)
        np.testing.assert_array_equal(found["label"], golden.labels)
    for index in range(len(network.layers) - 1):
        model.graph.output.add().name = f"layer{index}"
    found = run(model, images)
    for index, tap in enumerate(golden.taps[:-1]):
        activation = found[f"layer{index}"]
        activation = activation if activation.ndim == 2 else activation.transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(activation, tap)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [2, 5, 8])
def test_dense_networks(bits, signed):
    network = random_network(bits, [30, 20, 9, 6], activation_bits=bits, signed=signed, biases="zero")
    assert_equal_to_golden(network)


@pytest.mark.parametrize("last", ["dense", "pooled", "avgpool"])
@pytest.mark.parametrize("seed", range(4))
def test_image_networks(seed, last):
    assert_equal_to_golden(random_image_network(seed, last=last, multiplier=False))


def test_every_kind_of_layer_at_once():
    network = random_image_network(5, MIXED, shape=(40, 39, 2), multiplier=False)
    assert {layer.kind for layer in network.layers} == {"dense", "conv2d", "maxpool", "avgpool", "add"}
    assert_equal_to_golden(network)


@pytest.mark.parametrize("signed", [False, True])
def test_halves_are_rounded_up(signed):
    scale = Requantize([1, 2, 3, 1], [1, 2, 1, 0], Format(8, signed))
    hidden = Dense([[1], [-1], [-1], [-1]], [-60, 60, 30, 50], 8, scale)
    network = Network("halves", InputContract((1, 1, 1)), (hidden, Dense([[1] * 4], [0], 8, None)))
    images = np.arange(256, dtype=np.uint8).reshape(-1, 1, 1, 1)
    model = build(network)
    model.graph.output.add().name = "layer0"
    for level in LEVELS:
        np.testing.assert_array_equal(run(model, images, level)["layer0"], infer(network, images).taps[0])


def test_multipliers_are_within_a_unit():
    network = random_network(4, [30, 20, 6], multiplier=True)
    assert inexact_layers(network) == [0]
    model, images = build(network), random_images(1, network, IMAGES)
    model.graph.output.add().name = "layer0"
    found, golden = run(model, images)["layer0"], infer(network, images).taps[0]
    assert np.abs(found.astype(np.int64) - golden).max() <= 1


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("shift", [13, 14])
def test_halves_at_the_far_end_of_what_is_exact(shift, signed):
    half = ((252 if not signed else 125) << shift) + (1 << (shift - 1))
    hidden = Dense([[1], [1]], [half - 100, half - 200], 8, Requantize([1, 1], [shift] * 2, Format(8, signed)))
    network = Network("far", InputContract((1, 1, 1)), (hidden, Dense([[1, 1], [0, 1]], [0, 0], 8, None)))
    images = np.arange(256, dtype=np.uint8).reshape(-1, 1, 1, 1)
    assert inexact_layers(network) == []
    for level in LEVELS:
        np.testing.assert_array_equal(run(build(network), images, level)["logits"], infer(network, images).logits)


PAIRS = np.stack(np.meshgrid(*[np.arange(256, dtype=np.uint8)] * 2, indexing="ij"), axis=-1).reshape(-1, 1, 1, 2)
SIGNS = list(product([False, True], repeat=3))
SUMS = [([1, 1], 1), ([3, 5], 3), ([93, 22], 7)]
MORE_SUMS = [([1, 1], 0), ([1, 1], 2), ([2, 3], 3), ([7, 9], 4), ([127, 1], 7), ([64, 127], 8), ([127, 127], 14)]


def selected(channel: int, signed: bool) -> Conv2d:
    """A channel of the image as an activation: all 256 values of its format."""
    weight = np.eye(2, dtype=int)[channel].reshape(1, 1, 1, 2)
    return Conv2d(weight, [-128 if signed else 0], 8, Requantize([1], [0], Format(8, signed)), source=-1)


@pytest.mark.parametrize("scale", [*SUMS, *slow(MORE_SUMS)], ids=str)
@pytest.mark.parametrize("signs", SIGNS, ids=str)
def test_sums_of_all_pairs(scale, signs):
    (weight, shift), (first, second, result) = scale, signs
    for bits, multiplier in ((8, 1), (5, 3)):
        total = Add(0, weight, 8, Requantize([multiplier], [shift], Format(bits, result)))
        layers = (selected(0, first), selected(1, second), total, Dense([[1]], [0], 8, None))
        network = Network("pairs", InputContract((1, 1, 2)), layers)
        assert inexact_layers(network) == []
        golden = infer(network, PAIRS, all_taps=False)
        np.testing.assert_array_equal(run(build(network), PAIRS, "ORT_ENABLE_ALL")["logits"], golden.logits)


@pytest.mark.parametrize("signed", [False, True])
def test_a_chain_of_sums(signed):
    layers = [selected(0, signed), selected(1, not signed)]
    for index, (weight, shift) in enumerate([([1, 1], 1), ([3, 2], 2), ([9, 7], 4), ([1, 1], 1)]):
        layers.append(Add(index, weight, 8, Requantize([1], [shift], Format(8, signed and index % 2 == 0))))
    network = Network("chain", InputContract((1, 1, 2)), (*layers, Dense([[1]], [0], 8, None)))
    golden = infer(network, PAIRS, all_taps=False)
    for level in LEVELS:
        np.testing.assert_array_equal(run(build(network), PAIRS, level)["logits"], golden.logits)


def test_a_sum_is_exact_up_to_the_last_bit_of_float32():
    def wide(shift: int) -> Network:
        total = Add(0, [127, 127], 8, Requantize([259], [shift], Format(8, signed=False)))
        layers = (selected(0, False), selected(1, False), total, Dense([[1]], [0], 8, None))
        return Network("wide", InputContract((1, 1, 2)), layers)

    assert [inexact_layers(wide(shift)) for shift in (15, 16)] == [[], [2]]
    golden = infer(wide(15), PAIRS, all_taps=False)
    for level in LEVELS:
        np.testing.assert_array_equal(run(build(wide(15)), PAIRS, level)["logits"], golden.logits)


@pytest.mark.parametrize(
    ("bias", "shift", "signed", "layers"),
    [
        (2**22 - 1, 16, False, []),
        (2**22, 16, False, [0]),
        (2**24 - 1, 14, False, []),
        (2**24 - 1, 15, False, [0]),
        (2**24, 8, False, [0]),
        (2**23 - 1, 16, True, []),
        (2**23, 16, True, [0]),
    ],
)
def test_layers_are_exact_up_to_the_last_bit_of_float32(bias, shift, signed, layers):
    hidden = Dense([[-1]], [bias], 8, Requantize([2], [shift + 1], Format(8, signed)))
    network = Network("wide", InputContract((1, 1, 1)), (hidden, Dense([[1]], [2**23], 8, None)))
    assert inexact_layers(network) == layers


def test_the_model_is_checked_and_says_what_it_is(tmp_path):
    network = random_network(1, [6, 4, 3])
    write(network, tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    assert model.producer_name.startswith("amarray")
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "layer0.weight.integers")
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(weight), network.layers[0].weight)
    kinds = [node.op_type for node in model.graph.node]
    assert (kinds.count("Gemm"), kinds.count("QuantizeLinear")) == (2, 1)


def test_the_graph_has_a_name_of_letters():
    """As ONNX demands: an identifier of C."""
    network = random_network(1, [6, 4, 3])
    for name in HOSTILE.values():
        assert re.fullmatch(r"[A-Za-z_]\w*", build(replace(network, name=name)).graph.name, re.ASCII)


def test_the_same_network_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write(random_image_network(1), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_wide_accumulators_are_refused():
    network = Network("wide", InputContract((1, 1, 1)), (Dense([[1]], [2**31], 8, None),))
    with pytest.raises(InputError, match=r"biases of 32 bits, .* accumulators of 33 bits"):
        build(network)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match="pip install onnx"):
        build(random_network(1, [6, 3]))
