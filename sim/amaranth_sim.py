"""The testbench in Amaranth's own simulator: needs no Verilog and no compiler, and suits a few images."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from amaranth import ClockDomain, Const, Module, Shape, Value
from amaranth.lib.wiring import Component
from amaranth.sim import Simulator

from sim.bench import RESET_CYCLES, Bench
from sim.job import Job, Simulation
from sw.network import Network

PERIOD = 10e-9
"""Of the clock, in seconds; the same as in sim/cosim_images.py, so that waveforms compare."""


def simulate_component(
    accelerator: Component,
    network: Network,
    images: np.ndarray,
    watchdog: Callable[[int], int],
    *,
    instructions: bool = False,
    **options,
) -> Simulation:
    """Send the images through an accelerator that was never exported.

    Parameters
    ----------
    accelerator: see `run`.
    watchdog: cycles without stalls in which that many images must be answered.
    instructions: see `run`.
    options: idle, back_pressure, seed, reset_after, load_image; see sim.job.Job.

    Raises SimulationError where the accelerator breaks a rule of sim.bench.
    """
    taps = Value.cast(accelerator.i_pixels.payload).shape().width // 8
    counters = accelerator.counters.signature.members
    job = Job.of(network, images, taps, result_fields(accelerator), counters, watchdog, **options)
    return run(accelerator, job, instructions=instructions)


def run(
    accelerator: Component,
    job: Job,
    *,
    waves: Path | None = None,
    progress: Callable[[int], None] = lambda answered: None,
    instructions: bool = False,
) -> Simulation:
    """Simulate the job.

    Parameters
    ----------
    accelerator: component with the ports i_pixels, o_result and counters; with `instructions` also status.
    waves: VCD file to write.
    progress: called with the number of images answered.
    instructions: count for how many cycles each instruction ran.

    Raises SimulationError where the accelerator breaks a rule of sim.bench.
    """
    start = time.perf_counter()
    m = Module()
    m.domains.sync = domain = ClockDomain("sync")
    m.submodules.accelerator = accelerator
    with _long_integers():
        simulator = Simulator(m)
    simulator.add_clock(PERIOD)
    testbench = _Testbench(accelerator, domain, job, progress, instructions)
    simulator.add_testbench(testbench.run)
    built = time.perf_counter()
    with simulator.write_vcd(str(waves)) if waves else nullcontext():
        simulator.run()
    return Simulation(
        "amaranth",
        **testbench.results,
        counters=testbench.counters,
        seconds={"build": built - start, "run": time.perf_counter() - built},
        instruction_cycles=dict(testbench.instruction_cycles),
    )


def result_fields(accelerator: Component) -> dict[str, dict]:
    """Offset, width and signed of each field of a result beat."""
    fields = {}
    for name, field in accelerator.o_result.payload.shape():
        shape = Shape.cast(field.shape)
        fields[name] = {"offset": field.offset, "width": shape.width, "signed": shape.signed}
    return fields


@contextmanager
def _long_integers() -> Iterator[None]:
    """Lets Amaranth write masks of more than 4,300 digits into its code: a word of weights can be as wide."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)


class _Testbench:
    """Connects Bench with the ports; after `run`, results and counters hold what came out."""

    def __init__(self, accelerator, domain, job, progress, instructions):
        self._domain, self._job, self._progress = domain, job, progress
        self._pixels, self._result = accelerator.i_pixels, accelerator.o_result
        self._load = accelerator.i_load if "i_load" in accelerator.signature.members else None
        self._counters = {name: getattr(accelerator.counters, name) for name in job.counters}
        self._status = [accelerator.status.running, accelerator.status.instruction] if instructions else []
        self.instruction_cycles = Counter()

    async def run(self, ctx):
        """Reset, simulate, collect."""
        await self._reset(ctx)
        if self._job.reset_after is not None:
            await self._clock(ctx, Bench(self._job), self._job.reset_after)
            self.instruction_cycles.clear()
            await self._reset(ctx)
        bench = Bench(self._job, self._progress)
        await self._clock(ctx, bench)
        self.results = bench.results()

    async def _reset(self, ctx):
        ctx.set(self._pixels.valid, 0)
        ctx.set(self._result.ready, 0)
        if self._load is not None:
            ctx.set(self._load.valid, 0)
        ctx.set(self._domain.rst, 1)
        for _ in range(RESET_CYCLES):
            await ctx.tick()
        ctx.set(self._domain.rst, 0)

    async def _clock(self, ctx, bench, cycles=None):
        """Run the bench until it is done, or for so many cycles."""
        payload = Value.cast(self._pixels.payload)
        samples = [self._pixels.ready, self._result.valid, Value.cast(self._result.payload)]
        samples += [self._load.ready if self._load is not None else Const(0), *self._status]
        self.counters = {}
        while not bench.done and bench.cycle != cycles:
            ctx.set(payload, bench.source.payload)
            ctx.set(self._pixels.valid, bench.source.valid)
            ctx.set(self._result.ready, bench.sink.ready)
            if self._load is not None:
                ctx.set(Value.cast(self._load.payload), bench.load.payload)
                ctx.set(self._load.valid, bench.load.valid)
            _, _, ready, valid, word, load_ready, *status = await ctx.tick().sample(*samples)
            if status and status[0] and not bench.answered:
                self.instruction_cycles[status[1]] += 1
            if bench.answered and not self.counters:  # the cycle of the last result is counted
                self.counters = {name: ctx.get(counter) for name, counter in self._counters.items()}
            bench.clock(ready, valid, word, load_ready)
