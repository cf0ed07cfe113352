"""Golden model: bit-exact integer inference, with a tap after every layer.

The sums are computed by a float64 matrix product. That is exact: a Network admits only layers whose
every partial sum fits into 53 signed bits (interval bound over all orders of summation), and float64
represents each integer of that range, so no addition rounds, whatever order the library chooses.
"""

from dataclasses import dataclass

import numpy as np

from sw.errors import InputError
from sw.fixed import requantize
from sw.network import Dense, Network


@dataclass(frozen=True, eq=False)
class Inference:
    """What golden computes for n images.

    Attributes
    ----------
    taps: one int64 array (n, outputs) per layer: activations, in the last one the logits.
    """

    taps: tuple[np.ndarray, ...]

    @property
    def logits(self) -> np.ndarray:
        """(n, classes) raw accumulators of the last layer."""
        return self.taps[-1]

    @property
    def labels(self) -> np.ndarray:
        """(n,) index of the greatest logit, the lowest index on a tie."""
        return self.logits.argmax(axis=1)


def infer(network: Network, images: np.ndarray) -> Inference:
    """Run n images, an integer array (n, height, width, channels) or any shape of as many pixels each."""
    activation = pixels(network, images)
    taps = []
    for layer in network.layers:
        activation = dense(layer, activation)
        taps.append(activation)
    return Inference(tuple(taps))


def dense(layer: Dense, activation: np.ndarray) -> np.ndarray:
    """One layer on int64 activations (n, inputs): int64 (n, outputs)."""
    product = activation.astype(np.float64) @ layer.weight.T.astype(np.float64)
    accumulator = product.astype(np.int64) + layer.bias
    if layer.requantize is None:
        return accumulator
    return requantize(accumulator, layer.requantize.multiplier, layer.requantize.shift, layer.requantize.form)


def pixels(network: Network, images: np.ndarray) -> np.ndarray:
    """The images as int64 (n, pixels), checked against the network's input contract."""
    images = np.asarray(images)
    form = network.input.form
    if not np.issubdtype(images.dtype, np.integer):
        raise InputError(f"images must hold integer pixels {form.low}..{form.high}, not {images.dtype}")
    if images.ndim < 2 or int(np.prod(images.shape[1:])) != network.input.size:
        raise InputError(f"images must have shape (n, {', '.join(map(str, network.input.shape))}), not {images.shape}")
    if images.size and not form.holds(int(images.min()), int(images.max())):
        raise InputError(f"pixels must be {form.low}..{form.high}, but range over {images.min()}..{images.max()}")
    return images.reshape(len(images), network.input.size).astype(np.int64)
