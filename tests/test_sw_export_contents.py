"""sw/export/contents.py: the arrays and the manifest say all that golden needs."""

import json

import numpy as np
import pytest
from networks import STEPS, random_image_network, random_images, random_network

from sw.export.contents import accumulator_bits, arrays, layer_arrays, manifest
from sw.fixed import Format
from sw.golden import infer
from sw.network import Dense, InputContract, Network, Requantize
from sw.network_file import digest


def test_arrays_of_a_dense_network():
    network = random_network(1, [5, 4, 3], weight_bits=[8, 3])
    found = {array.name: array for array in arrays(network)}
    names = ["layer0.weight", "layer0.bias", "layer0.multiplier", "layer0.shift", "layer1.weight", "layer1.bias"]
    assert list(found) == names
    assert found["layer1.weight"].form == Format(3, signed=True)
    assert found["layer1.weight"].axes == ("output", "input")
    np.testing.assert_array_equal(found["layer0.bias"].values, network.layers[0].bias)


@pytest.mark.parametrize("seed", range(6))
def test_each_array_fits_its_format_and_each_axis_has_a_name(seed):
    for array in arrays(random_image_network(seed)):
        assert array.form.holds(int(array.values.min()), int(array.values.max()))
        assert array.values.ndim == len(array.axes)


def test_layers_without_sums_have_no_arrays_and_no_accumulator():
    network = random_image_network(1, ("maxpool",))
    assert (layer_arrays(network, 0), accumulator_bits(network, 0)) == ([], None)


def test_manifest_is_json_that_names_network_and_arrays():
    network = random_image_network(2, STEPS)
    described = manifest(network)
    assert json.loads(json.dumps(described)) == described
    assert (described["name"], described["network_sha256"]) == (network.name, digest(network))
    assert [layer["kind"] for layer in described["layers"]] == [layer.kind for layer in network.layers]
    names = [array["name"] for layer in described["layers"] for array in layer["arrays"]]
    assert names == [array.name for array in arrays(network)]


def test_manifest_has_the_real_value_of_every_unit():
    hidden = Dense([[1]], [0], 8, Requantize([1], [3], Format(8, signed=False), scale=0.5), weight_scale=[0.25])
    network = Network("scaled", InputContract((1, 1, 1)), (hidden, Dense([[1]], [0], 8, None, weight_scale=[2.0])))
    described = manifest(network)
    assert described["input"]["scale"] == 1 / 255
    assert described["layers"][0]["activation"] == {"format": "uint8", "low": 0, "high": 255, "scale": 0.5}
    assert [layer["weight_scale"] for layer in described["layers"]] == [[0.25], [2.0]]


@pytest.mark.parametrize("last", ["dense", "pooled", "avgpool"])
@pytest.mark.parametrize("seed", range(5))
def test_manifest_and_arrays_suffice_to_compute_the_logits(seed, last):
    network = random_image_network(seed, STEPS if not seed else None, shape=(14, 13, 2), last=last)
    images = random_images(seed, network, 3)
    values = {array.name: array.values for array in arrays(network)}
    logits = [follow(manifest(network), values, image) for image in images]
    np.testing.assert_array_equal(logits, infer(network, images).logits)


def follow(described: dict, values: dict[str, np.ndarray], image: np.ndarray) -> np.ndarray:
    """The logits of an image, by the manifest's own words and loops only."""
    tensors = {"input": image.astype(np.int64)}
    for layer in described["layers"]:
        own = {name.split(".")[1]: array for name, array in values.items() if name.split(".")[0] == layer["name"]}
        sums = STEPS_OF[layer["kind"]](layer, own, *(tensors[name] for name in layer["reads"]))
        if "multiplier" in own:
            product = sums * own["multiplier"] + ((1 << own["shift"]) >> 1)
            sums = np.clip(product >> own["shift"], layer["activation"]["low"], layer["activation"]["high"])
        tensors[layer["name"]] = sums
    return sums.ravel()


def dense(layer, own, x):
    return (own["weight"] @ x.ravel() + own["bias"]).reshape(1, 1, -1)


def conv2d(layer, own, x):
    margin, weight = [layer["padding"]] * 2, own["weight"]
    x = np.pad(x, (margin, margin, (0, 0)))
    depth, part = weight.shape[3], len(weight) // layer["groups"]
    sums = np.zeros(layer["output_shape"], np.int64)
    for row, column, o in np.ndindex(sums.shape):
        window = place(layer, x, row, column, weight.shape[1:3])[..., o // part * depth :][..., :depth]
        sums[row, column, o] = own["bias"][o] + (weight[o] * window).sum()
    return sums


def pool(layer, x, reduce):
    result = np.zeros(layer["output_shape"], np.int64)
    for row, column in np.ndindex(result.shape[:2]):
        result[row, column] = reduce(place(layer, x, row, column, layer["window"]), axis=(0, 1))
    return result


def place(layer, x, row, column, window):
    top, left = row * layer["stride"], column * layer["stride"]
    return x[top : top + window[0], left : left + window[1]]


STEPS_OF = {
    "dense": dense,
    "conv2d": conv2d,
    "maxpool": lambda layer, own, x: pool(layer, x, np.max),
    "avgpool": lambda layer, own, x: pool(layer, x, np.sum),
    "add": lambda layer, own, x, z: own["weight"][0] * x + own["weight"][1] * z,
}
