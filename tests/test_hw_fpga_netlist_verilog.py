"""Netlists after synthesis, simulated in models of their cells: equal to golden in every logit."""

import pytest
from networks import random_image_network, random_images, random_network
from tiers import slow

from hw import build as builds
from hw.compiler import compile_network, size_array
from hw.fpga.blocks import MULTIPLIERS
from hw.fpga.devices import device
from hw.fpga.netlist_verilog import write_netlist_verilog
from hw.fpga.synth import synthesize
from hw.schedule import SCHEDULES
from sim.simulate import compare, simulate
from sw import mnist, network_file
from sw.errors import InputError
from sw.shipped import network_path

DEVICES = ("ecp5-25k", "ice40-up5k", "ice40-hx8k")


def check(build, pixels, name: str) -> None:
    done = simulate(build, pixels, "native", netlist=device(name))
    assert len(done.logits) == len(pixels)
    assert compare(build.network, pixels, done).size == 0
    assert done.result_cycles.tolist() == build.compiled.schedule.result_cycles(len(pixels)).tolist()


def write(network, shape, folder, schedule="throughput"):
    config = size_array(network, *shape, kind=schedule)
    return builds.write(compile_network(network, config, schedule), folder / "build")


@pytest.mark.parametrize("name", [DEVICES[0], *slow(DEVICES[1:])])
@pytest.mark.parametrize("schedule", [SCHEDULES[0], *slow(SCHEDULES[1:])])
def test_netlist_of_a_perceptron_equals_golden(schedule, name, tmp_path):
    network = random_network(3, [40, 9, 4], weight_bits=5)
    check(write(network, (3, 2), tmp_path, schedule), random_images(3, network, 30), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", DEVICES)
def test_netlist_of_a_cnn_equals_golden(name, tmp_path):
    network = random_image_network(3, ("padded", "maxpool"), shape=(9, 8, 1))
    check(write(network, (3, 4, 2), tmp_path), random_images(3, network, 30), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", DEVICES)
def test_netlist_of_the_mlp_classifies_mnist(name, tmp_path):
    network = network_file.load(network_path("mlp"))
    check(write(network, (8, 1), tmp_path), mnist.load().test_images[:100], name)


def test_devices_without_models_are_refused(tmp_path):
    network = random_network(3, [6, 4, 3])
    build = write(network, (2, 1), tmp_path)
    with pytest.raises(InputError, match=r"netlists can be simulated for ice40-up5k, .*, not for gw1n-9c: its cells"):
        simulate(build, random_images(3, network, 1), "native", netlist=device("gw1n-9c"))
    with pytest.raises(InputError, match=r"a netlist is simulated by native, not by amaranth; take simulator native"):
        simulate(build, random_images(3, network, 1), "amaranth", netlist=device("ecp5-25k"))


@pytest.mark.parametrize("schedule", [*slow(SCHEDULES[:1]), SCHEDULES[1]])
@pytest.mark.parametrize("multipliers", MULTIPLIERS)
@pytest.mark.parametrize(
    ("name", "shape", "blocks"),
    [("ice40-up5k", (5, 2), 8), pytest.param("ecp5-25k", (6, 5), 28, marks=pytest.mark.slow)],
)
def test_products_are_made_where_they_should_be(name, shape, blocks, multipliers, schedule, tmp_path):
    network = random_network(3, [12, 5, 4])
    build, target = write(network, shape, tmp_path, schedule), device(name)
    if multipliers == "dsp":
        reason = f"the array needs {blocks + 2} multiplier blocks, the device has {blocks}"
        with pytest.raises(InputError, match=f"must be auto or lut, not dsp: {reason}"):
            synthesize(build.verilog, target, multipliers=multipliers)
        return
    netlist = tmp_path / "netlist.json"
    found = synthesize(build.verilog, target, netlist=netlist, multipliers=multipliers)
    assert found["resources"]["dsps"] == {"auto": blocks, "lut": 0}[multipliers]
    write_netlist_verilog(netlist, target, tmp_path / "netlist.v")
    assert "module accelerator" in (tmp_path / "netlist.v").read_text()
