"""amarray/exporting.py: each format is written where the user says, and the result describes it."""

import argparse
import json

import pytest
from networks import random_network

from amarray.exporting import FORMATS, export
from sw import network_file
from sw.errors import InputError

NETWORK = random_network(1, [6, 4, 3])


def run(tmp_path, name: str) -> dict:
    network_file.save(NETWORK, tmp_path / "net.npz")
    output = tmp_path / "exports" / name
    return export(argparse.Namespace(network=str(tmp_path / "net.npz"), format=name, output=str(output), force=False))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format(tmp_path, name):
    result = run(tmp_path, name)
    path = tmp_path / "exports" / name
    assert json.loads(json.dumps(result)) == result
    assert (result["network"], result["format"], result["output"]) == (NETWORK.name, name, str(path))
    assert result["sha256"] == network_file.digest(NETWORK)
    folder = path if path.is_dir() else path.parent
    assert result["files"] == {
        str(file): file.stat().st_size for file in folder.iterdir() if not file.name.startswith(".")
    }
    assert path.is_dir() == (name in ("hex", "mem"))


def test_only_onnx_may_be_inexact(tmp_path, monkeypatch):
    monkeypatch.setattr("sw.export.onnx_model.inexact_layers", lambda network: [1])
    assert run(tmp_path, "onnx")["inexact_layers"] == [1]
    assert run(tmp_path, "c")["inexact_layers"] == []


def test_a_network_that_does_not_exist(tmp_path):
    options = argparse.Namespace(
        network=str(tmp_path / "no.npz"), format="c", output=str(tmp_path / "no.h"), force=False
    )
    with pytest.raises(InputError, match=r"no\.npz"):
        export(options)
    assert list(tmp_path.iterdir()) == []
