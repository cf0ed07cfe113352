"""sw/architecture.py: every kind of layer is built as it is written, and bad tables are named by place."""

import numpy as np
import pytest

from sw import limits
from sw.architecture import LAYERS, Architecture, parameter_count
from sw.errors import InputError
from sw.nn.tensor import Tensor

HEAD = ({"kind": "flatten"}, {"kind": "dense", "outputs": "classes"})
RESIDUAL = {
    "kind": "add",
    "body": [{"kind": "conv", "outputs": 4, "size": 3, "padding": 1}, {"kind": "batchnorm"}],
    "shortcut": [{"kind": "conv", "outputs": 4, "size": 1}],
}


def build(*tables, shape=(8, 8, 2), classes=3, seed=0):
    return Architecture("test", tables).build(shape, classes, np.random.default_rng(seed))


def test_sizes_follow_from_what_arrives():
    model = build({"kind": "conv", "outputs": 4, "size": 3}, {"kind": "relu"}, {"kind": "maxpool"}, *HEAD)
    assert [str(layer) for layer in model.layers] == [
        "Conv2d 3x3 2→4",
        "ReLU",
        "MaxPool 2x2",
        "Flatten",
        "Dense 36→3",
    ]
    assert parameter_count(model) == 3 * 3 * 2 * 4 + 4 + 36 * 3 + 3


def test_every_kind_can_be_built():
    tables = [
        {"kind": "conv", "outputs": 4, "size": 3, "stride": 1, "padding": 1, "groups": 2, "initializer": "xavier"},
        {"kind": "batchnorm", "momentum": 0.8},
        {"kind": "leaky_relu", "slope": 0.1},
        {"kind": "avgpool", "size": 2},
        RESIDUAL,
        {"kind": "relu"},
        {"kind": "maxpool", "size": 3, "stride": 1},
        {"kind": "globalavgpool"},
        {"kind": "dropout", "rate": 0.5},
        {"kind": "sigmoid"},
        {"kind": "tanh"},
        {"kind": "step"},
        {"kind": "dense", "outputs": "classes"},
        {"kind": "softmax"},
    ]
    assert {table["kind"] for table in [*tables, *HEAD]} == set(LAYERS)
    model = build(*tables)
    assert model(Tensor(np.ones((5, 8, 8, 2), np.float32))).shape == (5, 3)


def test_weights_come_from_the_generator():
    weights = [build(*HEAD, seed=seed).parameters()["1.weight"].data for seed in (1, 1, 2)]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert (weights[0] != weights[2]).all()


def test_dtype():
    model = Architecture("test", HEAD).build((2, 2, 1), 2, np.random.default_rng(0), np.float64)
    assert {p.data.dtype for p in model.parameters().values()} == {np.dtype(np.float64)}


CONV = {"kind": "conv", "outputs": 4, "size": 3}
NESTED = {"kind": "relu"}
for _ in range(16):
    NESTED = {"kind": "add", "body": [NESTED]}
