"""sw/quantization/stages.py: stages compute what the model computes; what has no integer form is refused at once."""

import numpy as np
import pytest
from quantized_models import cnn, settled

from sw.errors import InputError
from sw.nn.functions import relu
from sw.nn.layers import (
    Add,
    AvgPool,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool,
    LeakyReLU,
    MaxPool,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Step,
    Tanh,
)
from sw.nn.tensor import Tensor
from sw.quantization.stages import read_stages, structure_faults

SHAPE = (6, 7, 2)


def generator():
    return np.random.default_rng(3)


def conv(inputs=2, outputs=3, size=3, **options):
    return Conv2d(inputs, outputs, size, generator(), **options)


def same():
    return conv(2, 2, padding=1)


def outputs(model, shape=SHAPE):
    """What the model gives for random images, and what its stages give."""
    model.set_training(False)
    x = Tensor(np.random.default_rng(1).random((4, *shape)))
    values = {-1: x}
    for index, stage in enumerate(read_stages(model, shape)):
        value = stage.real_sums(*(values[source] for source in stage.sources))
        values[index] = relu(value) if stage.has_relu else value
        assert values[index].shape[1:] == stage.shape
    return model(x).data, values[index].data.reshape(4, -1)


def kinds(model, shape=SHAPE):
    return [(stage.kind, stage.sources, stage.has_relu) for stage in read_stages(model, shape)]


END_OF_NET = (GlobalAvgPool(), Dense(3, 4, generator()))
MODELS = {
    "flatten": lambda: (Flatten(), Dense(84, 4, generator())),
    "batch norm after conv": lambda: (conv(), BatchNorm(3), ReLU(), *END_OF_NET),
    "batch norm in groups": lambda: (conv(2, 4, groups=2), BatchNorm(4), Flatten(), Dense(80, 4, generator())),
    "batch norm after dense": lambda: (Flatten(), Dense(84, 5, generator()), BatchNorm(5), Dense(5, 4, generator())),
    "batch norm twice": lambda: (conv(), BatchNorm(3), BatchNorm(3), *END_OF_NET),
    "relu behind pooling": lambda: (conv(), MaxPool(2), ReLU(), *END_OF_NET),
    "relu behind two poolings": lambda: (conv(padding=1), MaxPool(2), MaxPool(2), ReLU(), *END_OF_NET),
    "relu behind flatten": lambda: (conv(), Flatten(), ReLU(), Dense(60, 4, generator())),
    "relu behind mean": lambda: (conv(), AvgPool(2), ReLU(), Flatten(), Dense(12, 4, generator())),
    "relu twice": lambda: (conv(), ReLU(), MaxPool(2), ReLU(), *END_OF_NET),
    "relu of pixels": lambda: (ReLU(), MaxPool(2), conv(), *END_OF_NET),
    "residual": lambda: (same(), Add(same()), ReLU(), Flatten(), Dense(84, 4, generator())),
    "residual of the input": lambda: (Add(same()), Flatten(), Dense(84, 4, generator())),
    "shortcut": lambda: (conv(), Add(conv(3, 3), conv(3, 3)), *END_OF_NET),
    "relu on one side": lambda: (conv(), Add(Sequential(ReLU(), conv(3, 3, padding=1))), *END_OF_NET),
    "relu on one side behind pooling": lambda: (conv(), Add(Sequential(MaxPool(2), ReLU()), AvgPool(2)), *END_OF_NET),
    "sum of vectors": lambda: (Flatten(), Dense(84, 4, generator()), Add(Dense(4, 4, generator()))),
    "dropout": lambda: (conv(), Dropout(0.5, generator()), *END_OF_NET),
    "mean as last": lambda: (conv(), GlobalAvgPool()),
}


@pytest.mark.parametrize("layers", MODELS.values(), ids=MODELS)
def test_stages_compute_what_the_model_computes(layers):
    model = settled(Sequential(*layers()), generator())
    expected, found = outputs(model)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_all_layers_together():
    expected, found = outputs(cnn(), (28, 28, 1))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_relu_moves_to_the_stage_that_adds_up():
    model = Sequential(conv(), MaxPool(2), ReLU(), *END_OF_NET)
    assert kinds(model) == [
        ("conv", (-1,), True),
        ("maxpool", (0,), False),
        ("avgpool", (1,), False),
        ("dense", (2,), False),
    ]


def test_relu_that_only_one_side_reads_is_a_stage():
    model = Sequential(conv(), Add(Sequential(ReLU(), conv(3, 3, padding=1))), *END_OF_NET)
    assert kinds(model)[:4] == [
        ("conv", (-1,), False),
        ("avgpool", (0,), True),
        ("conv", (1,), False),
        ("add", (2, 0), False),
    ]


def test_the_model_is_not_changed():
    layer, norm = conv(), BatchNorm(3)
    norm.scale.data[:] = 5
    before = layer.weight.data.copy()
    read_stages(Sequential(layer, norm, *END_OF_NET), SHAPE)
    np.testing.assert_array_equal(layer.weight.data, before)


def dense(inputs=84, outputs=4):
    return Dense(inputs, outputs, generator())


