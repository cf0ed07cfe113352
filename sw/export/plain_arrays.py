"""A network as plain numpy arrays: an .npz archive that `numpy.load` opens without pickle.

Its arrays are called `layer0.weight` and so on. All are int64, so that sums and products of them cannot wrap
silently as those of int8 would. The array `manifest` is a string, JSON that says how to compute with the others.
The bytes depend on the network alone, for numpy gives the members a fixed date.
"""

import json
from pathlib import Path

import numpy as np

from sw.export.contents import arrays, manifest
from sw.file_kinds import ARRAYS
from sw.files import replacing_file
from sw.network import Network


def write(network: Network, path: Path, force: bool = False) -> None:
    """Write the archive, whole or not at all. Raises InputError where that is impossible.

    force: replace a file of another kind, too.
    """
    members = {"manifest": np.array(json.dumps(manifest(network), indent=2))}
    members |= {array.name: array.values for array in arrays(network)}
    with replacing_file(path, ARRAYS, force) as temporary, temporary.open("wb") as file:
        np.savez(file, **members)
