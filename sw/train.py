"""Training: the loop, seeded and flat.

Everything random is drawn from the recipe's seed, the epoch and what it is for, so that a training can be taken up
at any step: sw.checkpoint stores what `Training.state` gives.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from sw.architecture import Architecture
from sw.data_record import DataRecord
from sw.dataset import Dataset
from sw.errors import InputError
from sw.nn.allocation import keep_freed_memory
from sw.nn.clipping import clip_by_norm
from sw.nn.layers import Layer, Sequential
from sw.nn.losses import one_hot_cross_entropy, softmax_cross_entropy
from sw.nn.tensor import Tensor
from sw.reading import refusing
from sw.recipe import OPTIMIZERS, SCHEDULES, Recipe

DIVERGED = 10.0
"""A loss so many times that of guessing has diverged."""
BATCH = 500
"""Images at a time where nothing is learned."""
ORDER, DISTORTION = 1, 2
"""What a random stream of an epoch is for."""
Teacher = Callable[[np.ndarray], np.ndarray]
"""From uint8 images (n, height, width, channels) to logits (n, classes)."""


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
    architecture, recipe: what was asked for.
    data: what it was trained on.
    model: the network with its float32 weights.
    history: one dict per epoch: epoch, loss (mean over its steps), validation_accuracy.
    test_accuracy: share of the test images classified rightly, 0..1; measured once, after the last step.
    """

    architecture: Architecture
    recipe: Recipe
    data: DataRecord
    model: Sequential
    history: list[dict]
    test_accuracy: float

    def logits(self, images: np.ndarray) -> np.ndarray:
        """What the model says of uint8 images: float32 (n, classes)."""
        return logits(self.model, images)