def broken(layer, name="weight"):
    getattr(layer, name).data.flat[0] = np.nan
    return layer


NO_FORM = r"has no integer form; take ReLU"
REFUSED = {
    "sigmoid": ((Flatten(), dense(), Sigmoid(), dense(4)), rf"layer 2 \(Sigmoid\) {NO_FORM}"),
    "tanh": ((Flatten(), dense(), Tanh(), dense(4)), rf"layer 2 \(Tanh\) {NO_FORM}"),
    "step": ((Flatten(), dense(), Step(), dense(4)), rf"layer 2 \(Step\) {NO_FORM}"),
    "leaky": ((Flatten(), dense(), LeakyReLU(0.1), dense(4)), rf"layer 2 \(LeakyReLU 0.1\) {NO_FORM}"),
    "softmax": ((Flatten(), dense(), Softmax()), r"layer 2 \(Softmax\) .*leave it out"),
    "norm first": ((BatchNorm(2), conv(), *END_OF_NET), r"layer 0 \(BatchNorm 2\) must stand right after the Conv2d"),
    "norm after relu": ((conv(), ReLU(), BatchNorm(3), *END_OF_NET), r"layer 2 \(BatchNorm 3\) must stand right after"),
    "norm after pool": ((conv(), MaxPool(2), BatchNorm(3), *END_OF_NET), r"layer 2 \(BatchNorm 3\) must stand"),
    "norm on one side": (
        (conv(), Add(Sequential(BatchNorm(3))), *END_OF_NET),
        r"layer 1\.body\.0 \(BatchNorm 3\) must",
    ),
    "norm after flatten": ((conv(), Flatten(), BatchNorm(60), dense(60)), "normalizes 60 channels, but 3 arrive"),
    "norm not finite": ((conv(), broken(BatchNorm(3), "shift"), *END_OF_NET), "parameters that are not finite"),
    "weight not finite": ((Flatten(), broken(dense())), r"layer 1 \(Dense 84→4\) has weights that are not finite"),
    "bias not finite": ((broken(conv(), "bias"), *END_OF_NET), r"layer 0 .* has weights that are not finite; train"),
    "no layer": ((Flatten(),), "the last layer must be a Dense"),
    "pool at the end": ((conv(size=5), MaxPool(2)), "the last layer must be a Dense"),
    "relu at the end": ((Flatten(), dense(), ReLU()), r"layer 1 \(Dense 84→4\) is the last layer, and must be without"),
    "image at the end": ((conv(),), r"is the last layer and gives \(4, 5, 3\); must be \(1, 1, classes\)"),
    "dense on pixels": ((Dense(2, 4, generator()),), r"layer 0 \(Dense 2→4\) reads 6 x 7 pixels one by one; put a Fl"),
    "channels": ((conv(3),), r"layer 0 \(Conv2d 3x3 3→3\) does not fit what it reads, \(6, 7, 2\)"),
    "vectors and images": (
        (conv(), Add(GlobalAvgPool()), dense(3)),
        r"layer 1 \(Add\) adds \(1, 1, 3\) and \(4, 5, 3\)",
    ),
}


@pytest.mark.parametrize(("layers", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses_models(layers, message):
    with pytest.raises(InputError, match=message):
        read_stages(Sequential(*layers), SHAPE)


@pytest.mark.parametrize(
    "behind", [(), (Dropout(0.5, generator()),), (Flatten(), ReLU())], ids=["nothing", "dropout", "relu"]
)
@pytest.mark.parametrize("last", [ReLU(), Sigmoid(), Tanh(), Softmax(), LeakyReLU(0.1), Step()], ids=str)
def test_an_activation_at_the_end_is_to_be_left_out(last, behind):
    model = [Flatten(), dense(), ReLU(), dense(4)]
    faults = structure_faults(Sequential(*model, Sequential(last, *behind)), SHAPE)
    assert faults
    assert all("leave it out, the greatest logit wins without it" in fault for fault in faults)
    assert structure_faults(Sequential(*model), SHAPE) == []


@pytest.mark.parametrize("inner", [Sigmoid(), Tanh(), Softmax(), LeakyReLU(0.1), Step()], ids=str)
def test_another_activation_is_to_become_relu(inner):
    for layers in ((dense(), inner, dense(4)), (dense(), Add(inner)), (dense(), inner, BatchNorm(4))):
        (fault, *_) = structure_faults(Sequential(Flatten(), *layers), SHAPE)
        assert fault.endswith("has no integer form; take ReLU in its place")


def test_all_reasons_are_given_at_once():
    body = Sequential(conv(3, 3, padding=1), Tanh())
    model = Sequential(conv(), Sigmoid(), Add(body), MaxPool(2), BatchNorm(3), *END_OF_NET, Softmax())
    with pytest.raises(InputError) as caught:
        read_stages(model, SHAPE)
    text = str(caught.value)
    assert text == "the model cannot be quantized: " + "; ".join(structure_faults(model, SHAPE))
    places = ["layer 1 (Sigmoid)", "layer 2.body.1 (Tanh)", "layer 4 (BatchNorm 3)", "layer 7 (Softmax)"]
    assert [place in text for place in places] == [True] * 4
    assert len(text.split("; layer")) == 4
