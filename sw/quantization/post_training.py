"""Post-training quantization: a float model and calibration images become an integer Network.

A real number is its integer times a scale. With scales s_in of a layer's input, s_w of its weights and s_out of its
output, an accumulator stands for acc · s_in · s_w, so the output integer is acc times

    s_in · s_w / s_out  =  m · 2^-s        (m, s) per output channel; see sw.fixed.requantize

Scheme: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", 2018, with zero points 0.
"""

import dataclasses

import numpy as np
from threadpoolctl import threadpool_limits

from sw.data_record import DataRecord
from sw.errors import InputError
from sw.network import InputContract, Network
from sw.nn.layers import Layer
from sw.nn.tensor import Tensor
from sw.quantization.assignment import assign_scales
from sw.quantization.calibration import Statistics, batches, calibrate
from sw.quantization.scaled import ScaledStage
from sw.quantization.settings import Settings
from sw.quantization.stages import INPUT, read_stages
from sw.quantization.straight_through import coded_bias, coded_weight
from sw.train import TrainedModel


def quantize(
    trained: TrainedModel, images: np.ndarray, settings: Settings | None = None, data: DataRecord | None = None
) -> Network:
    """Quantize a trained model; the notes say where it comes from and how well the float model does.

    images: uint8 (n, height, width, channels), from the training images; they set the activations' scales.
    data: what the images are from; without it, what the model was trained on.
    Raises InputError as `scaled_stages`.
    """
    settings = settings or Settings()
    stages = scaled_stages(trained.model, images, settings)
    notes = run_notes(trained, settings, images)
    return to_network(stages, images.shape[1:], trained.architecture.name, notes, data or trained.data)


def quantize_model(
    model: Layer, images: np.ndarray, settings: Settings, name: str, notes: dict | None = None
) -> Network:
    """Quantize any model, however it was trained; see `quantize`. The Network does not say with which data."""
    return to_network(scaled_stages(model, images, settings), images.shape[1:], name, notes)


def run_notes(trained: TrainedModel, settings: Settings, images: np.ndarray) -> dict:
    """What a Network's notes say of the run it comes from."""
    return {
        "float_accuracy": trained.test_accuracy,
        "seed": trained.recipe.seed,
        "recipe": trained.recipe.to_dict(),
        "quantization": settings.to_dict() | {"calibration_images": len(images)},
    }


@threadpool_limits.wrap(limits=1, user_api="blas")  # one order of summation, so the same scales to the last bit
def scaled_stages(model: Layer, images: np.ndarray, settings: Settings) -> list[ScaledStage]:
    """The stages of a model with the scales that suit the images, uint8 (n, height, width, channels).

    Raises InputError for images that are not such, for a model that has no integer form, with all reasons, and for
    lists of bits that do not fit the model.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
        found = f"{images.dtype} {images.shape}"
        raise InputError(f"calibration images must be uint8 (n, height, width, channels), n at least 1, not {found}")
    scale = InputContract(images.shape[1:]).scale
    stages = read_stages(model, images.shape[1:])
    statistics = calibrate(stages, images, scale)
    return _correct_biases(assign_scales(stages, statistics, scale, settings), statistics, images)


def to_network(
    stages: list[ScaledStage],
    shape: tuple[int, int, int],
    name: str,
    notes: dict | None,
    data: DataRecord | None = None,
) -> Network:
    """The integer Network of these stages, with the weights and biases they have."""
    layers = [scaled.layer(index, scaled.stage.weight, scaled.stage.bias) for index, scaled in enumerate(stages)]
    return Network(name, InputContract(shape), tuple(layers), notes or {}, data)


def _correct_biases(stages: list[ScaledStage], statistics: list[Statistics], images: np.ndarray) -> list[ScaledStage]:
    """Biases with which the mean of each channel's sums is that of the float model, although weights are rounded.

    The stages are corrected in order, each on what the corrected integer stages before it give. Nagel et al.,
    "Data-free quantization through weight equalization and bias correction", 2019, section 4.2, with images.
    """
    last_use = {source: index for index, scaled in enumerate(stages) for source in scaled.stage.sources}
    values = {INPUT: images.astype(np.float32)}
    corrected = []
    for index, (scaled, known) in enumerate(zip(stages, statistics, strict=True)):
        stage = scaled.stage
        parameters = _codes(scaled) if stage.has_weights else ()
        sources = [values[source] for source in stage.sources]
        sums = np.concatenate([scaled.sums(list(map(Tensor, batch)), *parameters).data for batch in batches(*sources)])
        if stage.has_weights:
            shift = np.rint(known.mean / scaled.unit - sums.mean(axis=(0, 1, 2), dtype=np.float64))
            sums += shift.astype(sums.dtype)
            bias = (np.rint(stage.bias / scaled.unit) + shift) * scaled.unit
            scaled = dataclasses.replace(scaled, stage=dataclasses.replace(stage, bias=bias))
        corrected.append(scaled)
        values[index] = np.concatenate([scaled.results(Tensor(batch)).data for (batch,) in batches(sums)])
        for source in {source for source, last in last_use.items() if last == index}:
            del values[source]
    return corrected


def _codes(scaled: ScaledStage) -> tuple[Tensor, Tensor]:
    """Integer weights and biases."""
    weight, bias = Tensor(scaled.stage.weight), Tensor(scaled.stage.bias)
    return (
        coded_weight(weight, scaled.weight_scale, scaled.weight_bits, scaled.coding, np.float32),
        coded_bias(bias, scaled.unit, np.float32),
    )
