"""Netlists as Verilog for simulators: each cell of the FPGA replaced by its simulation model."""

import shutil
import tempfile
from pathlib import Path

from hw import yosys
from hw.fpga.devices import DEVICES, Device
from hw.verilog import TOP
from sw.errors import InputError
from sw.files import replacing_file

OWN_MODELS = Path(__file__).with_name("ecp5_models.v")
LIBRARIES = {
    "ecp5": ("+/lattice/cells_sim_ecp5.v", OWN_MODELS.name),
    "ice40": ("-D ICE40_U +/ice40/cells_sim.v",),
    "ice40-lut": ("-D ICE40_HX +/ice40/cells_sim.v",),
}
"""By family: yosys's models of its cells, and for ECP5 those that yosys lacks."""


def check_models(device: Device) -> None:
    """Raise InputError where there are no models of a device's cells."""
    if device.family not in LIBRARIES:
        names = ", ".join(name for name, each in DEVICES.items() if each.family in LIBRARIES)
        raise InputError(f"netlists can be simulated for {names}, not for {device.name}: its cells have no models")


def write_netlist_verilog(netlist: Path, device: Device, output: Path, top: str = TOP) -> None:
    """Write a netlist of hw.fpga.synth, without a harness, as Verilog that any simulator takes.

    The models are put in place and simplified, which halves the time to compile the simulator. Only those in use are
    elaborated: that of a single-port RAM takes yosys over a minute. Inputs that are left open are 0.
    Raises InputError where there are no models for the device.
    """
    check_models(device)
    with tempfile.TemporaryDirectory(prefix="amarray-") as name:
        folder = Path(name)
        shutil.copy(netlist, folder / "netlist.json")
        shutil.copy(OWN_MODELS, folder / OWN_MODELS.name)
        libraries = "\n".join(f"read_verilog -overwrite -defer {library}" for library in LIBRARIES[device.family])
        yosys.run(
            f"""
            read_json netlist.json
            delete =A:blackbox
            setundef -zero
            {libraries}
            hierarchy -top {top}
            proc
            flatten -noscopeinfo
            opt -fast -mux_undef -undriven
            clean -purge
            write_verilog -noattr netlist.v
            """,
            folder,
            "netlist.v",
        )
        with replacing_file(output) as temporary:
            shutil.copyfile(folder / "netlist.v", temporary)
