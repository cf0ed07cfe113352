"""From a placed design to the file that a loader takes."""

import shutil
import tempfile
from pathlib import Path

from hw.fpga import tools
from hw.fpga.devices import Device
from sw.errors import InputError
from sw.file_kinds import BITSTREAM
from sw.files import replacing_file, save_or_keep

SUFFIX = {"nextpnr-ecp5": ".bit", "nextpnr-ice40": ".bin", "nextpnr-himbaechel-gowin": ".fs"}
"""How a bitstream's name usually ends, by the tool that placed."""


def pack(placed: Path, device: Device, output: Path, force: bool = False) -> None:
    """Pack a placed design into a bitstream.

    placed: what hw.fpga.place wrote for the device. output: .bit for ecpprog or openFPGALoader, .bin for iceprog,
    .fs for openFPGALoader. force: replace a file that is no bitstream, too. Where the output cannot be written in the
    end, the bitstream is kept elsewhere.
    Raises InputError for a device that has counts alone or where the tool is not installed, ToolError where it fails.
    """
    if device.nextpnr is None:
        raise InputError(f"{device.name} can be synthesized but not placed, so it has no bitstream")
    commands = {
        "nextpnr-ecp5": ("ecppack", ["--compress", "--input", "placed", "--bit", "bitstream"]),
        "nextpnr-ice40": ("icepack", ["placed", "bitstream"]),
        "nextpnr-himbaechel-gowin": ("gowin_pack", ["-d", device.name.upper(), "-o", "bitstream", "placed"]),
    }
    tool, arguments = commands[device.nextpnr]
    with tempfile.TemporaryDirectory(prefix="amarray-") as name:
        folder = Path(name)
        shutil.copy(placed, folder / "placed")
        tools.run(tool, arguments, folder, "bitstream")

        def save(path: Path) -> None:
            with replacing_file(path, BITSTREAM, force) as temporary:
                shutil.copyfile(folder / "bitstream", temporary)

        save_or_keep(save, output)
