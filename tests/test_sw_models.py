"""sw/models.py: sizes of the named models."""

import numpy as np

from sw.models import MODELS, parameter_count
from sw.nn.tensor import Tensor


def test_mlp_has_13002_parameters():
    assert parameter_count(MODELS["mlp"].build(np.random.default_rng(0))) == 13002


def test_every_model_maps_its_shape_to_its_classes():
    for entry in MODELS.values():
        model = entry.build(np.random.default_rng(0))
        assert model(Tensor(np.zeros((2, *entry.shape), np.float32))).shape == (2, entry.classes)