BAD = {
    "unknown kind": ([{"kind": "lstm"}], "layer 0: kind must be one of dense, conv.*, not 'lstm'"),
    "mistyped kind": ([{"kind": "maxpol"}], "not 'maxpol'; did you mean maxpool?"),
    "mistyped field": ([CONV | {"strid": 3}], "no field 'strid'; it has .*; did you mean stride?"),
    "no table": (["relu"], "layer 0: kind must be one of .*, not None"),
    "unknown field": ([CONV | {"kernel": 3}], r"layer 0 \(conv\) has no field 'kernel'; it has outputs, size, stride"),
    "fields where there are none": ([{"kind": "relu", "slope": 1}], r"\(relu\) has no field 'slope'; it has none"),
    "missing field": ([{"kind": "conv", "size": 3}], r"layer 0 \(conv\): .*missing.*'outputs'"),
    "bad value": ([CONV | {"outputs": 0}], r"layer 0 \(conv\): outputs must be an integer of at least 1, not 0"),
    "bad initializer": ([CONV | {"initializer": "zero"}], "initializer must be one of he, xavier, not 'zero'"),
    "too small an image": ([CONV, {"kind": "maxpool", "size": 7}], r"layer 1 \(maxpool\): images must be .*\(7, 7\)"),
    "dense on images": ([{"kind": "dense", "outputs": 3}], r"layer 0 \(dense\): reads vectors, .*put a flatten"),
    "conv on a vector": ([{"kind": "flatten"}, CONV], r"layer 1 \(conv\): reads images, but a vector of 128"),
    "groups do not divide": ([CONV | {"groups": 3}], r"layer 0 \(conv\): groups must divide"),
    "inside a residual": (
        [{"kind": "add", "body": [CONV, {"kind": "dense", "outputs": 2}]}],
        r"^layer 0, body 1 \(dense\): reads vectors",
    ),
    "outputs beyond memory": (
        [HEAD[0], {"kind": "dense", "outputs": 99999999999}],
        r"layer 1 \(dense\): parameters of a network must be at most 67108864, not 12899999999871",
    ),
    "outputs that overflow": (
        [CONV | {"outputs": 2**63}],
        r"layer 0 \(conv\): parameters of a network must be at most",
    ),
    "a huge kernel": ([CONV | {"size": 129, "padding": 64}], "places in a window must be at most 16384, not 16641"),
    "a huge border": ([CONV | {"padding": 2**31}], r"layer 0 \(conv\): elements of the image, its padding included,"),
    "too many windows": (
        [CONV | {"size": 64, "padding": 100, "outputs": 1}],
        "elements of all windows must be at most 67108864, not 172236800",
    ),
    "a huge pool": ([{"kind": "maxpool", "size": 2**63}], r"layer 0 \(maxpool\): images must be"),
    "text for a size": ([CONV | {"size": "3"}], "size must be an integer of at least 1, not '3'"),
    "deep": ([NESTED], "networks within each other must be at most 16, not 17"),
    "many": (
        [{"kind": "add", "body": [{"kind": "relu"}] * 1000}],
        "layers of a network must be at most 1000, not 1001",
    ),
    "sides that differ": ([{"kind": "add", "body": [CONV]}], r"layer 0 \(add\): both sides of Add .* one shape"),
    "no layers": ([], r"^layers: must be a list of tables, at least one, not \[\]"),
    "empty body": ([{"kind": "add", "body": []}], "layer 0, body: must be a list"),
    "no logits": ([{"kind": "flatten"}], r"turns an image \(8, 8, 2\) into \(128,\); must give one logit for"),
    "too few logits": ([{"kind": "flatten"}, {"kind": "dense", "outputs": 2}], "must give one logit for each of 3"),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses_with_the_place(name):
    tables, message = BAD[name]
    with pytest.raises(InputError, match=message) as caught:
        build(*tables)
    assert "\n" not in str(caught.value)


def test_the_deepest_and_the_longest_network_is_built():
    build(NESTED["body"][0], *[{"kind": "relu"}] * (1000 - 16 - 2), *HEAD)


def test_the_largest_layer_is_refused_one_output_later():
    wide = [{"kind": "flatten"}, {"kind": "dense", "outputs": limits.PARAMETERS // 129 + 1}]
    with pytest.raises(InputError, match="parameters of a network must be at most"):
        build(*wide)
    with pytest.raises(InputError, match=r"turns an image|elements of a layer's output must be at most 16777216"):
        build({"kind": "conv", "outputs": limits.ELEMENTS // 64 + 1, "size": 1})


@pytest.mark.parametrize(
    ("shape", "classes"),
    [((0, 8, 2), 3), ((8, 8), 3), ((True, 8, 2), 3), ((2**21, 2**21, 2**22), 3), ((8, 8, 2), 257), ((8, 8, 2), "3")],
)
def test_refuses_data_beyond_the_limits(shape, classes):
    with pytest.raises(InputError, match=r"image|classes must be 1\.\.256"):
        build(*HEAD, shape=shape, classes=classes)


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", 7, None])
def test_a_name_is_printable(name):
    with pytest.raises(InputError, match=r"the name of a network must be 1\.\.100 printable characters, not"):
        Architecture(name, ({"kind": "flatten"},))
