"""Runs a component in Amaranth's simulator."""

import gc
import warnings

import pytest
from amaranth.hdl import UnusedElaboratable
from amaranth.sim import Simulator


def run(component, testbench) -> None:
    """Simulate until the testbench, an `async def` of one context, returns."""
    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


def answers(component, inputs, drive, read) -> list:
    """What a component without registers answers: `drive(ctx, input)`, `read(ctx)` for each."""
    found = []

    async def testbench(ctx):
        for each in inputs:
            drive(ctx, each)
            found.append(read(ctx))

    simulator = Simulator(component)
    simulator.add_testbench(testbench)
    simulator.run()
    return found


def outputs(component, inputs, drive, read, latency: int) -> list:
    """What a pipeline answers: `drive(ctx, input)` each cycle, `read(ctx)` so many cycles after each."""
    answers = []

    async def testbench(ctx):
        for cycle in range(len(inputs) + latency):
            if cycle < len(inputs):
                drive(ctx, inputs[cycle])
            if cycle >= latency:
                answers.append(read(ctx))
            await ctx.tick()

    run(component, testbench)
    return answers


def check_refusal(error: type[Exception], message: str, make) -> None:
    """`make` must raise; what it made so far is never used, of which Amaranth need not warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        with pytest.raises(error, match=message):
            make()
        gc.collect()
