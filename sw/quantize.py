"""Post-training quantization: a float model and calibration images become an integer Network.

A real number is its integer times a scale. With scales s_in of a layer's input, s_w of its weights and
s_out of its output, an accumulator stands for acc · s_in · s_w, so the output integer is acc times

    s_in · s_w / s_out  =  m · 2^-s        (m, s) per output channel; see sw.fixed.requantize

Scheme: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference", 2018, with zero points 0.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from sw.errors import InputError
from sw.fixed import Format, weight_limit
from sw.network import MULTIPLIER_BITS, Dense, InputContract, Network, Requantize
from sw.nn import layers
from sw.nn.tensor import Tensor
from sw.train import TrainedModel, as_input

SMALLEST_CHANNEL = 2.0**-8
"""No channel's weight scale is less than this part of the layer's greatest, for its bias would need more bits."""
OCTAVES = 2.0 ** -np.arange(4)
FRACTIONS = 2.0 ** -(np.arange(25) / 8)
"""How much finer than fitting a scale may be: by whole powers of two, and by eighths of one."""


@dataclass(frozen=True)
class Settings:
    """How to quantize.

    Parameters
    ----------
    weight_bits: 2..8.
    activation_bits: 4..8, of every layer's output; the input pixel stays 8 bits.
    scales: "power-of-two" chooses the weights' scales such that m is 1 and no multiplier is needed;
        "multiplier" uses the weights' full range and a 16-bit m.
    per_channel: a weight scale per output channel instead of one per layer. The last layer always has
        one, for its raw sums are compared with each other.
    calibration: the activation that becomes the greatest integer: "max", the greatest seen, or
        "percentile", the one that `percentile` % of those seen do not exceed.
    percentile: above 0, at most 100.

    Raises InputError where a value is out of range.
    """

    weight_bits: int = 8
    activation_bits: int = 8
    scales: str = "power-of-two"
    per_channel: bool = True
    calibration: str = "max"
    percentile: float = 99.9

    def __post_init__(self):
        """Check every field."""
        for name, low, high in (("weight_bits", 2, 8), ("activation_bits", 4, 8)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(f"{name} must be an integer {low}..{high}, not {value!r}")
        for name, choices in (("scales", ("power-of-two", "multiplier")), ("calibration", ("max", "percentile"))):
            if getattr(self, name) not in choices:
                raise InputError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")
        if not isinstance(self.per_channel, bool):
            raise InputError(f"per_channel must be true or false, not {self.per_channel!r}")
        if not isinstance(self.percentile, int | float) or not 0 < self.percentile <= 100:
            raise InputError(f"percentile must be above 0 and at most 100, not {self.percentile!r}")


def quantize(trained: TrainedModel, images: np.ndarray, settings: Settings | None = None) -> Network:
    """Quantize a trained model; the notes say where it comes from and how well the float model does.

    images: uint8 (n, height, width, channels), from the training images; they set the activations' scales.
    """
    settings = settings or Settings()
    notes = {
        "float_accuracy": trained.test_accuracy,
        "seed": trained.recipe.seed,
        "recipe": trained.recipe.to_dict(),
        "quantization": dataclasses.asdict(settings) | {"calibration_images": len(images)},
    }
    return quantize_model(trained.model, images, settings, name=trained.recipe.model, notes=notes)


@threadpool_limits.wrap(limits=1, user_api="blas")  # one order of summation, so the same scales to the last bit
def quantize_model(
    model: layers.Sequential, images: np.ndarray, settings: Settings, name: str, notes: dict | None = None
) -> Network:
    """Quantize any chain of Flatten, Dense and ReLU that ends with a Dense; see `quantize`.

    Raises InputError for another chain, weights that are not finite, or images that are not uint8.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
        found = f"{images.dtype} {images.shape}"
        raise InputError(f"calibration images must be uint8 (n, height, width, channels), n at least 1, not {found}")
    contract = InputContract(images.shape[1:])
    *hidden, last = _stages(model)
    s_in, x = contract.scale, layers.Flatten()(as_input(images))
    quantized = []
    for stage in hidden:
        y = stage.float_model(x)
        layer = _hidden_layer(stage, x.data, s_in, _greatest(y.data, settings), settings)
        s_in, x = layer.requantize.scale, y
        quantized.append(layer)
    quantized.append(_last_layer(last, x.data, s_in, settings))
    return Network(name, contract, tuple(quantized), notes or {})


@dataclass(frozen=True, eq=False)
class _Stage:
    """A Dense and the ReLU after it, if there is one: what becomes one integer layer."""

    dense: layers.Dense
    has_relu: bool

    def float_model(self, x: Tensor) -> Tensor:
        return layers.ReLU()(self.dense(x)) if self.has_relu else self.dense(x)

    @property
    def weight(self) -> np.ndarray:
        """float64 (outputs, inputs)."""
        return self.dense.weight.data.T.astype(np.float64)

    @property
    def bias(self) -> np.ndarray:
        """float64 (outputs,)."""
        return self.dense.bias.data.astype(np.float64)


