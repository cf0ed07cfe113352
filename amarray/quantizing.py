"""`amarray quantize`: a trained run becomes a Network file, or a sweep shows accuracy against bits."""

import argparse
import dataclasses
import json
from pathlib import Path

from amarray.charts import draw_sweep
from amarray.commands import describe
from amarray.data import Reader, choose_data, count
from amarray.networks import named
from amarray.progress import bar
from amarray.training import assignments, load_teacher
from sw import network_file
from sw.dataset import Dataset
from sw.errors import InputError
from sw.file_kinds import NETWORK
from sw.files import check_file, check_folder, replacing_folder, save_or_keep
from sw.locks import locked
from sw.network import Network
from sw.quantization.aware import fine_tune
from sw.quantization.post_training import quantize as quantize_run
from sw.quantization.settings import BITS, Settings
from sw.quantization.sweep import sweep as sweep_settings
from sw.recipe import Recipe
from sw.run_folder import load_run
from sw.shipped import NAMES, run_path
from sw.text import path_word
from sw.train import TrainedModel

CALIBRATION_IMAGES = 2000
"""Training images that set the activations' scales, unless told otherwise."""
SWEEP_FILE, SWEEP_CHART = "sweep.json", "sweep.png"


def quantize(options: argparse.Namespace) -> dict:
    """`amarray quantize`."""
    settings = Settings(
        weight_bits=_bits("--weight-bits", options.weight_bits),
        activation_bits=_bits("--activation-bits", options.activation_bits),
        weights=options.weights,
        scales=options.scales,
        per_channel=not options.per_layer,
        calibration=options.calibration,
        percentile=options.percentile,
    )
    folder = named(run_path, options.trained)
    trained = load_run(folder)
    dataset, notes = choose_data(options.data, Reader.of_run(options.trained, trained))
    there = len(dataset.train_images)
    images, few = count(
        options.calibration_images, "--calibration-images", CALIBRATION_IMAGES, there, "training images"
    )
    notes += few
    given = {"seed": options.seed, "epochs": options.epochs, "learning_rate": options.learning_rate}
    changes = {name: value for name, value in given.items() if value is not None} | assignments(options.set)
    if changes and not options.aware:
        raise InputError(f"{', '.join(changes)} belongs to quantization-aware training; add --aware")
    recipe = None
    if options.aware:
        recipe = fine_tuning_recipe(trained.recipe).changed(changes)
        is_others = trained.data.sha256 not in (None, dataset.sha256)
        recipe, fitted = recipe.fitted(there, changes if is_others else recipe.to_dict())
        _, taught = load_teacher(recipe.teacher, dataset, trained.data.classes)
        notes += fitted + taught
    if options.sweep:
        output = Path(options.output or f"{path_word(trained.architecture.name)}-sweep")
        return sweep_to(trained, settings, recipe, images, dataset, output) | {"notes": notes}
    default = Path(f"{options.trained}.npz") if options.trained in NAMES else folder / "network.npz"
    output, force = Path(options.output or default), options.force
    return quantize_to(trained, settings, recipe, images, dataset, output, force=force) | {"notes": notes}


def quantize_to(
    trained: TrainedModel,
    settings: Settings,
    recipe: Recipe | None,
    images: int,
    dataset: Dataset,
    path: Path,
    *,
    force: bool = False,
) -> dict:
    """Quantize with the first so many training images, train on where there is a recipe, write the Network file.

    force: replace a file that is not a Network file, too. Where the path cannot be written in the end, the network is
    kept elsewhere.
    """
    check_file(path, NETWORK, force)
    with locked(path):
        network = _quantized(trained, settings, recipe, images, dataset)
        save_or_keep(lambda place: network_file.save(network, place, force), path)
    return describe(network, dataset) | {"network": str(path)}


def sweep_to(
    trained: TrainedModel, settings: Settings, recipe: Recipe | None, images: int, dataset: Dataset, folder: Path
) -> dict:
    """Accuracy against weight bits and against activation bits, the other ones as the settings say.

    A recipe adds quantization-aware training to post-training quantization. Writes table and picture to the folder, or
    where that cannot be written in the end, to another place.
    """
    check_folder(folder, SWEEP_FILE, (SWEEP_CHART,))
    with locked(folder):
        result = _swept(trained, settings, recipe, images, dataset, folder)
        save_or_keep(lambda place: _save_sweep(result, place), folder)
    return result


def _swept(
    trained: TrainedModel, settings: Settings, recipe: Recipe | None, images: int, dataset: Dataset, folder: Path
) -> dict:
    methods = {"post-training": None} | ({"quantization-aware": recipe} if recipe else {})
    quantizers = {
        method: lambda choice, tuned=tuned: _quantized(trained, choice, tuned, images, dataset)
        for method, tuned in methods.items()
    }
    bits = range(BITS[1], BITS[0] - 1, -1)
    series = {
        field: [dataclasses.replace(settings, **{field: width}) for width in bits]
        for field in ("weight_bits", "activation_bits")
    }
    result = {
        "name": trained.architecture.name,
        "data": dataset.name,
        "float_accuracy": trained.test_accuracy,
        "images": len(dataset.test_images),
        "series": {},
        "files": {name: str(folder / name) for name in (SWEEP_FILE, SWEEP_CHART)},
    }
    with bar("sweep", len(bits) * len(series) * len(methods), "networks") as update:
        done = 0
        for field, choices in series.items():
            result["series"][field] = []
            for row in sweep_settings(quantizers, choices, dataset.test_images, dataset.test_labels):
                result["series"][field].append(row)
                done += 1
                update(done)
    return result


def _save_sweep(result: dict, folder: Path) -> None:
    with replacing_folder(folder, SWEEP_FILE, (SWEEP_CHART,)) as temporary:
        (temporary / SWEEP_FILE).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        draw_sweep(result, temporary / SWEEP_CHART)


def fine_tuning_recipe(recipe: Recipe) -> Recipe:
    """How a run is trained on under quantization: as before, for a quarter of the epochs at a tenth of the rate."""
    return recipe.changed(
        {"epochs": max(1, recipe.epochs // 4), "learning_rate": recipe.learning_rate / 10, "teacher": ""}
    )


def _quantized(
    trained: TrainedModel, settings: Settings, recipe: Recipe | None, images: int, dataset: Dataset
) -> Network:
    if recipe is None:
        return quantize_run(trained, dataset.train_images[:images], settings, dataset.record)
    teacher, _ = load_teacher(recipe.teacher, dataset, trained.data.classes)
    title = f"train {trained.architecture.name} as integers, seed {recipe.seed}"
    with bar(title, recipe.epochs, "epochs") as update:
        return fine_tune(
            trained,
            settings,
            recipe,
            dataset,
            images,
            teacher,
            lambda _, progress: update(progress.step / progress.steps * recipe.epochs),
        )


def _bits(option: str, text: str) -> int | tuple[int, ...]:
    """One number, or one for each layer: 8 or 8,4,8."""
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"{option} takes a number or a list like 8,4,8, not {text!r}") from None
    return numbers[0] if len(numbers) == 1 else numbers
