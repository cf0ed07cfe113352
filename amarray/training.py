"""`amarray train`: trains, shows progress, and leaves a checkpoint where it is stopped."""

import argparse
import time
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from numpy.random import default_rng

from amarray.data import Reader, data_option, fits, load_data
from amarray.progress import bar, say_note
from amarray.stopping import deferred_stop
from sw import train as training
from sw.architecture import Architecture, parameter_count
from sw.checkpoint import load_checkpoint, save_checkpoint
from sw.dataset import Dataset
from sw.errors import InputError
from sw.files import TargetError, check_file, check_folder, save_or_keep
from sw.locks import locked
from sw.network_toml import read_network_toml
from sw.quantization.stages import structure_faults
from sw.reading import refusing, toml_value
from sw.recipe import Recipe
from sw.run_folder import FILES, MARKER, load_run, save_run
from sw.shipped import NAMES, run_path, toml_path
from sw.text import path_word
from sw.train import Progress, Teacher, TrainedModel, Training

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
    folder = Path(options.output or f"runs/{path_word(architecture.name)}")
    _check_targets(folder)
    recipe = recipe.changed(changes)
    dataset = load_data(options.data)
    recipe, notes = recipe.fitted(len(dataset.train_images), given | set(changes))
    result = train_run(architecture, recipe, dataset, folder, resume=options.resume)
    return result | {"notes": notes + result["notes"]}


def train_run(
    architecture: Architecture, recipe: Recipe, dataset: Dataset, folder: Path, *, resume: bool = False
) -> dict:
    """Train and write the run; with `resume`, from where a stopped one left its checkpoint.

    Where the folder cannot be written in the end, the run is kept elsewhere. Raises KeyboardInterrupt where it is
    stopped, after the checkpoint is written.
    """
    _check_targets(folder)
    teacher, notes = load_teacher(recipe.teacher, dataset, dataset.classes)
    faults = structure_faults(architecture.build(dataset.shape, dataset.classes, default_rng(0)), dataset.shape)
    if faults:
        notes.append(f"`amarray quantize` will refuse this network: {'; '.join(faults)}")
        say_note(notes[-1])
    checkpoint = _checkpoint(folder)
    with locked(folder), deferred_stop() as stopped:
        trained = _trained(architecture, recipe, dataset, teacher, checkpoint, resume, stopped)
        save_or_keep(lambda place: save_run(trained, place), folder)
        with suppress(OSError):  # the run is there, whatever became of its checkpoint
            checkpoint.unlink()
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
        "quantizable": not faults,
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


def _trained(
    architecture: Architecture,
    recipe: Recipe,
    dataset: Dataset,
    teacher: Teacher | None,
    checkpoint: Path,
    resume: bool,
    stopped: Callable[[], bool],
) -> TrainedModel:
    start = None
    if resume:
        start = load_checkpoint(checkpoint, architecture, recipe, dataset)
    elif checkpoint.exists():
        raise InputError(f"{checkpoint} holds a stopped training; go on with --resume, or remove the file")
    saved = time.monotonic()
    title = f"train {architecture.name}, seed {recipe.seed}"
    with bar(title, recipe.epochs, "epochs") as update:

        def watch(current: Training, progress: Progress) -> None:
            nonlocal saved
            update(progress.step / progress.steps * recipe.epochs)
            is_epoch_over = not current.losses
            if stopped():
                raise KeyboardInterrupt(
                    f"stopped in epoch {progress.epoch}; {_leave(current, architecture, checkpoint)}"
                )
            if is_epoch_over and time.monotonic() - saved > CHECKPOINT_SECONDS:
                try:
                    save_checkpoint(current, architecture, checkpoint)
                except TargetError as error:  # what may never be needed must not end what is wanted
                    say_note(f"no checkpoint: {error}")
                saved = time.monotonic()

        return training.train(architecture, recipe, dataset, teacher, watch, start)


def _leave(current: Training, architecture: Architecture, checkpoint: Path) -> str:
    """Write the checkpoint of a training that is stopped; returns how it goes on."""
    try:
        save_or_keep(lambda place: save_checkpoint(current, architecture, place), checkpoint)
    except TargetError as error:
        return f"{error}; --resume goes on from {checkpoint}, when it lies there"
    return f"the same command with --resume goes on from {checkpoint}"


def _check_targets(folder: Path) -> None:
    check_folder(folder, MARKER, FILES)
    check_file(_checkpoint(folder))


def _checkpoint(folder: Path) -> Path:
    """Where the checkpoint of a run lies."""
    return folder.with_name(f"{folder.name}.checkpoint.npz")


def assignments(texts: list[str]) -> dict[str, object]:
    """Fields of a recipe from texts NAME=VALUE, values as in TOML; a word needs no quotation marks."""
    fields = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise InputError(f"--set needs NAME=VALUE, not {text!r}")
        with refusing(f"read --set {name}", "a value as in TOML", "give NAME=VALUE"):
            try:
                found = toml_value(f"value = {value}".encode())
                if len(found) > 1:
                    raise InputError("it must be one value, not lines of TOML")
                fields[name.strip()] = found["value"]
            except tomllib.TOMLDecodeError:
                fields[name.strip()] = value.strip()
    return fields
