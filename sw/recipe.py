"""The recipe of a training: everything that decides its result, as plain JSON values."""

import dataclasses
from dataclasses import dataclass

from sw import models
from sw.errors import InputError
from sw.nn import optimizers, schedules

OPTIMIZERS = {"adam": optimizers.Adam, "sgd": optimizers.SGD}
SCHEDULES = {"constant": schedules.constant, "cosine": schedules.cosine, "one-cycle": schedules.one_cycle}


@dataclass(frozen=True)
class Recipe:
    """What to train, and how; the defaults are for MNIST.

    Parameters
    ----------
    model: name of a model in sw.models.
    seed: of the one generator behind the split, the first weights, the order and the shifts.
    epochs: how often every training image is seen.
    batch_size: images per step; the last, incomplete batch of an epoch is left out.
    optimizer, schedule: names, see OPTIMIZERS and SCHEDULES.
    learning_rate: the peak of the schedule.
    shift: each time it is seen, an image is moved by up to so many pixels on both axes; 0 turns it off.
    validation_images: how many training images are held out to judge the recipe.

    Raises InputError where a value is of the wrong kind or out of range.
    """

    model: str = "mlp"
    seed: int = 1
    epochs: int = 200
    batch_size: int = 512
    optimizer: str = "adam"
    schedule: str = "one-cycle"
    learning_rate: float = 0.03
    shift: int = 1
    validation_images: int = 5000

    def __post_init__(self):
        """Check every field."""
        self._check_choice("model", models.MODELS)
        self._check_choice("optimizer", OPTIMIZERS)
        self._check_choice("schedule", SCHEDULES)
        self._check_int("seed", 0, 2**63 - 1)
        self._check_int("epochs", 1, 100_000)
        self._check_int("batch_size", 1, 100_000)
        self._check_int("shift", 0, 8)
        self._check_int("validation_images", 1, 10**9)
        rate = self.learning_rate
        if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 < rate <= 100:
            raise InputError(f"learning_rate must be a number above 0, at most 100, not {rate!r}")

    @classmethod
    def from_dict(cls, values: dict) -> "Recipe":
        """Make a recipe of JSON or TOML values; what is not named keeps its default."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                raise InputError(f"a recipe has no field {name!r}; it has {', '.join(known)}")
        return cls(**values)

    def to_dict(self) -> dict:
        """All fields as JSON values."""
        return dataclasses.asdict(self)

    def _check_choice(self, name: str, choices: dict) -> None:
        value = getattr(self, name)
        if not isinstance(value, str) or value not in choices:
            raise InputError(f"{name} must be one of {', '.join(choices)}, not {value!r}")

    def _check_int(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InputError(f"{name} must be an integer {low}..{high}, not {value!r}")