def _stages(model: layers.Sequential) -> list[_Stage]:
    stages = []
    for index, layer in enumerate(model.layers):
        if isinstance(layer, layers.Dense):
            if not all(np.isfinite(parameter.data).all() for parameter in layer.parameters().values()):
                raise InputError(f"layer {index} ({layer}) has weights that are not finite; train again")
            stages.append(_Stage(layer, has_relu=False))
        elif isinstance(layer, layers.ReLU) and stages:
            stages[-1] = _Stage(stages[-1].dense, has_relu=True)
        elif not isinstance(layer, layers.Flatten):
            raise InputError(
                f"layer {index} ({layer}) cannot be quantized here; must be Flatten, Dense, or ReLU after Dense"
            )
    if not stages or stages[-1].has_relu:
        raise InputError("the last layer must be a Dense without ReLU: its raw sums are the logits")
    return stages


def _greatest(activation: np.ndarray, settings: Settings) -> float:
    """The magnitude that becomes the greatest integer; 1 where nothing ever fires."""
    percentile = settings.percentile if settings.calibration == "percentile" else 100.0
    return float(np.percentile(np.abs(activation), percentile)) or 1.0


def _hidden_layer(stage: _Stage, x: np.ndarray, s_in: float, greatest: float, settings: Settings) -> Dense:
    form = Format(settings.activation_bits, signed=not stage.has_relu)
    fitting = _fitting_scales(stage.weight, settings, settings.per_channel)
    s_out = greatest / form.high
    if settings.scales == "power-of-two":
        s_out = max(s_out, s_in * float(fitting.max()))  # a shift goes to the right only
        fitting = s_out / s_in * 2.0 ** -np.maximum(np.floor(np.log2(s_out / (s_in * fitting))), 0)
        s_w = _best_scales(stage.weight, x, fitting, OCTAVES, settings, settings.per_channel)
        multiplier, shift = np.ones(len(s_w), np.int64), np.rint(np.log2(s_out / (s_in * s_w))).astype(np.int64)
    else:
        s_w = _best_scales(stage.weight, x, fitting, FRACTIONS, settings, settings.per_channel)
        multiplier, shift = _multiplier_and_shift(s_in * s_w / s_out)
    return _dense(stage, x, s_in, s_w, settings, Requantize(multiplier, shift, form, s_out))


def _last_layer(stage: _Stage, x: np.ndarray, s_in: float, settings: Settings) -> Dense:
    fitting = _fitting_scales(stage.weight, settings, per_channel=False)
    s_w = _best_scales(stage.weight, x, fitting, FRACTIONS, settings, per_channel=False)
    return _dense(stage, x, s_in, s_w, settings, requantize=None)


def _dense(
    stage: _Stage, x: np.ndarray, s_in: float, s_w: np.ndarray, settings: Settings, requantize: Requantize | None
) -> Dense:
    """The integer layer; its bias also makes up for the mean error that rounding the weights leaves in the sums."""
    weight = _integers(stage.weight, s_w, settings)
    error = (weight * s_w[:, None] - stage.weight) @ x.mean(axis=0, dtype=np.float64)
    bias = np.rint((stage.bias - error) / (s_in * s_w)).astype(np.int64)
    return Dense(weight, bias, settings.weight_bits, requantize, s_w)


def _integers(weight: np.ndarray, scales: np.ndarray, settings: Settings) -> np.ndarray:
    limit = weight_limit(settings.weight_bits)
    return np.clip(np.rint(weight / scales[:, None]), -limit, limit).astype(np.int64)


def _fitting_scales(weight: np.ndarray, settings: Settings, per_channel: bool) -> np.ndarray:
    """(outputs,) scales with which the greatest weight, of each channel or of the layer, just fits."""
    peaks = np.abs(weight).max(axis=1)
    whole = peaks.max() or 1.0  # where all weights are 0, any scale will do
    peaks = np.maximum(peaks, whole * SMALLEST_CHANNEL) if per_channel else np.full_like(peaks, whole)
    return peaks / weight_limit(settings.weight_bits)


def _best_scales(
    weight: np.ndarray, x: np.ndarray, fitting: np.ndarray, factors: np.ndarray, settings: Settings, per_channel: bool
) -> np.ndarray:
    """Those of fitting · factors that leave the least squared error in the sums over the inputs x (n, inputs).

    A scale finer than the fitting one saturates the few greatest weights and rounds all others better,
    which pays off when bits are few. With one scale per layer the error is that of the whole layer.
    """
    moments = x.T.astype(np.float64) @ x / len(x)  # the mean of (e·x)² is e·moments·e
    errors = []
    for factor in factors:
        error = _integers(weight, fitting * factor, settings) * (fitting * factor)[:, None] - weight
        errors.append(((error @ moments) * error).sum(axis=1))
    errors = np.stack(errors)  # (factors, outputs)
    if not per_channel:
        errors = np.broadcast_to(errors.sum(axis=1, keepdims=True), errors.shape)
    return fitting * factors[errors.argmin(axis=0)]


def _multiplier_and_shift(ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(m, s) with m · 2^-s nearest to each ratio and m normalised into 2^15 .. 2^16 - 1."""
    mantissa, exponent = np.frexp(ratio)  # ratio = mantissa · 2^exponent, mantissa in [0.5, 1)
    multiplier = np.minimum(np.rint(mantissa * 2.0**MULTIPLIER_BITS), 2**MULTIPLIER_BITS - 1).astype(np.int64)
    return multiplier, MULTIPLIER_BITS - exponent.astype(np.int64)
