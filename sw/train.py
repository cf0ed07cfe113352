"""Training: the loop, seeded and flat."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from sw.augment import Shifter
from sw.errors import InputError
from sw.mnist import Dataset
from sw.models import MODELS
from sw.nn.layers import Sequential
from sw.nn.losses import softmax_cross_entropy
from sw.nn.tensor import Tensor
from sw.recipe import OPTIMIZERS, SCHEDULES, Recipe

DIVERGED = 10.0
"""A loss so many times that of guessing has diverged."""


@dataclass(frozen=True)
class Progress:
    """Where the training is: epochs and steps done, their totals, the latest loss and validation accuracy."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    validation_accuracy: float | None


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A model with what made it and what came of it.

    Attributes
    ----------
    recipe: what was asked for.
    model: the network with its float32 weights.
    history: one dict per epoch: epoch, loss (mean over its steps), validation_accuracy.
    test_accuracy: share of the test images classified rightly, 0..1; measured once, after the last step.
    """

    recipe: Recipe
    model: Sequential
    history: list[dict]
    test_accuracy: float


@threadpool_limits.wrap(limits=1, user_api="blas")
def train(recipe: Recipe, dataset: Dataset, progress: Callable[[Progress], None] | None = None) -> TrainedModel:
    """Train the model that the recipe names.

    The recipe's seed decides everything, so the same recipe gives the same weights, bit for bit, on the
    same kind of processor and numpy. The matrices are small, so that one thread is as fast as many; one
    also makes the order of summation, and so the last bit, independent of the number of cores.
    `progress` is called after every step. The test images serve the final accuracy and nothing else.
    Raises InputError where the recipe asks for more images than there are, or where the loss diverges.
    """
    generator = np.random.default_rng(recipe.seed)
    model = MODELS[recipe.model].build(generator)
    learned, held_out = split(recipe, len(dataset.train_images))
    images = Shifter(dataset.train_images, recipe.shift)
    labels = dataset.train_labels.astype(np.int64)
    optimizer = OPTIMIZERS[recipe.optimizer](model.parameters().values())
    schedule = SCHEDULES[recipe.schedule]
    batches = len(learned) // recipe.batch_size
    steps = recipe.epochs * batches
    history, validation_accuracy = [], None

    for epoch in range(recipe.epochs):
        order = generator.permutation(learned)[: batches * recipe.batch_size].reshape(batches, -1)
        losses = []
        for rows in order:
            step = epoch * batches + len(losses)
            batch = as_input(images.sample(rows, generator))
            with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found by the check on the loss
                loss = softmax_cross_entropy(model(batch), labels[rows])
                loss.backward()
                optimizer.step(recipe.learning_rate * schedule(step, steps))
            losses.append(float(loss.data))
            _check_loss(losses[-1], model, batch, f"epoch {epoch + 1}, step {step + 1}", recipe)
            if progress is not None:
                progress(Progress(epoch + 1, recipe.epochs, step + 1, steps, losses[-1], validation_accuracy))
        validation_accuracy = accuracy(model, dataset.train_images[held_out], labels[held_out])
        mean_loss = float(np.mean(losses))
        history.append({"epoch": epoch + 1, "loss": mean_loss, "validation_accuracy": validation_accuracy})

    return TrainedModel(recipe, model, history, accuracy(model, dataset.test_images, dataset.test_labels))


def split(recipe: Recipe, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the training images to learn from and rows held out, drawn from the recipe's seed."""
    kept = count - recipe.validation_images
    if kept < recipe.batch_size:
        raise InputError(
            f"{count} training images less {recipe.validation_images} for validation leave {kept}; "
            f"must leave at least one batch of {recipe.batch_size}"
        )
    rows = np.random.default_rng(recipe.seed).permutation(count)
    return rows[recipe.validation_images :], rows[: recipe.validation_images]


def as_input(images: np.ndarray) -> Tensor:
    """uint8 images as the float32 tensor that models read: pixel / 255, nothing else."""
    return Tensor(images.astype(np.float32) * np.float32(1 / 255))


def accuracy(model: Sequential, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of the images whose greatest logit is at their label, 0..1."""
    right = 0
    for start in range(0, len(images), 1000):
        logits = model(as_input(images[start : start + 1000])).data
        right += int((logits.argmax(axis=1) == labels[start : start + 1000]).sum())
    return right / len(images)


def _check_loss(loss: float, model: Sequential, batch: Tensor, place: str, recipe: Recipe) -> None:
    limit = DIVERGED * np.log(MODELS[recipe.model].classes)
    if loss <= limit:
        return
    raise InputError(
        f"training diverged at {place}, in {_worst_layer(model, batch)}: the loss is {loss:.4g}, must stay below "
        f"{limit:.4g}; take a learning rate lower than {recipe.learning_rate:g}"
    )


def _worst_layer(model: Sequential, batch: Tensor) -> str:
    """The first layer whose output is not finite, or else the one of the greatest output."""
    peaks, x = [], batch
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in model.layers:
            x = layer(x)
            peaks.append(float(np.abs(x.data).max()))
            if not np.isfinite(peaks[-1]):
                break
    index = len(peaks) - 1 if not np.isfinite(peaks[-1]) else int(np.argmax(peaks))
    return f"layer {index} ({model.layers[index]})"
