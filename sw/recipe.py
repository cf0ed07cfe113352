"""The recipe of a training: everything that decides its result beside the network and the data, as JSON values."""

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass

from sw.augment import Distortion
from sw.errors import InputError, did_you_mean
from sw.nn import optimizers, schedules
from sw.nn.optimizers import Optimizer

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": lambda parameters, recipe: optimizers.SGD(parameters, momentum=0.0),
    "momentum": lambda parameters, recipe: optimizers.SGD(parameters),
    "nesterov": lambda parameters, recipe: optimizers.Nesterov(parameters),
    "adagrad": lambda parameters, recipe: optimizers.AdaGrad(parameters),
    "rmsprop": lambda parameters, recipe: optimizers.RMSProp(parameters),
    "adam": lambda parameters, recipe: optimizers.Adam(parameters),
    "adamw": lambda parameters, recipe: optimizers.AdamW(parameters, weight_decay=recipe.weight_decay),
}
SCHEDULES = {
    "constant": schedules.constant,
    "step": schedules.step_decay,
    "cosine": schedules.cosine,
    "one-cycle": schedules.one_cycle,
}


HELD_OUT_SHARE, BATCH_SHARE = 6, 8
"""Of few images at most a sixth is held out, and at most an eighth of the others makes a batch."""


@dataclass(frozen=True)
class Recipe:
    """How to train; the defaults are a short training of a small network on MNIST.

    Parameters
    ----------
    seed: of everything random: split, first weights, order, distortions, dropout.
    epochs: how often every training image is seen.
    batch_size: images per step; the last, incomplete batch of an epoch is left out.
    optimizer, schedule: names, see OPTIMIZERS and SCHEDULES.
    learning_rate: the peak of the schedule.
    weight_decay: of adamw; the others have none.
    clip: greatest norm of all gradients of a step together; 0 turns it off.
    shift, rotate, scale, shear: how far images are distorted, see sw.augment.Distortion; 0 turns each off.
    refresh: after so many epochs the images are distorted anew.
    label_smoothing: share of the target that is spread over all classes; Szegedy et al., "Rethinking the
        Inception architecture", 2016, section 7.
    average: decay of the running average of the weights, taken after each step, which is what is kept in the end;
        0 keeps the last weights. Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
    teacher: a trained run, a folder or a shipped name, whose outputs are learned too; empty for none.
    temperature, distill: what the teacher's logits are divided by, and the share of the loss that follows them.
        Hinton et al., "Distilling the knowledge in a neural network", 2015, section 2.
    patience: stop after so many epochs without a better validation accuracy, and keep the best weights; 0 never
        stops. Goodfellow et al., "Deep Learning", 2016, algorithm 7.1.
    validation_images: how many training images are held out to judge the recipe.

    Raises InputError where a value is of the wrong kind or out of range.
    """

    seed: int = 1
    epochs: int = 200
    batch_size: int = 512
    optimizer: str = "adam"
    schedule: str = "one-cycle"
    learning_rate: float = 0.03
    weight_decay: float = 0.01
    clip: float = 0.0
    shift: int = 1
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    refresh: int = 1
    label_smoothing: float = 0.0
    average: float = 0.0
    teacher: str = ""
    temperature: float = 2.0
    distill: float = 0.5
    patience: int = 0
    validation_images: int = 5000

    def __post_init__(self):
        """Check every field."""
        self._check_choice("optimizer", OPTIMIZERS)
        self._check_choice("schedule", SCHEDULES)
        self._check_int("seed", 0, 2**63 - 1)
        self._check_int("epochs", 1, 10_000)  # whose history is less than 1 MiB of JSON
        self._check_int("batch_size", 1, 100_000)
        self._check_int("refresh", 1, 100_000)
        self._check_int("patience", 0, 100_000)
        self._check_int("validation_images", 1, 10**9)
        self._check_number("learning_rate", 1e-12, 100)
        self._check_number("weight_decay", 0, 1)
        self._check_number("clip", 0, 1e6)
        self._check_number("label_smoothing", 0, 0.9)
        self._check_number("average", 0, 0.999999)
        self._check_number("temperature", 0.1, 100)
        self._check_number("distill", 0, 1)
        if not isinstance(self.teacher, str):
            raise InputError(f"teacher must be the folder or name of a run, or empty, not {self.teacher!r}")
        _ = self.distortion

    @property
    def distortion(self) -> Distortion:
        """How far images are distorted."""
        return Distortion(self.shift, self.rotate, self.scale, self.shear)

    @classmethod
    def from_dict(cls, values: dict) -> "Recipe":
        """Make a recipe of JSON or TOML values; what is not named keeps its default."""
        return cls().changed(values)

    def changed(self, values: dict) -> "Recipe":
        """The recipe with some fields changed. Raises InputError where there is no such field."""
        known = [field.name for field in dataclasses.fields(self)]
        for name in values:
            if name not in known:
                raise InputError(
                    f"a recipe has no field {name!r}; it has {', '.join(known)}{did_you_mean(name, known)}"
                )
        return dataclasses.replace(self, **values)

    def fitted(self, images: int, given: Collection[str]) -> tuple["Recipe", list[str]]:
        """The recipe for so many training images, and what must be said about its changes.

        given: names of the fields that stay as they are, for the user has chosen them.
        """
        changes, notes = {}, []
        if "validation_images" not in given:
            most = max(1, images // HELD_OUT_SHARE)
            changes["validation_images"] = min(self.validation_images, most)
        if "batch_size" not in given:
            most = max(1, (images - changes.get("validation_images", self.validation_images)) // BATCH_SHARE)
            changes["batch_size"] = min(self.batch_size, most)
        for name, value in changes.items():
            if value < getattr(self, name):
                notes.append(
                    f"{name} is {value}, not {getattr(self, name)}, for there are only {images} training images"
                )
        return self.changed(changes), notes

    def to_dict(self) -> dict:
        """All fields as JSON values."""
        return dataclasses.asdict(self)

    def _check_choice(self, name: str, choices: dict) -> None:
        value = getattr(self, name)
        if not isinstance(value, str) or value not in choices:
            raise InputError(f"{name} must be one of {', '.join(choices)}, not {value!r}{did_you_mean(value, choices)}")

    def _check_int(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InputError(f"{name} must be an integer {low}..{high}, not {value!r}")

    def _check_number(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise InputError(f"{name} must be a number {low:g}..{high:g}, not {value!r}")
