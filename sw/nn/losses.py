"""Losses: how wrong a batch is, as a scalar tensor."""

import numpy as np

from sw.nn.tensor import Tensor, node


def softmax_cross_entropy(logits: Tensor, labels: np.ndarray) -> Tensor:
    """Mean over the batch of -log softmax(logits)[label].

    logits: (n, classes); labels: (n,) integers, so "sparse": no one-hot vectors. The greatest logit is
    subtracted first, which changes nothing but keeps every exponential at most 1. The gradient is
    (softmax - one_hot) / n: Goodfellow et al., "Deep Learning", 2016, section 6.2.2.3.
    """
    rows = np.arange(len(labels))
    shifted = logits.data - logits.data.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = exponentials.sum(axis=1, keepdims=True)
    losses = np.log(sums[:, 0]) - shifted[rows, labels]  # (n,)

    def gradient(g: np.ndarray) -> np.ndarray:
        result = exponentials / sums
        result[rows, labels] -= 1
        return g * result / len(labels)

    return node(losses.mean(), (logits, gradient))
