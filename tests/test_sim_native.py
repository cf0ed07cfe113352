"""The bulk runs: the same logits, cycles and counters as under cocotb and in Amaranth's simulator."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from networks import random_image_network, random_images
from sim_designs import COMPILED, FIELDS, VERILOG, images
from tiers import slow

from hw import build as hw_build
from hw.compiler import compile_network, size_array
from hw.schedule import SCHEDULES
from sim import native, verilator
from sim.bench import SimulationError
from sim.job import Job
from sim.simulate import compare, simulate
from sw.errors import InputError
from sw.golden import infer


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return hw_build.write(COMPILED, tmp_path_factory.mktemp("native") / "build")


def same(one, other) -> None:
    assert one.logits.tolist() == other.logits.tolist()
    assert one.labels.tolist() == other.labels.tolist()
    assert one.result_cycles.tolist() == other.result_cycles.tolist()
    assert one.counters == other.counters


def test_equals_the_amaranth_simulator(build):
    same(simulate(build, images(30), "native"), simulate(build, images(30), "amaranth"))


def test_wide_beats_and_logits(tmp_path):
    """Beats of 128 bits, of which Verilator makes arrays, and an image network."""
    network = random_image_network(3, ("padded", "maxpool"), shape=(9, 8, 1))
    compiled = compile_network(network, size_array(network, 2, 16))
    build = hw_build.write(compiled, tmp_path / "build")
    pixels = random_images(3, network, 20)
    done = simulate(build, pixels, "native")
    same(done, simulate(build, pixels, "amaranth"))
    assert compare(build.network, pixels, done).size == 0
    assert done.result_cycles.tolist() == compiled.schedule.result_cycles(20).tolist()
    assert done.first_result == compiled.schedule.first_result(20)


@pytest.mark.parametrize("kind", SCHEDULES)
@pytest.mark.parametrize(
    "steps", [("conv", "residual"), *slow([("padded", "strided"), ("conv", "depthwise", "maxpool")])]
)
def test_hundreds_of_images_through_each_kind_of_network(steps, kind, tmp_path):
    network = random_image_network(7, steps, shape=(12, 12, 1))
    compiled = compile_network(network, size_array(network, 4, 6, 2, kind=kind), kind)
    build = hw_build.write(compiled, tmp_path / "build")
    pixels = random_images(7, network, 300)
    done = simulate(build, pixels, "native")
    assert len(done.logits) == 300
    assert compare(build.network, pixels, done).size == 0
    assert done.result_cycles.tolist() == compiled.schedule.result_cycles(300).tolist()


def test_a_changed_weight_is_found(build):
    layers = [*COMPILED.network.layers]
    weight = layers[-1].weight.copy()
    weight[0] = -weight[0]
    other = replace(
        build,
        compiled=replace(
            COMPILED, network=replace(COMPILED.network, layers=(*layers[:-1], replace(layers[-1], weight=weight)))
        ),
    )
    done = simulate(build, images(10), "native")
    assert compare(build.network, images(10), done).size == 0
    wrong = (infer(other.network, images(10)).logits != done.logits).any(axis=1)
    assert compare(other.network, images(10), done).tolist() == np.flatnonzero(wrong).tolist() != []


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"idle": "random"}, "idle"),
        ({"back_pressure": "late", "reset_after": 3}, "back_pressure, reset_after"),
        ({"waves": "waves.vcd"}, "waves"),
    ],
)
def test_what_it_does_not_do_is_refused(build, options, names):
    with pytest.raises(InputError, match=f"^simulator native runs without {names}; take simulator verilator$"):
        simulate(build, images(1), "native", **options)


def job() -> Job:
    return Job.of(COMPILED.network, images(2), 3, FIELDS, ["cycles"], lambda count: 50 * count)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("assign i_pixels__ready = 1; assign o_result__valid = 0;", "cycle 50: no result for 50 cycles$"),
        ("assign i_pixels__ready = 1; assign o_result__valid = 1;", "`last` must mark exactly the last logit"),
    ],
)
def test_an_accelerator_that_breaks_a_rule(tmp_path, body, message):
    verilog = tmp_path / "accelerator.v"
    verilog.write_text(VERILOG.format(body=body))
    program = native.compiled(verilog, ["cycles"])
    assert program == native.compiled(verilog, ["cycles"])
    with pytest.raises(SimulationError, match=message):
        native.run(program, job())


def test_a_program_may_print_any_bytes(tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nprintf 'no \\377 answer' >&2\nexit 1\n")
    program.chmod(0o700)
    with pytest.raises(SimulationError, match=r"no . answer"):
        native.run(program, job())


def test_a_program_that_lies_in_a_build_is_not_run(tmp_path):
    """Under the name that up to version 0.1 a compiled program had there."""
    build, ran = hw_build.write(COMPILED, tmp_path / "build"), tmp_path / "ran"
    counters = [name.removeprefix("counters__") for name in build.ports if name.startswith("counters__")]
    key = hashlib.sha256(build.verilog.read_bytes() + native.SOURCE.read_bytes())
    key.update(repr((native.ARGUMENTS, "-O2", verilator.version(), counters)).encode())
    planted = build.folder / "sim" / f"native-{key.hexdigest()[:16]}"
    planted.parent.mkdir()
    planted.write_text(f"#!/bin/sh\ntouch {ran}\n")
    planted.chmod(0o755)
    before = sorted(build.folder.rglob("*"))
    assert compare(build.network, images(3), simulate(build, images(3), "native")).size == 0
    assert not ran.exists()
    assert sorted(build.folder.rglob("*")) == before


def test_verilog_that_does_not_compile(tmp_path):
    verilog = tmp_path / "accelerator.v"
    verilog.write_text("module accelerator(")
    with pytest.raises(SimulationError, match=r"verilator does not compile accelerator\.v: .*accelerator\.v.*rror"):
        native.compiled(verilog, [])


@pytest.mark.parametrize(
    ("offset", "width", "signed"), [(0, 21, True), (21, 4, False), (60, 9, True), (64, 53, True), (3, 64, True)]
)
def test_fields_of_a_payload(offset, width, signed):
    rng = np.random.default_rng(offset)
    payload = rng.integers(0, 1 << 63, (20, 2)).astype(np.uint64)
    for words, found in zip(payload.tolist(), native._field(payload, offset, width, signed).tolist(), strict=True):
        value = (words[0] | words[1] << 64) >> offset & (1 << width) - 1
        assert found == value - (1 << width if signed and value >> (width - 1) else 0)
