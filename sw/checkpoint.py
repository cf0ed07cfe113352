"""A checkpoint: a training that was stopped, in one file, so that it can go on bit for bit.

An uncompressed .npz archive of the arrays of `Training.state`, with its JSON values, what is trained, how and with
which data in the member `header`. Nothing in it is ever executed.
"""

import io
import json
import zipfile
from pathlib import Path

import numpy as np

from sw.architecture import Architecture
from sw.dataset import Dataset
from sw.errors import InputError
from sw.files import replacing_file
from sw.recipe import Recipe
from sw.train import Training

FORMAT_VERSION = 2


def save_checkpoint(training: Training, architecture: Architecture, path: Path) -> None:
    """Write the training's state to `path`, whole or not at all. Raises InputError where that is impossible."""
    values, arrays = training.state()
    header = {
        "format": FORMAT_VERSION,
        "architecture": architecture.to_dict(),
        "recipe": training.recipe.to_dict(),
        "data_sha256": training.dataset.sha256,
        "values": values,
    }
    members = arrays | {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    with replacing_file(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez(file, **members)


def load_checkpoint(
    path: Path, architecture: Architecture, recipe: Recipe, dataset: Dataset
) -> tuple[dict, dict[str, np.ndarray]]:
    """What `sw.train.train` takes as `start`.

    Raises InputError where the file is missing or damaged, or is of another network, recipe or data set.
    """
    try:
        with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as members:
            arrays = dict(members)
        header = json.loads(arrays.pop("header").tobytes())
        if header["format"] != FORMAT_VERSION:
            raise InputError(f"format version {header['format']!r} is not known; must be {FORMAT_VERSION}")
        # a round trip through JSON, so that tuples and lists compare as equal
        wanted = json.loads(json.dumps({"architecture": architecture.to_dict(), "recipe": recipe.to_dict()}))
        for name in wanted:
            if header[name] != wanted[name]:
                raise InputError(f"it is of another {name}{_difference(header[name], wanted[name])}")
        if header["data_sha256"] != dataset.sha256:
            raise InputError("it is of another data set")
        return header["values"], arrays
    except InputError as error:
        raise InputError(f"cannot resume from {path}: {error}") from error
    except OSError as error:
        raise InputError(
            f"cannot resume from {path}: {error.strerror or error}; a stopped training leaves it"
        ) from error
    except (EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"cannot resume from {path}: it is no checkpoint, or damaged ({error})") from error


def _difference(found: dict, wanted: dict) -> str:
    names = [name for name in wanted if found.get(name) != wanted[name]]
    return "; " + ", ".join(f"{name} is {found.get(name)!r} there and {wanted[name]!r} here" for name in names[:3])
