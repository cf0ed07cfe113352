"""Cycles per image beside NNgen 1.3.4's, for the same networks with 8-bit weights and equal numbers of multipliers.

    make bench-nngen

NNgen (https://github.com/NNgen/nngen) reads its weights from external memory for every image, here over an AXI bus to
a memory model without waits; amarray's stay in the array's own memories. So the table compares designs, not circuits
of one size. NNgen's count is from its start command to its end, its results compared with its own software model;
amarray's is that of the steady state, every logit compared with golden. Both run in Verilator. Of NNgen's bus widths
the fastest is shown. A 5x5 convolution of NNgen has 25 multipliers at least.
"""

import math
import os
import subprocess
import sys
import tempfile
from contextlib import chdir
from pathlib import Path

import nngen as ng
import numpy as np
import veriloggen as vg
from rich.console import Console
from rich.table import Table
from veriloggen import thread
from veriloggen.types import axi

from hw import build as builds
from hw.compiler import compile_network, size_array
from sim import verilator
from sim.simulate import compare, simulate
from sw.fixed import Format
from sw.network import Conv2d, Dense, InputContract, MaxPool, Network, Requantize

SEED = 1
IMAGES = 20
CHUNK = 64
"""Alignment of NNgen's memory regions in bytes."""
BUSES = (32, 128, 256)
"""Widths of NNgen's memory bus in bits; 32 is its default."""
VERILATOR = ("--binary", "--timing", "-Wno-lint", "-O3", "-CFLAGS", "-O1", "-j", "2", "--top-module", "bench")
MLP = ("mlp 784-16-16-10", (16, 16, 10))
LENET = ("LeNet-5 without padding", ("conv 6", "conv 16", 120, 84, 10))
CASES = (
    # network, NNgen's multipliers and its (inputs, outputs) at a time, amarray's lanes x taps x pixels
    (MLP, 16, (4, 4), (16, 1, 1)),
    (MLP, 64, (8, 8), (16, 4, 1)),
    (MLP, 128, (16, 8), (16, 8, 1)),
    (LENET, 25, (1, 1), (2, 8, 1)),
    (LENET, 25, (1, 1), (4, 6, 1)),
    (LENET, 400, (4, 4), (8, 10, 4)),
)


def random_network(name: str, widths: tuple) -> Network:
    """The network with random 8-bit weights; "conv N" is a 5x5 convolution and a 2x2 max pool."""
    rng = np.random.default_rng(SEED)
    shape, layers = (28, 28, 1), []
    for index, width in enumerate(widths):
        outputs = int(str(width).removeprefix("conv "))
        ones = np.ones(outputs, dtype=np.int64)
        is_last = index == len(widths) - 1
        scale = None if is_last else Requantize(ones, 12 * ones, Format(8, signed=False))
        if width == outputs:
            added = [Dense(rng.integers(-127, 128, (outputs, math.prod(shape))), 0 * ones, 8, scale)]
        else:
            weight = rng.integers(-127, 128, (outputs, 5, 5, shape[2]))
            added = [Conv2d(weight, 0 * ones, 8, scale), MaxPool(2)]
        for layer in added:
            shape = layer.output_shape(shape)
            layers.append(layer)
    return Network(name, InputContract((28, 28, 1)), tuple(layers))


def amarray_cycles(network: Network, shape: tuple[int, int, int], folder: Path) -> float:
    """Cycles per image in the steady state, measured; every logit must equal golden's."""
    build = builds.write(compile_network(network, size_array(network, *shape)), folder / "build")
    images = np.random.default_rng(SEED).integers(0, 256, (IMAGES, 28, 28, 1))
    done = simulate(build, images, "native")
    if compare(build.network, images, done).size:
        raise SystemExit(f"{network.name} on {shape}: the Verilog differs from golden")
    return build.compiled.schedule.cycles_per_image(done.result_cycles, done.counters["busy"])


def nngen_cycles(network: Network, together: tuple[int, int], bus: int, folder: Path) -> int:
    """Cycles from NNgen's start to its end, for one image of small random pixels; parameters as of `nngen_graph`.

    bus: width of the memory bus in bits.
    """
    source, logits = nngen_graph(network, together)
    pixels = np.random.default_rng(SEED).integers(0, 64, source.shape)
    folder.mkdir()
    with chdir(folder):
        write_bench(source, logits, pixels, together, bus)
        printed = run_bench()
    counted = [int(line.split()[1]) for line in printed.splitlines() if line.startswith("cycles ")]
    if not counted or "different" in printed:
        raise SystemExit(f"NNgen's hardware does not compute what its model does: {printed[-300:]}")
    return counted[0]


