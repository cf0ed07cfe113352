"""sw/golden.py: against a reference in plain Python integers that shares no code with it."""

from itertools import pairwise

import networks
import numpy as np
import pytest

from sw import golden
from sw.errors import InputError
from sw.fixed import Format
from sw.network import Conv2d, Dense, InputContract, Network, Requantize


def random_network(sizes, shape, seed, weight_bits=8, signed=False, multiplier=False, bits=8):
    """A network whose hidden activations spread over their range."""
    generator = np.random.default_rng(seed)
    limit = 2 ** (weight_bits - 1) - 1
    layers, last = [], len(sizes) - 2
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        typical = limit * 128 * np.sqrt(inputs) / 2 ** (bits - 1)  # shift that brings a usual sum into the range
        shift = np.full(outputs, max(int(np.log2(typical)), 0)) + generator.integers(0, 2, outputs)
        factor = generator.integers(2**15, 2**16, outputs) if multiplier else np.ones(outputs, int)
        requantize = Requantize(factor, shift + 15 * multiplier, Format(bits, signed))
        layers.append(
            Dense(
                generator.integers(-limit, limit + 1, (outputs, inputs)),
                generator.integers(-5000, 5000, outputs),
                weight_bits,
                None if index == last else requantize,
            )
        )
    return Network("random", InputContract(shape), tuple(layers))


def reference(network, image):
    """All taps of one image, flat, in Python integers, straight from the formulas."""
    outputs = {-1: np.array(image, dtype=object).reshape(network.input.shape).tolist()}
    for index, layer in enumerate(network.layers):
        x = outputs[index - 1 if layer.source is None else layer.source]
        rows = REFERENCES[layer.kind](layer, x, outputs)
        if layer.requantize is not None:
            rows = [[[scaled(layer.requantize, c, v) for c, v in enumerate(pixel)] for pixel in row] for row in rows]
        outputs[index] = rows
    return [flat(outputs[index]) for index in range(len(network.layers))]


def flat(rows):
    return [value for row in rows for pixel in row for value in pixel]


def scaled(q, channel, total):
    shift = int(q.shift[channel])
    half = 2 ** (shift - 1) if shift else 0
    total = (total * int(q.multiplier[channel]) + half) >> shift
    bits = q.form.bits
    least, greatest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if q.form.signed else (0, 2**bits - 1)
    return max(least, min(greatest, total))


def dense_sums(layer, x, outputs):
    pairs = [zip(weights, flat(x), strict=True) for weights in layer.weight.tolist()]
    return [[[b + sum(w * a for w, a in terms) for b, terms in zip(layer.bias.tolist(), pairs, strict=True)]]]