class Training:
    """A training under way: all that changes while it runs, and the step that changes it.

    The matrices of small networks are small, so that one thread is as fast as many; one also makes the order of
    summation, and so the last bit, independent of the number of cores. The same seed gives the same weights, bit
    for bit, on the same kind of processor and numpy. Test images take no part.

    Parameters
    ----------
    model: what is trained, in place; it turns images, pixel / 255, into logits.
    recipe: how.
    dataset: what with.
    teacher: whose logits the recipe distills; needed where the recipe names one.
    generator: what the model draws from while it is trained; part of the state.

    Attributes
    ----------
    step, steps: how many are done, and how many there are.
    history: see TrainedModel.
    parameters: what the optimizer changes, by name; kept: these and all other state of the model.

    Raises InputError where the recipe asks for more images than there are.
    """

    def __init__(
        self,
        model: Layer,
        recipe: Recipe,
        dataset: Dataset,
        teacher: Teacher | None = None,
        generator: np.random.Generator | None = None,
    ):
        self.model, self.recipe, self.dataset, self.teacher = model, recipe, dataset, teacher
        if recipe.teacher and teacher is None:
            raise InputError(f"the recipe learns from {recipe.teacher!r}, but no such teacher was given")
        self.generator = generator or np.random.default_rng(recipe.seed)
        self.parameters = model.parameters()
        self.kept = self.parameters | model.state()
        self.optimizer = OPTIMIZERS[recipe.optimizer](self.parameters.values(), recipe)
        self.learned, self.held_out = split(recipe, len(dataset.train_images))
        self.batches = len(self.learned) // recipe.batch_size
        self.step, self.steps = 0, recipe.epochs * self.batches
        self.losses: list[float] = []
        self.history: list[dict] = []
        self.averages = {name: tensor.data.copy() for name, tensor in self.kept.items()} if recipe.average else {}
        self.best: dict[str, np.ndarray] = {}
        self._prepared = None

    @property
    def epoch(self) -> int:
        """The epoch that the next step belongs to, counted from 0."""
        return self.step // self.batches

    @property
    def done(self) -> bool:
        """Whether no step is left, or patience has run out."""
        patience = self.recipe.patience
        return self.step == self.steps or (patience > 0 and self._epochs_without_gain() >= patience)

    @threadpool_limits.wrap(limits=1, user_api="blas")
    def advance(self) -> Progress:
        """One step; at the end of an epoch also its entry in the history. Raises InputError where the loss diverges."""
        self._prepare_epoch()
        recipe, index = self.recipe, self.step % self.batches
        rows = self._order[index * recipe.batch_size : (index + 1) * recipe.batch_size]
        batch = as_input(self._images[rows])
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found by the check on the loss
            output = self.model(batch)
            loss = self._loss(output, rows)
            _check_loss(float(loss.data), self, batch, output.shape[1])
            loss.backward()
            if recipe.clip:
                clip_by_norm(self.parameters.values(), recipe.clip)
            self.optimizer.step(recipe.learning_rate * SCHEDULES[recipe.schedule](self.step, self.steps))
        self.step += 1
        self.losses.append(float(loss.data))
        self._average()
        if index == self.batches - 1:
            self._end_epoch()
        validated = self.history[-1]["validation_accuracy"] if self.history else None
        epoch = (self.step - 1) // self.batches + 1
        return Progress(epoch, recipe.epochs, self.step, self.steps, float(loss.data), validated)

    def finish(self) -> None:
        """Give the model the weights that are kept: the best, the averages, or the last; and end its training."""
        for name, array in (self.best or self.averages).items():
            self.kept[name].data = array.copy()
        self.model.set_training(False)

    def state(self) -> tuple[dict, dict[str, np.ndarray]]:
        """All that a later `restore` needs to go on as if nothing had been: JSON values, and arrays by name."""
        arrays = {f"weights/{name}": tensor.data for name, tensor in self.kept.items()}
        arrays |= {f"averages/{name}": array for name, array in self.averages.items()}
        arrays |= {f"best/{name}": array for name, array in self.best.items()}
        arrays |= {f"optimizer/{name}": array for name, array in self.optimizer.state().items()}
        values = {"step": self.step, "losses": self.losses, "history": self.history}
        return values | {"generator": self.generator.bit_generator.state}, arrays

    def restore(self, values: dict, arrays: dict[str, np.ndarray]) -> None:
        """Go on where `state` was taken. Raises InputError where it is the state of something else."""
        with refusing("resume", "a state of this training", "remove the checkpoint and train again"):
            parts: dict[str, dict[str, np.ndarray]] = {"weights": {}, "averages": {}, "best": {}, "optimizer": {}}
            for name, array in arrays.items():
                part, _, key = name.partition("/")
                parts[part][key] = array
            self._check_state(values, parts)
            for name, tensor in self.kept.items():
                tensor.data = parts["weights"][name]
            self.averages, self.best = parts["averages"], parts["best"]
            self.optimizer.load_state(parts["optimizer"])
            self.step, self.losses, self.history = values["step"], values["losses"], values["history"]
            self.generator.bit_generator.state = values["generator"]

    def _check_state(self, values: dict, parts: dict[str, dict[str, np.ndarray]]) -> None:
        own = {name: (tensor.shape, tensor.data.dtype) for name, tensor in self.kept.items()}
        for part, may_lack in (("weights", False), ("averages", not self.averages), ("best", True)):
            found = {name: (array.shape, array.dtype) for name, array in parts[part].items()}
            if found != own and (found or not may_lack):
                wrong = next(name for name in [*own, *found] if found.get(name) != own.get(name))
                raise InputError(f"{wrong} of the {part} is {found.get(wrong)}, must be {own.get(wrong)}")
        step, losses, history = values["step"], values["losses"], values["history"]
        if not isinstance(step, int) or not 0 <= step <= self.steps:
            raise InputError(f"the step must be 0..{self.steps}, not {step!r}")
        if not is_history(history) or len(history) != step // self.batches:
            raise InputError(f"the history must have one entry for each of {step // self.batches} epochs")
        if len(losses) != step % self.batches or not all(isinstance(loss, float) for loss in losses):
            raise InputError(f"there must be a loss for each of {step % self.batches} steps")

    def _prepare_epoch(self) -> None:
        """The order of the epoch; and the images, distorted anew where the recipe says so, with the teacher's word."""
        recipe = self.recipe
        if self._prepared == self.epoch:
            return
        self._order = np.random.default_rng((recipe.seed, ORDER, self.epoch)).permutation(len(self.learned))
        fresh = self.epoch // recipe.refresh
        if self._prepared is None or self._prepared // recipe.refresh != fresh:
            stream = np.random.default_rng((recipe.seed, DISTORTION, fresh))
            self._images = recipe.distortion.apply(self.dataset.train_images[self.learned], stream)
            self._labels = self.dataset.train_labels[self.learned].astype(np.int64)
            self._taught = _softened(self.teacher(self._images), recipe.temperature) if recipe.teacher else None
        self._prepared = self.epoch

    def _loss(self, predicted: Tensor, rows: np.ndarray) -> Tensor:
        recipe, labels = self.recipe, self._labels[rows]
        if recipe.label_smoothing:
            target = np.full(predicted.shape, recipe.label_smoothing / predicted.shape[1], predicted.data.dtype)
            target[np.arange(len(labels)), labels] += 1 - recipe.label_smoothing
            loss = one_hot_cross_entropy(predicted, target)
        else:
            loss = softmax_cross_entropy(predicted, labels)
        if not recipe.teacher:
            return loss
        # Softened distributions have gradients 1 / temperature² as great; the factor undoes it.
        taught = one_hot_cross_entropy(predicted * (1 / recipe.temperature), self._taught[rows])
        return loss * (1 - recipe.distill) + taught * (recipe.distill * recipe.temperature**2)

    def _average(self) -> None:
        """The running average follows faster at first, so that the first weights are soon forgotten."""
        decay = np.float32(min(self.recipe.average, (1 + self.step) / (10 + self.step)))
        for name, average in self.averages.items():
            average += (1 - decay) * (self.kept[name].data - average)

    def _end_epoch(self) -> None:
        with self._judged():
            images, labels = self.dataset.train_images[self.held_out], self.dataset.train_labels[self.held_out]
            validation_accuracy = accuracy(self.model, images, labels)
            best = max((entry["validation_accuracy"] for entry in self.history), default=-1.0)
            if self.recipe.patience and validation_accuracy > best:
                self.best = {name: tensor.data.copy() for name, tensor in self.kept.items()}
        mean_loss = float(np.mean(self.losses))
        self.history.append({"epoch": self.epoch, "loss": mean_loss, "validation_accuracy": validation_accuracy})
        self.losses = []

    @contextmanager
    def _judged(self) -> Iterator[None]:
        """The model as it would be if the training ended here."""
        kept = self.kept
        own = {name: tensor.data for name, tensor in kept.items()}
        for name, average in self.averages.items():
            kept[name].data = average
        self.model.set_training(False)
        try:
            yield
        finally:
            self.model.set_training(True)
            for name, tensor in kept.items():
                tensor.data = own[name]

    def _epochs_without_gain(self) -> int:
        accuracies = [entry["validation_accuracy"] for entry in self.history]
        return len(accuracies) - 1 - accuracies.index(max(accuracies)) if accuracies else 0


