"""The folders of the project import each other downwards only: amarray > sim > hw > sw."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("amarray", "sim", "hw", "sw")
"""Highest first: a folder may import those after it."""
SHARED = {"sw.fixed", "sw.network", "sw.network_file", "sw.files", "sw.errors", "sw.fingerprint", "sw.user_cache"}
"""What hw may know of sw: the number contract, the network, and the user's cache."""


def imports(text: str) -> set[str]:
    """Modules that a source text imports, `from package import module` as package.module."""
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports must be absolute"
            is_package = (ROOT / (node.module or "").replace(".", "/")).is_dir()
            names |= {f"{node.module}.{alias.name}" if is_package else node.module for alias in node.names}
    return names


def sources() -> list[tuple[str, Path]]:
    return [(folder, path) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]


def wrong_arrows(folder: str, text: str) -> set[str]:
    """Imports that lead upwards, or from hw to more of sw than it may know; and cocotb outside of sim."""
    above = set(FOLDERS[: FOLDERS.index(folder)]) | {"tests"}
    wrong = {name for name in imports(text) if name.split(".")[0] in above}
    if folder == "hw":
        wrong |= {name for name in imports(text) if name.split(".")[0] == "sw" and name not in SHARED}
    if folder != "sim":
        wrong |= {name for name in imports(text) if name.split(".")[0] in ("cocotb", "cocotb_tools")}
    return wrong


@pytest.mark.parametrize(("folder", "path"), sources(), ids=lambda value: getattr(value, "name", value))
def test_arrows_run_down_only(folder, path):
    assert wrong_arrows(folder, path.read_text(encoding="utf-8")) == set()


def test_every_folder_has_sources():
    assert {folder for folder, _ in sources()} == set(FOLDERS)


@pytest.mark.parametrize(
    ("folder", "text", "wrong"),
    [
        ("sw", "import hw.config", {"hw.config"}),
        ("sw", "from sim import bench", {"sim.bench"}),
        ("hw", "def f():\n    from sim.bench import Bench", {"sim.bench"}),
        ("hw", "from sw import golden", {"sw.golden"}),
        ("hw", "from sw.golden import infer", {"sw.golden"}),
        ("hw", "from sw import network_file\nfrom sw.fixed import Format", set()),
        ("hw", "import cocotb", {"cocotb"}),
        ("sim", "import cocotb\nfrom hw.build import Build\nfrom sw.golden import infer", set()),
        ("sim", "from amarray import report", {"amarray.report"}),
        ("amarray", "from sim.simulate import simulate\nimport hw.build\nimport sw.train", set()),
        ("amarray", "from cocotb_tools.runner import get_runner", {"cocotb_tools.runner"}),
    ],
)
def test_a_wrong_arrow_is_found(folder, text, wrong):
    assert wrong_arrows(folder, text) == wrong
