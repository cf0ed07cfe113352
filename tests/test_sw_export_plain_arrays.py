"""sw/export/plain_arrays.py: numpy reads the archive, without pickle, and finds the network's integers."""

import json

import numpy as np
from networks import random_image_network, random_network

from sw.export.contents import arrays, manifest
from sw.export.plain_arrays import write


def test_numpy_reads_all_arrays_and_the_manifest(tmp_path):
    network = random_image_network(3)
    write(network, tmp_path / "plain.npz")
    with np.load(tmp_path / "plain.npz", allow_pickle=False) as archive:
        assert archive.files == ["manifest", *(array.name for array in arrays(network))]
        assert json.loads(str(archive["manifest"])) == manifest(network)
        for array in arrays(network):
            np.testing.assert_array_equal(archive[array.name], array.values)
            assert archive[array.name].dtype == np.int64


def test_the_same_network_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write(random_network(1, [5, 4, 3]), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