def is_history(history) -> bool:
    """Whether the value is a list of dicts of finite numbers as `TrainedModel.history` has them."""
    names = {"epoch", "loss", "validation_accuracy"}
    return isinstance(history, list) and all(
        isinstance(entry, dict)
        and entry.keys() == names
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in entry.values())
        for entry in history
    )


def train(
    architecture: Architecture,
    recipe: Recipe,
    dataset: Dataset,
    teacher: Teacher | None = None,
    watch: Callable[[Training, Progress], None] | None = None,
    start: tuple[dict, dict[str, np.ndarray]] | None = None,
) -> TrainedModel:
    """Train a network from fresh weights, or go on from `start`, the `Training.state` of an earlier one.

    `watch` is called after every step. The test images serve the final accuracy and nothing else.
    Raises InputError where network, recipe and data do not fit together, or where the loss diverges.
    """
    generator = np.random.default_rng(recipe.seed)
    model = architecture.build(dataset.shape, dataset.classes, generator)
    training = Training(model, recipe, dataset, teacher, generator)
    if start is not None:
        training.restore(*start)
    run_to_end(training, watch)
    test_accuracy = accuracy(model, dataset.test_images, dataset.test_labels)
    return TrainedModel(architecture, recipe, dataset.record, model, training.history, test_accuracy)


def run_to_end(training: Training, watch: Callable[[Training, Progress], None] | None = None) -> None:
    """All steps that are left, and the finish."""
    keep_freed_memory()
    training.model.set_training(True)
    while not training.done:
        progress = training.advance()
        if watch is not None:
            watch(training, progress)
    training.finish()


def split(recipe: Recipe, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the training images to learn from and rows held out, drawn from the recipe's seed."""
    if count == 1:
        raise InputError("there is 1 training image; must be 2 at least, one to learn from and one held out")
    kept = count - recipe.validation_images
    if kept < recipe.batch_size:
        raise InputError(
            f"{count} training images less {recipe.validation_images} for validation leave {kept}; "
            f"must leave at least one batch of {recipe.batch_size}: change one with --set validation_images=N or "
            f"--set batch_size=N"
        )
    rows = np.random.default_rng(recipe.seed).permutation(count)
    return rows[recipe.validation_images :], rows[: recipe.validation_images]


def as_input(images: np.ndarray) -> Tensor:
    """uint8 images as the float32 tensor that models read: pixel / 255, nothing else."""
    return Tensor(images.astype(np.float32) * np.float32(1 / 255))


@threadpool_limits.wrap(limits=1, user_api="blas")
def logits(model: Layer, images: np.ndarray) -> np.ndarray:
    """What a model says of uint8 images: (n, classes)."""
    batches = range(0, len(images), BATCH)
    with np.errstate(invalid="ignore"):  # as in sw.golden.accumulate
        return np.concatenate([model(as_input(images[start : start + BATCH])).data for start in batches])


def accuracy(model: Layer, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of the images whose greatest logit is at their label, 0..1."""
    return float(np.mean(logits(model, images).argmax(axis=1) == labels))


def _softened(values: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(logits / temperature) of each row."""
    exponentials = np.exp((values - values.max(axis=1, keepdims=True)) / np.float32(temperature))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _check_loss(loss: float, training: Training, batch: Tensor, classes: int) -> None:
    """classes: of the model, which may know more than the data have."""
    limit = DIVERGED * np.log(classes)
    if loss <= limit:
        return
    place = f"epoch {training.epoch + 1}, step {training.step + 1}, in {_worst_layer(training.model, batch)}"
    raise InputError(
        f"training diverged at {place}: the loss is {loss:.4g}, must stay below {limit:.4g}; "
        f"take a learning rate lower than {training.recipe.learning_rate:g}"
    )


def _worst_layer(model: Layer, batch: Tensor) -> str:
    """The first layer whose output is not finite, or else the one of the greatest output."""
    peaks, x, chain = [], batch, getattr(model, "layers", (model,))
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in chain:
            x = layer(x)
            peaks.append(float(np.abs(x.data).max()))
            if not np.isfinite(peaks[-1]):
                break
    index = len(peaks) - 1 if not np.isfinite(peaks[-1]) else int(np.argmax(peaks))
    return f"layer {index} ({chain[index]})"
