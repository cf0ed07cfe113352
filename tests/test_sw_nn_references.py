"""sw/nn against PyTorch: the values and gradients in tests/references/pytorch.json, which pytorch.py there wrote."""

import json
from pathlib import Path

import numpy as np
import pytest

from sw.nn import layers, losses, optimizers, schedules
from sw.nn.functions import total
from sw.nn.tensor import Tensor

REFERENCES = json.loads((Path(__file__).parent / "references" / "pytorch.json").read_text(encoding="utf-8"))
GENERATOR = np.random.default_rng(0)


def leaf(values):
    return Tensor(np.array(values, np.float64), requires_grad=True)


def assert_close(actual, expected):
    """Both are float64, summed in another order; references have twelve digits."""
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-11)


def name(record):
    return record["name"]


@pytest.mark.parametrize("record", REFERENCES["losses"], ids=name)
def test_loss(record):
    prediction = leaf(record["prediction"])
    value = getattr(losses, record["name"])(prediction, np.array(record["target"]), **record["options"])
    total(value * np.array(record["upstream"])).backward()
    assert_close(value.data, record["value"])
    assert_close(prediction.grad, record["gradient"])


@pytest.mark.parametrize("record", REFERENCES["optimizers"], ids=name)
def test_optimizer(record):
    weight, bias = leaf(record["weight"]), leaf(record["bias"])
    optimizer = getattr(optimizers, record["name"])([weight, bias], **record["options"])
    for expected in record["path"]:
        prediction = Tensor(np.array(record["x"])) @ weight + bias
        losses.mean_squared_error(prediction, record["y"]).backward()
        optimizer.step(record["rate"])
        assert_close(weight.data, expected[0])
        assert_close(bias.data, expected[1])


@pytest.mark.parametrize("record", REFERENCES["schedules"], ids=name)
def test_schedule(record):
    rates, schedule = record["rates"], getattr(schedules, record["name"])
    assert_close([schedule(step, len(rates), **record["options"]) for step in range(len(rates))], rates)


@pytest.mark.parametrize("record", REFERENCES["layers"], ids=name)
def test_layer(record):
    layer = built(record)
    leaves = {"x": leaf(record["x"]), **layer.parameters()}
    value = layer(leaves["x"])
    total(value * np.array(record["upstream"])).backward()
    assert_close(value.data, record["value"])
    assert set(leaves) == set(record["gradients"])
    for key, expected in record["gradients"].items():
        assert_close(leaves[key].grad, expected)
    for key, state in layer.state().items():
        assert_close(state.data, record["state after"][key])


def built(record):
    """The layer of a record, with its parameters and state."""
    options = dict(record["options"])
    if record["name"] == "Conv2d":
        options["generator"] = GENERATOR
    if record["parameters"]:
        options["dtype"] = np.float64
    layer = getattr(layers, record["name"])(**options)
    layer.set_training(record.get("training", True))
    for key, tensor in {**layer.parameters(), **layer.state()}.items():
        tensor.data = np.array({**record["parameters"], **record.get("state", {})}[key])
    return layer


def test_every_loss_optimizer_and_schedule_has_references():
    named = {group: {name(record) for record in REFERENCES[group]} for group in ("losses", "optimizers", "schedules")}
    assert named["losses"] == set(losses.__all__) - {"REDUCTIONS"}
    assert named["optimizers"] == {"SGD", "Nesterov", "AdaGrad", "RMSProp", "Adam", "AdamW"}
    assert named["schedules"] == {"cosine", "step_decay", "one_cycle"}
