"""sw/quantization/scaled.py: each stage becomes the layer of its kind, reads what it read, and adds up the same."""

import numpy as np
from quantized_models import cnn, small_mlp

from sw import golden, mnist
from sw.nn.tensor import Tensor
from sw.quantization.post_training import scaled_stages
from sw.quantization.settings import Settings

DIGITS = mnist.load().train_images[:60]


def layers_of(stages):
    return [scaled.layer(index, scaled.stage.weight, scaled.stage.bias) for index, scaled in enumerate(stages)]


def test_a_plain_chain_names_no_sources():
    images = np.random.default_rng(0).integers(0, 256, (50, 4, 5, 1), dtype=np.uint8)
    assert [layer.source for layer in layers_of(scaled_stages(small_mlp(), images, Settings()))] == [None] * 3


def test_kinds_and_sources():
    stages = scaled_stages(cnn(), DIGITS, Settings())
    layers = layers_of(stages)
    assert [layer.kind for layer in layers] == [
        *("conv2d", "maxpool", "conv2d", "conv2d", "add", "avgpool"),
        *("avgpool", "conv2d", "conv2d", "add", "avgpool", "dense"),
    ]
    for index, (layer, scaled) in enumerate(zip(layers, stages, strict=True)):
        reads = tuple(index - 1 if read is None else read for read in layer.reads)
        assert reads == scaled.stage.sources
    assert (layers[5].size, layers[5].stride, layers[10].size) == (3, 2, None)
    assert (layers[3].groups, layers[3].padding, layers[7].stride) == (4, 1, 2)


def test_sums_are_goldens():
    generator = np.random.default_rng(0)
    stages = scaled_stages(cnn(), DIGITS, Settings(weight_bits=4))
    shapes = {-1: (28, 28, 1)} | {index: scaled.stage.shape for index, scaled in enumerate(stages)}
    for scaled, layer in zip(stages, layers_of(stages), strict=True):
        sources = [
            generator.integers(0, 256, (3, *shapes[source])).astype(np.float64) for source in scaled.stage.sources
        ]
        parameters = ()
        if scaled.stage.has_weights:
            weight = np.moveaxis(layer.weight, 0, -1).astype(np.float64)
            parameters = (Tensor(weight), Tensor(layer.bias.astype(np.float64)))
        found = scaled.sums([Tensor(source) for source in sources], *parameters).data
        if layer.kind == "maxpool":
            continue
        operands = [source.transpose(3, 1, 2, 0) for source in sources]
        np.testing.assert_array_equal(found, golden.accumulate(layer, operands, np.float64).transpose(3, 1, 2, 0))
