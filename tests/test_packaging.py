"""The wheel, in an empty environment, does what the checkout does."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        target = source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, source)
    (path,) = folder.glob("*.whl")
    return path


def run(*command, cwd=None):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_begins_where_stops_are_already_handled(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "amarray = amarray.__main__:main" in archive.read(name).decode().splitlines()


def test_wheel_holds_packages_and_data_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"amarray", "hw", "sim", "sw"}
    assert sum(name.startswith("sw/data/mnist/") and name.endswith(".gz") for name in names) == 4


@pytest.mark.slow
def test_wheel_in_an_empty_environment(wheel, tmp_path):
    run(sys.executable, "-m", "venv", tmp_path / "env")
    programs = tmp_path / "env" / "bin"
    run(programs / "pip", "install", "--quiet", wheel)
    options = ("--epochs", "1", "--images", "50", "--lanes", "4", "--taps", "2", "--json")
    result = json.loads(run(programs / "amarray", "demo", *options, cwd=tmp_path).splitlines()[-1])
    assert (result["images"], result["mismatches"]) == (50, 0)
    assert (tmp_path / "demo" / "build" / "accelerator.v").is_file()
