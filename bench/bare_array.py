"""The clock of a bare array, the yardstick for the whole accelerator: block RAM, multiplier, accumulator, no more.

Each multiplier has a lane of one tap, a weight of its own in a block RAM and the activation of all lanes; one counter
addresses both memories. The contents are random. The clock is the median of the seeds, as `amarray place` has it;
with a build, that one is placed on the same device with the same seeds beside it, and weights have its bits.

    .venv/bin/python bench/bare_array.py --device ecp5-25k --speed 6 --multipliers 28 --seeds 5 [--build BUILD]
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from amaranth import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw import build as builds
from hw.config import ArrayConfig
from hw.fpga.devices import device
from hw.fpga.place import place, place_seeds
from hw.fpga.synth import synthesize
from hw.mac import Lane
from hw.memories import StaticMemory
from hw.multiplier import Multiplier
from hw.stream import delayed
from hw.verilog import convert

DEPTH = 512
"""Words of both memories: one block RAM deep."""
NAME = "bare_array"


class BareArray(wiring.Component):
    """So many lanes of one tap that never stop; a sum begins with each round of the counter.

    Members
    -------
    first: In(1), a sum begins. sums: Out, the accumulators.
    """

    def __init__(self, lanes: int, weight_bits: int = 8):
        self.config = ArrayConfig(lanes=lanes, taps=1, weight_bits=weight_bits)
        super().__init__({"first": In(1), "sums": Out(data.ArrayLayout(signed(self.config.accumulator_bits), lanes))})

    def elaborate(self, platform):
        """Build counter, memories, lanes."""
        m = Module()
        config, rng = self.config, np.random.default_rng(1)
        bits = config.lanes * config.weight_bits
        words = [int.from_bytes(rng.bytes(-(-bits // 8)), "little") % (1 << bits) for _ in range(DEPTH)]
        m.submodules.weights = weights = StaticMemory(bits, DEPTH, words)
        m.submodules.activations = activations = StaticMemory(8, DEPTH, rng.integers(0, 256, DEPTH).tolist())
        address = Signal(range(DEPTH))
        m.d.sync += address.eq(address + 1)
        m.d.comb += [weights.address.eq(address), activations.address.eq(address)]
        first = delayed(m, self.first, 1)
        weight = data.View(data.ArrayLayout(signed(config.weight_bits), config.lanes), weights.data)
        for index in range(config.lanes):
            m.submodules[f"multiplier_{index}"] = multiplier = Multiplier(config)
            m.submodules[f"lane_{index}"] = lane = Lane(config)
            m.d.comb += [
                multiplier.activation.eq(activations.data),
                multiplier.weight.eq(weight[index]),
                lane.products[0].eq(multiplier.product),
                lane.add.eq(1),
                lane.first.eq(first),
                self.sums[index].eq(lane.accumulator),
            ]
        return m


def clocks(verilog: Path, ports: dict, top: str, target, seeds: int, folder: Path) -> tuple[dict, dict]:
    """Of a design in the harness: what synthesize tells, and its clocks."""
    netlist = folder / f"{top}.json"
    counts = synthesize(verilog, target, top=top, ports=ports, netlist=netlist)
    return counts, place_seeds(range(1, seeds + 1), lambda seed: place(netlist, target, seed))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="ecp5-25k")
    parser.add_argument("--speed")
    parser.add_argument("--multipliers", type=int, default=28)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--build", type=Path)
    options = parser.parse_args()
    target = device(options.device, options.speed)
    build = builds.load(options.build) if options.build else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = BareArray(options.multipliers, build.config.weight_bits) if build else BareArray(options.multipliers)
        convert(bare, NAME, folder / "bare.v")
        ports = {name: {"direction": "input", "width": 1} for name in ("clk", "rst", "first")}
        ports["sums"] = {"direction": "output", "width": len(bare.sums.as_value())}
        rows = [
            (
                f"bare array of {options.multipliers}",
                *clocks(folder / "bare.v", ports, NAME, target, options.seeds, folder),
            )
        ]
        if build:
            found = clocks(build.verilog, build.ports, "accelerator", target, options.seeds, folder)
            rows.append((f"{build.network.name} on {build.config.shape}", *found))
    for name, counts, placed in rows:
        clock = placed["clock_mhz"]
        every = " ".join(f"{mhz:.1f}" for mhz in clock["all"])
        print(f"{name}: median {clock['median']:.1f} MHz, best {clock['best']:.1f} ({every}), {counts['resources']}")
    if build:
        print(f"ratio {rows[1][2]['clock_mhz']['median'] / rows[0][2]['clock_mhz']['median']:.3f}")


if __name__ == "__main__":
    main()
