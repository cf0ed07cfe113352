"""sw/evaluate.py: accuracy and confusion on a network whose answers are known."""

import numpy as np
import pytest

from sw.errors import InputError
from sw.evaluate import evaluate
from sw.network import Dense, InputContract, Network

# Logit k is pixel k, so the label is the place of the brightest pixel.
NETWORK = Network("pick", InputContract((1, 3, 1)), (Dense(np.eye(3, dtype=int), np.zeros(3, int), 8, None),))


def test_accuracy_and_confusion_over_batches():
    generator = np.random.default_rng(0)
    predicted, labels = generator.integers(0, 3, (2, 2500))
    images = np.eye(3, dtype=np.uint8)[predicted].reshape(-1, 1, 3, 1)
    result = evaluate(NETWORK, images, labels)
    expected = [[int(((labels == i) & (predicted == j)).sum()) for j in range(3)] for i in range(3)]
    assert result.confusion.tolist() == expected
    assert result.count == 2500
    assert result.accuracy == (labels == predicted).mean()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], r"3 images have labels of shape \(2,\)"),
        ([0, 1, 3], r"labels must be integers 0\.\.2, not int64 up to 3"),
        ([0, -1, 2], r"labels must be integers 0\.\.2"),
        ([0.0, 1.0, 2.0], r"labels must be integers 0\.\.2, not float64"),
    ],
)
def test_refuses_labels(labels, message):
    with pytest.raises(InputError, match=message):
        evaluate(NETWORK, np.zeros((3, 1, 3, 1), np.uint8), labels)


def test_refuses_nothing():
    with pytest.raises(InputError, match="0 images"):
        evaluate(NETWORK, np.zeros((0, 1, 3, 1), np.uint8), [])
