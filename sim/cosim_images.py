"""cocotb test: drives the ports of the compiled accelerator with Bench; started by sim/launch.py.

The plusargs name files: +job holds the Job, +results is written, +progress gets a line per hundredth.
"""

import cocotb
import numpy as np
from cocotb.clock import Clock

from sim.bench import RESET_CYCLES, Bench, SimulationError
from sim.job import Job

PERIOD = 10
"""Of the clock, in nanoseconds."""


@cocotb.test()
async def images(dut):
    """Reset, simulate, save."""
    job = Job.load(cocotb.plusargs["job"])
    with open(cocotb.plusargs["progress"], "w", buffering=1, encoding="utf-8") as progress:
        bench = Bench(job, lambda answered: print(answered, file=progress))
        Clock(dut.clk, PERIOD, "ns").start()
        edge = dut.clk.rising_edge
        await reset(dut, edge)
        if job.reset_after is not None:
            await clock(dut, edge, Bench(job), (), job.reset_after)
            await reset(dut, edge)
        counters = await clock(dut, edge, bench, job.counters)
    counters = {f"counter_{name}": value for name, value in counters.items()}
    np.savez(cocotb.plusargs["results"], **bench.results(), **counters)


async def reset(dut, edge):
    """Assert reset, and release it after the last of its edges."""
    dut.i_pixels__valid.value = 0
    dut.o_result__ready.value = 0
    if loads(dut):
        dut.i_load__valid.value = 0
    dut.rst.value = 1
    for _ in range(RESET_CYCLES):
        await edge
    dut.rst.value = 0


def loads(dut):
    """Whether the accelerator takes load images."""
    return hasattr(dut, "i_load__valid")


async def clock(dut, edge, bench, names, cycles=None):
    """Run the bench until it is done, or for so many cycles; return the named counters as of the last result.

    This loop runs once a cycle, so it reads a payload only with its valid, and writes only what changes.
    """
    pixels_ready, pixels_valid, pixels = dut.i_pixels__ready, dut.i_pixels__valid, dut.i_pixels__payload
    result_ready, result_valid, result = dut.o_result__ready, dut.o_result__valid, dut.o_result__payload
    reloadable = loads(dut)
    if reloadable:
        load, load_valid, load_ready = dut.i_load__payload, dut.i_load__valid, dut.i_load__ready
    source, sink = bench.source, bench.sink
    counters, was_answered = {}, False
    was_valid = was_ready = was_payload = None
    while not bench.done and bench.cycle != cycles:
        if source.payload != was_payload:
            pixels.value = was_payload = source.payload
        if source.valid != was_valid:
            pixels_valid.value = was_valid = source.valid
        if sink.ready != was_ready:
            result_ready.value = was_ready = sink.ready
        if reloadable:
            load.value, load_valid.value = bench.load.payload, bench.load.valid
        await edge
        if was_answered and not counters:  # the cycle of the last result is counted
            counters = {name: getattr(dut, f"counters__{name}").value.to_unsigned() for name in names}
        was_answered = bench.answered
        try:
            valid = bool(result_valid.value)
            taken = reloadable and bool(load_ready.value)
            bench.clock(bool(pixels_ready.value), valid, result.value.to_unsigned() if valid else 0, taken)
        except ValueError as error:
            raise SimulationError(f"cycle {bench.cycle}: an output is neither 0 nor 1: {error}") from None
    return counters
