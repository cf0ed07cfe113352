"""Float models for the tests of the quantizer: random weights, random statistics, nothing trained."""

import numpy as np

from sw.nn.layers import (
    Add,
    AvgPool,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    MaxPool,
    ReLU,
    Sequential,
)

SHAPE = (4, 5, 1)
IMAGES = np.random.default_rng(0).integers(0, 256, (300, *SHAPE), dtype=np.uint8)


def small_mlp(seed=1, relu=True):
    """20-12-8-5 for IMAGES."""
    generator = np.random.default_rng(seed)
    first, second, last = Dense(20, 12, generator), Dense(12, 8, generator), Dense(8, 5, generator)
    for layer in (first, second, last):
        layer.bias.data = generator.normal(0, 0.3, layer.bias.shape).astype(np.float32)
    first.weight.data[:, 3] *= 0.05  # a channel that gains from a scale of its own
    middle = (ReLU(),) if relu else ()
    return settled(Sequential(Flatten(), first, *middle, second, ReLU(), last), generator)


def mlp(seed=1):
    """784-16-16-10 with a BatchNorm, for MNIST."""
    generator = np.random.default_rng(seed)
    hidden = (Dense(784, 16, generator), BatchNorm(16), ReLU(), Dense(16, 16, generator), ReLU())
    return settled(Sequential(Flatten(), *hidden, Dense(16, 10, generator)), generator)


def cnn(seed=1):
    """Every kind of layer that the quantizer knows, for images 28 x 28 x 1."""
    generator = np.random.default_rng(seed)

    def conv(inputs, outputs, size=3, **options):
        return Conv2d(inputs, outputs, size, generator, **options)

    residual = Sequential(conv(8, 8, padding=1), BatchNorm(8), ReLU(), conv(8, 8, padding=1, groups=4), BatchNorm(8))
    before = Sequential(ReLU(), conv(8, 12, stride=2, padding=1))  # reads what the shortcut reads without ReLU
    model = Sequential(
        Sequential(conv(1, 8, size=5), BatchNorm(8), MaxPool(2), ReLU()),
        Add(residual),
        AvgPool(3, stride=2),
        Add(before, conv(8, 12, size=1, stride=2)),
        ReLU(),
        Dropout(0.5, generator),
        GlobalAvgPool(),
        Dense(12, 10, generator),
    )
    return settled(model, generator)


def settled(model, generator):
    """The model as after a training: biases and statistics are anything, and Dropout is off."""
    for name, tensor in (model.parameters() | model.state()).items():
        noise = generator.normal(0, 0.1, tensor.shape).astype(tensor.data.dtype)
        if name.endswith(("variance", "scale")):
            tensor.data = tensor.data * 0.5 + np.abs(noise)
        elif not name.endswith("weight"):
            tensor.data = tensor.data + noise
    model.set_training(False)
    return model