def conv_sums(layer, x, outputs):
    weight, bias, p = layer.weight.tolist(), layer.bias.tolist(), layer.padding
    height, width, inputs = len(x), len(x[0]), len(x[0][0])
    out_part, in_part = len(weight) // layer.groups, inputs // layer.groups

    def pixel(y, x_, c):
        return x[y][x_][c] if 0 <= y < height and 0 <= x_ < width else 0

    def total(top, left, o):
        result = bias[o]
        for i, kernel_row in enumerate(weight[o]):
            for j, place in enumerate(kernel_row):
                for c, w in enumerate(place):
                    result += w * pixel(top + i - p, left + j - p, c + in_part * (o // out_part))
        return result

    tops = range(0, height + 2 * p - len(weight[0]) + 1, layer.stride)
    lefts = range(0, width + 2 * p - len(weight[0][0]) + 1, layer.stride)
    return [[[total(top, left, o) for o in range(len(weight))] for left in lefts] for top in tops]


def pooled(layer, x, combine):
    height, width = (len(x), len(x[0])) if layer.size is None else (layer.size, layer.size)

    def window(top, left, c):
        return [x[top + i][left + j][c] for i in range(height) for j in range(width)]

    tops, lefts = range(0, len(x) - height + 1, layer.stride), range(0, len(x[0]) - width + 1, layer.stride)
    return [[[combine(window(top, left, c)) for c in range(len(x[0][0]))] for left in lefts] for top in tops]


def added(layer, x, outputs):
    first, second = layer.weight.tolist()
    lines = [zip(row, other, strict=True) for row, other in zip(x, outputs[layer.other], strict=True)]
    return [[[first * a + second * b for a, b in zip(*pixels, strict=True)] for pixels in line] for line in lines]


REFERENCES = {
    "dense": dense_sums,
    "conv2d": conv_sums,
    "maxpool": lambda layer, x, outputs: pooled(layer, x, max),
    "avgpool": lambda layer, x, outputs: pooled(layer, x, sum),
    "add": added,
}


def draw_images(count, shape, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


CASES = [
    {},
    {"signed": True},
    {"multiplier": True},
    {"multiplier": True, "signed": True, "bits": 4},
    {"weight_bits": 2},
    {"weight_bits": 3, "bits": 5},
]


@pytest.mark.parametrize("options", CASES)
def test_every_tap_equals_the_reference(options):
    network = random_network((24, 9, 7, 5), (4, 3, 2), seed=11, **options)
    images = draw_images(40, (4, 3, 2), seed=12)
    result = golden.infer(network, images)
    expected = [reference(network, image) for image in images]
    for index, tap in enumerate(result.taps):
        assert tap.tolist() == [taps[index] for taps in expected]
    spread = {value for taps in expected for layer in taps[:-1] for value in layer}
    form = network.layers[0].requantize.form
    assert {form.low, form.high} < spread  # both saturations and values between occur


def check_taps(network, count):
    """Every tap of every image equals the reference."""
    images = networks.random_images(1, network, count)
    taps = golden.infer(network, images).taps
    assert [tap.dtype for tap in taps] == [np.int64] * len(taps)
    for layer, shape, tap in zip(network.layers, network.shapes, taps, strict=True):
        assert tap.shape == ((count, layer.outputs) if layer.kind == "dense" else (count, *shape))
    for image, *given in zip(images, *taps, strict=True):
        assert [tap.ravel().tolist() for tap in given] == reference(network, image)


@pytest.mark.parametrize("last", ["dense", "pooled", "avgpool"])
@pytest.mark.parametrize("seed", range(12))
def test_random_networks_of_all_kinds_equal_the_reference(seed, last):
    check_taps(networks.random_image_network(seed, last=last), 4)


@pytest.mark.parametrize("step", networks.STEPS)
@pytest.mark.parametrize("weights", networks.WEIGHTS)
def test_each_step_equals_the_reference(step, weights):
    """On noise behind a convolution, so that the step also sees signed activations."""
    network = networks.random_image_network(7, ("conv", step), weights=weights, signed=True)
    assert len(network.layers) > 2
    check_taps(network, 3)


@pytest.mark.parametrize("weights", ["ends", "uniform"])
def test_binary_and_ternary_weights(weights):
    network = networks.random_image_network(
        3, ("padded", "depthwise", "residual"), weight_bits=2, activation_bits=2, weights=weights
    )
    values = {int(value) for layer in network.layers if layer.kind == "conv2d" for value in layer.weight.flat}
    assert values == ({-1, 1} if weights == "ends" else {-1, 0, 1})
    check_taps(network, 3)


def test_extreme_pixels_and_weights_are_exact():
    limit = np.full((2, 784), 127)
    limit[1] = -127
    network = Network("extreme", InputContract((28, 28, 1)), (Dense(limit, [2**51, -(2**51)], 8, None),))
    logits = golden.infer(network, np.full((1, 28, 28, 1), 255, np.uint8)).logits
    assert logits.tolist() == [[2**51 + 784 * 127 * 255, -(2**51) - 784 * 127 * 255]]


def test_sums_beyond_float32_are_exact():
    generator = np.random.default_rng(4)
    weight, images = generator.integers(120, 128, (9, 784)), generator.integers(250, 256, (20, 784))
    network = Network("large", InputContract((28, 28, 1)), (Dense(weight, np.zeros(9, int), 8, None),))
    logits = golden.infer(network, images).logits
    assert logits.min() > 2**24
    assert logits.tolist() == [reference(network, image)[0] for image in images]


def test_sums_around_the_limit_of_float32_are_exact():
    """2^24 + 1 is the first integer that float32 does not represent."""
    for bias in (2**24 - 2 * 255 - 1, 2**24 - 2 * 255, 2**24 - 254):
        for sign in (1, -1):
            layer = Conv2d(np.full((1, 1, 2, 1), sign), [sign * bias], 8, None)
            network = Network("limit", InputContract((1, 2, 1)), (layer,))
            pixels = np.array([[[[255], [255]]], [[[255], [0]]], [[[0], [1]]]], np.uint8)
            assert golden.infer(network, pixels).logits.ravel().tolist() == [sign * (bias + s) for s in (510, 255, 1)]


def test_accumulators_of_a_hidden_layer_beyond_float32_are_exact():
    """1.5 · 2^25 is where 1 becomes 2; float32 represents only every fourth integer there."""
    scale = Requantize([1], [25], Format(8, signed=False))
    layers = (Conv2d([[[[1]]]], [3 * 2**24 - 2], 8, scale), Dense([[1]], [0], 8, None))
    network = Network("beyond", InputContract((1, 1, 1)), layers)
    images = np.array([0, 1, 2], np.uint8).reshape(3, 1, 1, 1)
    assert golden.infer(network, images).logits.ravel().tolist() == [1, 1, 2]


def test_batches_do_not_show(monkeypatch):
    network = networks.random_image_network(5)
    images = networks.random_images(5, network, 50)
    whole = golden.infer(network, images)
    monkeypatch.setattr(golden, "BATCH_ELEMENTS", 1)
    for together, apart in zip(whole.taps, golden.infer(network, images).taps, strict=True):
        assert (together == apart).all()
    monkeypatch.setattr(golden, "LARGEST_BATCH", 7)
    monkeypatch.setattr(golden, "BATCH_ELEMENTS", 1 << 30)
    assert (golden.infer(network, images).logits == whole.logits).all()


@pytest.mark.parametrize("last", ["dense", "avgpool"])
def test_without_taps_only_the_logits_remain(last):
    network = networks.random_image_network(2, last=last)
    images = networks.random_images(2, network, 30)
    whole, short = golden.infer(network, images), golden.infer(network, images, all_taps=False)
    assert len(short.taps) == 1
    assert short.logits.shape == (30, network.classes)
    assert (short.logits == whole.logits).all()
    assert (short.labels == whole.labels).all()


def test_trace_counts_what_the_reference_saturates():
    q = Requantize([1, 1], [0, 1], Format(4, signed=True))
    relu = Requantize([1, 1], [0, 0], Format(4, signed=False))
    layers = (
        Dense([[1, 0], [-1, 1]], [0, 0], 8, q),  # saturates to -8..7, the second channel after halving
        Dense([[1, 1], [-9, 0]], [0, 0], 8, relu),  # to 0..15, of which the lower end is ReLU
        Dense([[1, 1]], [0], 8, None),
    )
    network = Network("trace", InputContract((1, 2, 1)), layers)
    images = np.array([[7, 0], [8, 0], [3, 18], [3, 17], [20, 4], [20, 2]], np.uint8)
    first, second, last = golden.trace(network, images)
    assert (first.low, first.high, first.saturated, first.outputs) == (-18, 20, 5, 12)
    # Sums of the first layer: 7 -7, 8 -8, 3 15, 3 14, 20 -16, 20 -18; rounded: 7 -3, 8 -4, 3 8, 3 7, 20 -8, 20 -9.
    assert (second.low, second.high, second.saturated, second.outputs) == (-63, 10, 0, 12)
    assert (last.low, last.high, last.saturated, last.outputs) == (0, 10, 0, 6)


@pytest.mark.parametrize("seed", range(6))
def test_trace_is_within_the_proven_range(seed):
    network = networks.random_image_network(seed, signed=None)
    images = networks.random_images(seed, network, 30)
    taps = golden.infer(network, images).taps
    traces = golden.trace(network, images)
    for layer, bound, tap, seen in zip(network.layers, network.accumulator_ranges, taps, traces, strict=True):
        assert seen.outputs == tap.size
        if layer.sums:
            assert bound[0].min() <= seen.low <= seen.high <= bound[1].max()
        else:
            assert (seen.low, seen.high, seen.saturated) == (None, None, 0)
    assert (traces[-1].low, traces[-1].high) == (taps[-1].min(), taps[-1].max())


def test_ties_go_to_the_lowest_index():
    weight = np.array([[0], [1], [1], [0]])
    network = Network("tie", InputContract((1, 1, 1)), (Dense(weight, np.zeros(4, int), 8, None),))
    assert golden.infer(network, np.array([[[[0]]], [[[9]]]], np.uint8)).labels.tolist() == [0, 1]


def test_ten_thousand_images_of_the_mlp_are_exact():
    network = random_network((784, 16, 16, 10), (28, 28, 1), seed=1)
    images = draw_images(10000, (28, 28, 1), seed=2)
    result = golden.infer(network, images)
    assert [tap.shape for tap in result.taps] == [(10000, 16), (10000, 16), (10000, 10)]
    x = images.reshape(10000, -1).astype(np.int64)
    for layer, tap in zip(network.layers, result.taps, strict=True):
        sums = np.einsum("ni,oi->no", x, layer.weight) + layer.bias  # integers all the way, no BLAS
        if layer.requantize is not None:
            half = (1 << layer.requantize.shift) >> 1
            sums = np.minimum(np.maximum((sums + half) >> layer.requantize.shift, 0), 255)
        assert (tap == sums).all()
        x = sums
    assert len(set(result.labels.tolist())) > 1
    for index in (0, 4999, 9999):
        assert [tap[index].tolist() for tap in result.taps] == reference(network, images[index])


def test_no_images():
    network = random_network((4, 3), (2, 2, 1), seed=0)
    assert golden.infer(network, np.zeros((0, 2, 2, 1), np.uint8)).logits.shape == (0, 3)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 2, 2, 1)), r"integer pixels 0\.\.255, not float64"),
        (np.zeros((1, 2, 3, 1), int), r"shape \(n, 2, 2, 1\), not \(1, 2, 3, 1\)"),
        (np.zeros(4, int), r"shape \(n, 2, 2, 1\), not \(4,\)"),
        (np.full((1, 2, 2, 1), 256), r"pixels must be 0\.\.255, but range over 256\.\.256"),
        (np.full((1, 2, 2, 1), -1), r"pixels must be 0\.\.255, but range over -1\.\.-1"),
    ],
)
def test_refuses_images(images, message):
    with pytest.raises(InputError, match=message):
        golden.infer(random_network((4, 3), (2, 2, 1), seed=0), images)


def test_a_flag_that_the_matrix_product_leaves_behind_is_no_warning(monkeypatch):
    exact = golden.SUMS["dense"]

    def flagged(*arguments):
        np.subtract(np.float32(np.inf), np.float32(np.inf))  # as kernels do that compute beyond a matrix
        return exact(*arguments)

    monkeypatch.setitem(golden.SUMS, "dense", flagged)
    network = networks.random_network(1, [4, 3])
    with np.errstate(invalid="raise"):
        assert golden.infer(network, networks.random_images(1, network, 2)).logits.shape == (2, 3)
