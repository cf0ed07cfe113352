"""`amarray train`: trains, shows progress, and leaves a checkpoint where it is stopped."""

import argparse
import signal
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from amarray.data import Reader, data_option, fits, load_data
from amarray.progress import bar
from sw import train as training
from sw.architecture import Architecture, parameter_count
from sw.checkpoint import load_checkpoint, save_checkpoint
from sw.dataset import Dataset
from sw.errors import InputError
from sw.network_toml import read_network_toml
from sw.recipe import Recipe
from sw.run_folder import load_run, save_run
from sw.shipped import NAMES, run_path, toml_path
from sw.train import Progress, Teacher, Training

CHECKPOINT_SECONDS = 30
"""At the end of an epoch a checkpoint is written if the last one is older: what a crash can cost."""
FIELDS = ("seed", "epochs", "batch_size", "learning_rate", "shift")
"""Fields of a recipe that have an option of their own."""


def train(options: argparse.Namespace) -> dict:
    """`amarray train`."""
    architecture, recipe, given = read_network_toml(toml_path(options.model))
    given = frozenset() if options.model in NAMES else given  # what a shipped recipe gives suits MNIST alone
    changes = {name: getattr(options, name) for name in FIELDS if getattr(options, name) is not None}
    changes |= assignments(options.set)
    dataset = load_data(options.data)
    recipe, notes = recipe.changed(changes).fitted(len(dataset.train_images), given | set(changes))
    folder = Path(options.output or f"runs/{architecture.name}")
    result = train_run(architecture, recipe, dataset, folder, resume=options.resume)
    return result | {"notes": notes + result["notes"]}


def train_run(
    architecture: Architecture, recipe: Recipe, dataset: Dataset, folder: Path, *, resume: bool = False
) -> dict:
    """Train and write the run; with `resume`, from where a stopped one left its checkpoint.

    Raises KeyboardInterrupt where it is stopped, after the checkpoint is written.
    """
    checkpoint = folder.with_name(f"{folder.name}.checkpoint.npz")
    teacher, notes = load_teacher(recipe.teacher, dataset, dataset.classes)
    start = None
    if resume:
        start = load_checkpoint(checkpoint, architecture, recipe, dataset)
    elif checkpoint.exists():
        raise InputError(f"{checkpoint} holds a stopped training; go on with --resume, or remove the file")
    saved = time.monotonic()
    title = f"train {architecture.name}, seed {recipe.seed}"
    with bar(title, recipe.epochs, "epochs") as update, _deferred_interrupt() as interrupted:

        def watch(current: Training, progress: Progress) -> None:
            nonlocal saved
            update(progress.step / progress.steps * recipe.epochs)
            is_epoch_over = not current.losses
            if interrupted() or (is_epoch_over and time.monotonic() - saved > CHECKPOINT_SECONDS):
                save_checkpoint(current, architecture, checkpoint)
                saved = time.monotonic()
            if interrupted():
                raise KeyboardInterrupt(
                    f"stopped in epoch {progress.epoch}; the same command with --resume goes on from {checkpoint}"
                )

        trained = training.train(architecture, recipe, dataset, teacher, watch, start)
    save_run(trained, folder)
    checkpoint.unlink(missing_ok=True)
    return {
        "model": architecture.name,
        "parameters": parameter_count(trained.model),
        "data": dataset.name,
        "seed": recipe.seed,
        "epochs": len(trained.history),
        "loss": trained.history[-1]["loss"],
        "validation_accuracy": trained.history[-1]["validation_accuracy"],
        "float_accuracy": trained.test_accuracy,
        "run": str(folder),
        "data_option": data_option(dataset.record),
        "notes": notes,
    }


def load_teacher(name: str, dataset: Dataset, classes: int) -> tuple[Teacher | None, list[str]]:
    """The run that a recipe names as its teacher, if any, and what must be said about its data.

    Raises InputError where it reads other images than these, or knows not as many classes as its pupil.
    """
    if not name:
        return None, []
    teacher = load_run(run_path(name))
    notes = fits(dataset, Reader.of_run(name, teacher))
    if teacher.data.classes != classes:
        raise InputError(f"teacher {name} knows {teacher.data.classes} classes; must know {classes}, as its pupil")
    return teacher.logits, notes


@contextmanager
def _deferred_interrupt() -> Iterator:
    """Let the first Ctrl-C only be noted, so that a step is done whole; yields a function that says whether it came."""
    came = []

    def note(number, frame) -> None:
        came.append(number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(came)
    finally:
        signal.signal(signal.SIGINT, before)


def assignments(texts: list[str]) -> dict[str, object]:
    """Fields of a recipe from texts NAME=VALUE, values as in TOML; a word needs no quotation marks."""
    fields = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise InputError(f"--set needs NAME=VALUE, not {text!r}")
        try:
            fields[name.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            fields[name.strip()] = value.strip()
    return fields