def nngen_graph(network: Network, together: tuple[int, int]):
    """NNgen's placeholder of the pixels, and its logits.

    together: inputs and outputs of a layer that share no multiplier.
    """
    parallel = dict(zip(("par_ich", "par_och"), together, strict=True))
    shape = (1, *network.input.shape) if isinstance(network.layers[0], Conv2d) else (1, network.input.size)
    source = value = ng.placeholder(ng.int8, shape=shape, name="pixels")
    for index, layer in enumerate(network.layers):
        if isinstance(layer, MaxPool):
            value = ng.max_pool_serial(value, (1, 2, 2, 1), (1, 2, 2, 1))
            value.attribute(par=together[1])
            continue
        weight = ng.variable(ng.int8, shape=layer.weight.shape, name=f"weight_{index}")
        weight.set_value(layer.weight)
        options = {"act_func": None if layer.requantize is None else ng.relu, "sum_dtype": ng.int32}
        options["name"] = "logits" if layer.requantize is None else f"layer_{index}"
        if isinstance(layer, Conv2d):
            value = ng.conv2d(value, weight, strides=(1, 1, 1, 1), padding=(0, 0, 0, 0), **options)
        else:
            if len(value.shape) > 2:
                value = ng.reshape(value, [1, -1])
            value = ng.matmul(value, weight, transposed_b=True, **options)
        value.attribute(cshamt_out=12, **parallel)
    return source, value


def write_bench(source, logits, pixels: np.ndarray, together: tuple[int, int], bus: int) -> None:
    """Write bench.v: NNgen's hardware, a memory model with all data, and what drives and compares them."""
    (expected,) = ng.eval([logits], pixels=pixels)
    design = ng.to_veriloggen([logits], "nngen_core", silent=True, config={"maxi_datawidth": bus})
    parameters = ng.export_ndarray([logits], CHUNK)

    def aligned(address: int) -> int:
        return -(-address // CHUNK) * CHUNK

    weights_at = aligned(source.addr + source.memory_size)
    expected_at = aligned(weights_at + len(parameters))
    scratch_at = aligned(expected_at + logits.memory_size)
    memory = np.zeros(1 << 20, dtype=np.int64)
    beat = bus // 8
    axi.set_memory(memory, pixels, 32, 8, source.addr, max(beat, together[0]))
    axi.set_memory(memory, parameters, 32, 8, weights_at)
    axi.set_memory(memory, expected, 32, 8, expected_at, max(beat, together[1]))

    bench = vg.Module("bench")
    bench.copy_params(design)
    ports = bench.copy_sim_ports(design)
    clock, reset_low = ports["CLK"], ports["RESETN"]
    reset = bench.Wire("RST")
    reset.assign(vg.Not(reset_low))
    model = axi.AxiMemoryModel(
        bench, "model", clock, reset, datawidth=bus, memimg=memory, memimg_name="memory.out", memimg_datawidth=32
    )
    model.connect(ports, "maxi")
    control = thread.AXIMLite(bench, "control", clock, reset, noio=True)
    control.connect(ports, "saxi")
    cycles = bench.Reg("cycles", 32, initval=0)
    vg.Seq(bench, "count", clock, reset)(cycles.inc())
    classes = logits.shape[1]

    def run():
        for _ in range(100):
            pass
        ng.sim.set_global_addrs(control, scratch_at)
        before = cycles.value
        ng.sim.start(control)
        ng.sim.wait(control)
        print("cycles %d" % (cycles.value - before))  # noqa: UP031  (becomes Verilog)
        for index in range(classes):
            found = model.read_word(index, logits.addr, 8)
            wanted = model.read_word(index, expected_at, 8)
            if thread.verilog.NotEql(found, wanted):
                print("different %d" % index)  # noqa: UP031
        thread.finish()

    thread.Thread(bench, "runs", clock, reset, run).start()
    bench.Instance(design, "core", params=bench.connect_params(design), ports=bench.connect_ports(design))
    vg.simulation.setup_clock(bench, clock, hperiod=5)
    start = vg.simulation.setup_reset(bench, reset_low, bench.make_reset(), period=100, polarity="low")
    start.add(vg.Delay(100_000_000), vg.Systask("finish"))
    Path("bench.v").write_text(bench.to_verilog(), encoding="utf-8")


def run_bench() -> str:
    """Compile bench.v with Verilator and run it; returns what it prints."""
    environment = os.environ | verilator.environment()
    command = ["verilator", *VERILATOR, "-o", "bench", "bench.v"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"Verilator does not compile NNgen's Verilog: {done.stderr[-300:]}")
    return subprocess.run(["obj_dir/bench"], capture_output=True, text=True, check=True).stdout


def main() -> int:
    """Measure all cases and print the table."""
    print(f"seed {SEED}")
    table = Table("network", "NNgen", "bus", "cycles", "default bus", "amarray", "MACs", "cycles", "ratio")
    known = {}
    for (name, widths), multipliers, together, shape in CASES:
        network = random_network(name, widths)
        with tempfile.TemporaryDirectory(prefix="amarray-bench-") as folder:
            ours = amarray_cycles(network, shape, Path(folder))
            if (name, together) not in known:
                known[name, together] = {
                    bus: nngen_cycles(network, together, bus, Path(folder) / str(bus)) for bus in BUSES
                }
        theirs = known[name, together]
        bus = min(theirs, key=theirs.get)
        row = [name, f"{multipliers} MACs", f"{bus} bits", f"{theirs[bus]:,}", f"{theirs[BUSES[0]]:,}"]
        row += [" x ".join(map(str, shape)), str(math.prod(shape)), f"{ours:,.0f}", f"{theirs[bus] / ours:.1f}"]
        table.add_row(*row)
        print(*row, file=sys.stderr)
    Console(width=130).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
