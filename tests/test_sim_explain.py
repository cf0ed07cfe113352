"""Faults put into the Verilog or into its memories, each found at its layer, channel, position and cycle."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from networks import random_image_network, random_images, random_network
from tiers import slow

from amarray.cli import main
from hw import build as hw_build
from hw.compiler import compile_network, size_array
from sim.explain import explain, golden_sum
from sw.errors import InputError
from sw.fixed import requantize
from sw.golden import infer

NETWORKS = {
    "dense": (random_network(3, [30, 12, 9, 5], signed=None), (4, 3, 1), "throughput"),
    "image": (random_image_network(3, ("padded", "maxpool", "conv"), shape=(9, 8, 1)), (3, 4, 2), "latency"),
    "residual": (
        random_image_network(8, ("residual", "depthwise", "avgpool"), shape=(8, 8, 1)),
        (2, 3, 1),
        "throughput",
    ),
}
IMAGES = 9


@pytest.fixture(scope="module", params=NETWORKS)
def build(request, tmp_path_factory):
    network, shape, kind = NETWORKS[request.param]
    config = size_array(network, *shape, kind=kind)
    config = replace(config, logit_bits=min(config.logit_bits + 1, config.accumulator_bits))  # room for a wrong bias
    compiled = compile_network(network, config, kind)
    return hw_build.write(compiled, tmp_path_factory.mktemp(request.param) / "build")


def pixels(build) -> np.ndarray:
    return random_images(1, build.network, IMAGES)


@pytest.mark.parametrize("image", [0, 5, IMAGES - 1])
def test_without_a_fault_every_write_is_as_expected(build, image, tmp_path):
    found = explain(build, pixels(build), image, tmp_path / "waves.vcd")
    assert found.difference is None
    assert found.waves is None
    written = sum(int(np.prod(mapping.operation.shape)) for mapping in build.compiled.schedule.mappings)
    assert found.compared == written * len(found.images)
    assert not list(tmp_path.iterdir())


def with_fault(build, layer: int, channel: int, folder):
    """The same build with the Verilog of a network in which the bias of one channel of one layer is another."""
    layers = [*build.network.layers]
    bias = layers[layer].bias.copy()
    bias[channel] += -int(bias[channel]) // 2 - 300 if bias[channel] > 0 else 300 - int(bias[channel]) // 2
    layers[layer] = replace(layers[layer], bias=bias)
    network = replace(build.network, layers=tuple(layers))
    compiled = build.compiled
    broken = hw_build.write(compile_network(network, compiled.config, compiled.kind), folder)
    shutil.copyfile(build.folder / "build.json", folder / "build.json")
    shutil.copyfile(build.folder / "network.npz", folder / "network.npz")
    return replace(broken, compiled=compiled), network


@pytest.mark.parametrize("build", slow(NETWORKS), indirect=True)
def test_a_wrong_bias_is_found_in_its_layer(build, tmp_path):
    located = 0
    for operation, mapping in enumerate(build.compiled.schedule.mappings):
        layer = next(iter(mapping.operation.layers), None)
        if layer is None or not hasattr(build.network.layers[layer], "bias"):
            continue
        channel = mapping.operation.outputs - 1
        broken, network = with_fault(build, layer, channel, tmp_path / f"broken-{operation}")
        found = explain(broken, pixels(build), 3, tmp_path / f"{operation}.vcd")
        right, wrong = (
            infer(each, found.images).taps[mapping.operation.layers[-1]] for each in (build.network, network)
        )
        if (right == wrong).all():
            continue  # both saturate
        located += 1
        event = found.difference.expected
        assert (event.operation, event.channel) == (operation, channel)
        assert event.tile == channel // mapping.tile_lanes
        shape = (len(found.images), *mapping.operation.shape)
        place = event.image, event.y, event.x, channel
        assert event.value == right.reshape(shape)[place] != wrong.reshape(shape)[place] == found.difference.found
        total = golden_sum(build, found.images, event)
        assert total.total == total.bias + sum(each.activation * each.weight for each in total.operands)
        scale = mapping.operation.requantize
        if scale is not None:
            factors = np.array([total.multiplier]), np.array([total.shift])
            assert int(requantize(np.array([total.total]), *factors, scale.form)[0]) == event.value
        else:
            assert total.total == event.value
        times = [int(time) for time in re.findall(r"^#(\d+)$", found.waves.read_text(), re.MULTILINE)]
        assert min(times) // 10 <= found.difference.cycle <= max(times) // 10 <= found.difference.cycle + 20
    assert located >= 2


def test_a_fault_in_the_verilog_is_found(build, tmp_path):
    """The write enable of the hidden memory, seen at the port, comes a cycle late or never."""
    folder = shutil.copytree(build.folder, tmp_path / "broken")
    text = (folder / "accelerator.v").read_text()
    changed, count = re.subn(r"assign written\[0\] = ([^;]+);", "assign written[0] = 1'h0;", text)
    if not count:
        changed, count = re.subn(r"assign written = \{(.*), ([^,}]+)\s*\};", r"assign written = {\1, 1'h0 };", text)
    assert count == 1
    (folder / "accelerator.v").write_text(changed)
    broken = replace(build, verilog=folder / "accelerator.v")
    (tmp_path / "mine.vcd").write_text("$version mine $end")
    (tmp_path / "waves.vcd").symlink_to(tmp_path / "mine.vcd")
    found = explain(broken, pixels(build), 2, tmp_path / "waves.vcd")
    assert (tmp_path / "mine.vcd").read_text() == "$version mine $end"
    assert found.waves.read_text().startswith("$")
    assert found.difference.found is None
    assert found.difference.expected.operation == 0


@pytest.mark.parametrize(
    ("image", "waves", "message"),
    [(IMAGES, "x.vcd", "image must be 0..8, not 9"), (-1, "x.vcd", "image must be"), (0, "x.fst", "to a .vcd file")],
)
def test_bad_arguments_are_refused(build, image, waves, message, tmp_path):
    with pytest.raises(InputError, match=message):
        explain(build, pixels(build), image, tmp_path / waves)


def test_command(tmp_path, capsys):
    folder = tmp_path / "build"
    assert main(["generate", "mlp", "--lanes", "4", "--taps", "4", "-o", str(folder)]) == 0
    assert main(["explain", str(folder), "--image", "17"]) == 0
    assert "difference" in capsys.readouterr().out
    built = hw_build.load(folder)
    broken, _ = with_fault(built, 1, 3, tmp_path / "broken")
    assert main(["explain", str(broken.folder), "--image", "17"]) == 2
    assert main(["explain", str(broken.folder), "--image", "17", "--edited", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    found = result["difference"]
    assert result["edited"]
    assert (found["layers"], found["channel"], found["tile"]) == ([1], 3, 0)
    assert len(found["operands"]) == 16
    assert main(["explain", str(broken.folder), "--image", "17", "--edited"]) == 1
    shown = capsys.readouterr().out
    assert "1 (dense)" in shown
    assert "note: accelerator.v and ports.json are taken as they are" in shown
    assert "the 16 greatest of 16 products" in shown
