"""Quantization-aware training: the weights learn to be the integers that stand for them."""

from collections.abc import Callable

from sw.dataset import Dataset
from sw.network import Network
from sw.quantization.fake import FakeQuantized
from sw.quantization.post_training import run_notes, scaled_stages
from sw.quantization.settings import Settings
from sw.recipe import Recipe
from sw.train import Progress, Teacher, TrainedModel, Training, run_to_end

CALIBRATION_IMAGES = 2000
"""Training images that set the scales before the training."""
NOTED_EPOCHS = 400
"""Last epochs of the training that the notes tell of: notes of a network must stay below 64 KiB."""


def fine_tune(
    trained: TrainedModel,
    settings: Settings,
    recipe: Recipe,
    dataset: Dataset,
    calibration_images: int = CALIBRATION_IMAGES,
    teacher: Teacher | None = None,
    watch: Callable[[Training, Progress], None] | None = None,
) -> Network:
    """Quantize a trained model, train its fake-quantized graph by the recipe, and return the integer Network.

    The scales are those of post-training quantization and stay as they are; so do the statistics of BatchNorm,
    which are folded into the weights before. `trained` itself is not changed.

    Parameters
    ----------
    calibration_images: how many of the first training images set the scales.
    teacher: whose logits are learned too, where the recipe names a teacher; None takes the float model.
    watch: called after every step.

    Raises InputError where model, settings, recipe and data do not fit together, or where the loss diverges.
    """
    images = dataset.train_images[:calibration_images]
    model = FakeQuantized(scaled_stages(trained.model, images, settings), dataset.shape)
    training = Training(model, recipe, dataset, teacher or trained.logits)
    run_to_end(training, watch)
    notes = run_notes(trained, settings, images)
    notes |= {"fine_tuning": recipe.to_dict(), "history": training.history[-NOTED_EPOCHS:]}
    return model.to_network(trained.architecture.name, notes)
