"""sw/quantization/fake.py: every integer of the graph is golden's, and its gradients are the real network's."""

import numpy as np
import pytest
from quantized_models import cnn, mlp
from tiers import slow

from sw import golden, mnist
from sw.network import Network
from sw.nn.functions import reshape
from sw.nn.losses import softmax_cross_entropy
from sw.nn.tensor import Tensor
from sw.quantization.fake import FakeQuantized
from sw.quantization.post_training import quantize_model, scaled_stages
from sw.quantization.settings import Settings
from sw.train import as_input

DATA = mnist.load()
SETTINGS = {
    "power of two": Settings(),
    "multiplier, ternary, mixed activations": Settings(2, 5, weights="ternary", scales="multiplier", per_channel=False),
}


def fake(model, settings, moved=0.0):
    """The fake-quantized graph; `moved` shakes its weights, as a training would."""
    result = FakeQuantized(scaled_stages(model, DATA.train_images[:100], settings), (28, 28, 1))
    generator = np.random.default_rng(4)
    for tensor in result.parameters().values():
        noise = generator.normal(0, 1, tensor.shape) * np.abs(tensor.data).mean()
        tensor.data = tensor.data + (moved * noise).astype(np.float32)
    return result


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("make", [mlp, cnn])
@pytest.mark.parametrize("count", [1000, *slow([10_000])])
def test_all_images_equal_golden_in_every_tap(make, settings, count):
    model = fake(make(), settings, moved=0.3)
    network = model.to_network("fake", {"seed": 1})
    assert isinstance(network, Network)
    assert (network.name, network.notes) == ("fake", {"seed": 1})
    seen = [set() for _ in network.layers]
    for start in range(0, count, 500):
        images = DATA.test_images[start : start + 500]
        expected = golden.infer(network, images).taps
        found = model.taps(images)
        assert len(found) == len(expected) == len(network.layers)
        for index, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
            np.testing.assert_array_equal(ours, theirs, err_msg=f"layer {index}")
            seen[index] |= set(np.unique(theirs[:20]).tolist())
    assert all(len(values) > 3 for values in seen)


@pytest.mark.parametrize("make", [mlp, cnn])
def test_untrained_graph_is_the_post_training_network(make):
    images = DATA.train_images[:100]
    network = quantize_model(make(), images, Settings(), "a")
    for ours, theirs in zip(fake(make(), Settings()).to_network("a").layers, network.layers, strict=True):
        if theirs.parameters:  # weights are float32 in training
            assert np.abs(ours.weight - theirs.weight).max() <= 1
            assert np.abs(ours.bias - theirs.bias).max() <= 1
            np.testing.assert_array_equal(ours.weight_scale, theirs.weight_scale)


@pytest.mark.parametrize("make", [mlp, cnn])
def test_float32_gives_the_same_logits_in_real_units(make):
    model = fake(make(), Settings())
    images = DATA.test_images[:200]
    logits = golden.infer(model.to_network("a"), images).logits * model.stages[-1].unit
    np.testing.assert_allclose(model(as_input(images)).data, logits, rtol=1e-5)
    assert model(as_input(images)).data.dtype == np.float32
    assert np.std(logits - make()(as_input(images)).data) < 0.05 * np.std(logits)


def gradients(parameters, logits):
    softmax_cross_entropy(logits, DATA.test_labels[: len(logits.data)].astype(np.int64)).backward()
    return {name: tensor.grad for name, tensor in parameters.items()}


@pytest.mark.parametrize("make", [mlp, cnn])
@pytest.mark.parametrize("scales", ["power-of-two", "multiplier"])
def test_gradients_are_those_of_the_real_network(make, scales):
    images = DATA.test_images[:300]
    model = fake(make(), Settings(scales=scales))
    found = gradients(model.parameters(), model(as_input(images)))

    values, real = {-1: as_input(images)}, {}
    for index, scaled in enumerate(model.stages):  # the same stages without any rounding
        stage, tensors = scaled.stage, []
        if stage.has_weights:
            tensors = [Tensor(array.astype(np.float32), requires_grad=True) for array in (stage.weight, stage.bias)]
            real |= {f"{index}.weight": tensors[0], f"{index}.bias": tensors[1]}
        value = stage.sums([values[source] for source in stage.sources], *tensors)
        values[index] = value * (value.data > 0) if stage.has_relu else value
    expected = gradients(real, reshape(values[index], (len(images), -1)))
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        error = np.linalg.norm(found[name] - gradient) / np.linalg.norm(gradient)
        assert error < 0.15, name
