"""A training run on disk: a folder with the float weights and what made them.

`model.npz` holds the parameters and other state by name; `run.json` architecture, recipe, data, history, the float
accuracy on the test images, the version of numpy, and the SHA-256 of `model.npz`. A training that was stopped
leaves a checkpoint instead, see sw.checkpoint.
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np

from sw.architecture import Architecture
from sw.data_record import DataRecord
from sw.errors import InputError
from sw.files import replacing_folder
from sw.nn.layers import Sequential
from sw.reading import MOST_TEXT, archive, json_value, memory, read_bytes, refusing
from sw.recipe import Recipe
from sw.train import TrainedModel, is_history

FORMAT_VERSION = 3
HASHLESS_FORMAT = 2
"""The format before, whose data have neither hash nor path; it is still read."""
MARKER = "run.json"
"""The file that marks a folder as ours."""
WEIGHTS = "model.npz"
FILES = (MARKER, WEIGHTS, "network.npz")
"""What may lie in a run; the last is what `amarray quantize` writes there unless told otherwise."""
MOST_BYTES = 1 << 30
"""Of the weights; those of the largest network have fewer."""


def save_run(trained: TrainedModel, folder: Path) -> None:
    """Write the run to `folder`, whole or not at all; an earlier run there is replaced.

    Raises InputError where the folder holds anything else, or cannot be written.
    """
    weights = io.BytesIO()
    np.savez(weights, **{name: tensor.data for name, tensor in _kept(trained.model).items()})
    description = {
        "format": FORMAT_VERSION,
        "architecture": trained.architecture.to_dict(),
        "recipe": trained.recipe.to_dict(),
        "data": trained.data.to_json(),
        "history": trained.history,
        "test_accuracy": trained.test_accuracy,
        "numpy": np.__version__,
        "model_sha256": hashlib.sha256(weights.getvalue()).hexdigest(),
    }
    with replacing_folder(Path(folder), MARKER, FILES) as temporary:
        (temporary / WEIGHTS).write_bytes(weights.getvalue())
        (temporary / MARKER).write_text(json.dumps(description) + "\n", encoding="utf-8")


def load_run(folder: Path) -> TrainedModel:
    """Read a run that `save_run` wrote; in one of format 2 its data have neither hash nor path.

    Raises InputError where it is missing, damaged or of another version. The weights have MOST_BYTES at most; a model
    of sw.limits.PARAMETERS takes 2 GiB while it is read.
    """
    folder = Path(folder)
    with refusing(f"load run {folder}", "a run", "train again"):
        description = json_value(_read(folder / MARKER, MOST_TEXT))
        if description["format"] not in (HASHLESS_FORMAT, FORMAT_VERSION):
            raise InputError(
                f"format version {description['format']!r} is not known; must be {HASHLESS_FORMAT} or "
                f"{FORMAT_VERSION}; train again"
            )
        weights = _read(folder / WEIGHTS, min(MOST_BYTES, memory() // 4))
        if hashlib.sha256(weights).hexdigest() != description["model_sha256"]:
            raise InputError(
                f"{WEIGHTS} does not match its SHA-256 in {MARKER}: it was changed or damaged; train again"
            )
        architecture = Architecture(**description["architecture"])
        recipe = Recipe.from_dict(description["recipe"])
        hashless = {"sha256": None, "path": None} if description["format"] == HASHLESS_FORMAT else {}
        data = DataRecord.from_json(description["data"] | hashless)
        model = architecture.build(data.shape, data.classes, np.random.default_rng(recipe.seed))
        arrays = archive(weights)
        for name, tensor in _kept(model).items():
            tensor.data = _checked(name, arrays[name], tensor.data)
        model.set_training(False)
        history, test_accuracy = description["history"], description["test_accuracy"]
        _check_results(history, test_accuracy)
        return TrainedModel(architecture, recipe, data, model, history, test_accuracy)


def _check_results(history, test_accuracy) -> None:
    if not is_history(history):
        raise InputError(f"the history must have numbers epoch, loss and validation_accuracy of each epoch: {history}")
    if not isinstance(test_accuracy, int | float) or not 0 <= test_accuracy <= 1:
        raise InputError(f"the test accuracy must be a number 0..1, not {test_accuracy!r}")


def _kept(model: Sequential) -> dict:
    return model.parameters() | model.state()


def _read(path: Path, most: int) -> bytes:
    with refusing(f"read {path.name}", "a file", "`amarray train` writes a run"):
        return read_bytes(path, most)


def _checked(name: str, found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        raise InputError(f"{name} is {found.dtype} {found.shape}; the model has {expected.dtype} {expected.shape}")
    if not np.isfinite(found).all():
        raise InputError(f"{name} holds values that are not finite")
    return found.copy()  # to be trained on, as what `architecture.build` makes
