"""How well a quantized network does: accuracy and confusion matrix, computed by the golden model."""

from dataclasses import dataclass

import numpy as np

from sw import golden
from sw.errors import InputError
from sw.network import Network


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What came of `count` images.

    Attributes
    ----------
    confusion: int64 (classes, classes); entry (i, j) counts the images of label i that were taken for j.
    """

    confusion: np.ndarray

    @property
    def count(self) -> int:
        """Number of images."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of the images classified rightly, 0..1."""
        return int(np.trace(self.confusion)) / self.count


def evaluate(network: Network, images: np.ndarray, labels: np.ndarray) -> Evaluation:
    """Classify the images, (n, height, width, channels) integers, and compare with their labels, (n,) integers.

    Raises InputError where there are none, as many labels as images are not given, or a label is no class.
    """
    labels = np.asarray(labels)
    if len(images) == 0 or labels.shape != (len(images),):
        raise InputError(f"{len(images)} images have labels of shape {labels.shape}; must be (n,), n at least 1")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() >= network.classes:
        raise InputError(f"labels must be integers 0..{network.classes - 1}, not {labels.dtype} up to {labels.max()}")
    predicted = golden.infer(network, images, all_taps=False).labels
    confusion = np.zeros((network.classes, network.classes), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    return Evaluation(confusion)
