"""Blocks of the export: one module each, and the same behaviour in Amaranth's simulator."""

import re
from pathlib import Path

import pytest
from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from networks import random_network
from rtl import run

from hw.block import Block, BlockExport
from hw.build import write
from hw.compiler import compile_network, size_array


class Inverter(Block):
    """A register of so many bits, inverted; `is_clocked` or not."""

    def __init__(self, width: int, *, is_clocked: bool = True):
        self.is_clocked = is_clocked
        self.module = f"inverter_{width}" if is_clocked else f"wires_{width}"
        super().__init__({"i": In(width), "o": Out(width)})

    def build(self) -> Module:
        m = Module()
        kept = Signal.like(self.i)
        domain = m.d.sync if self.is_clocked else m.d.comb
        domain += kept.eq(self.i)
        m.d.comb += self.o.eq(~kept)
        return m


class Chain(wiring.Component):
    """Inverters behind each other."""

    def __init__(self, *blocks: Block):
        self._blocks = blocks
        width = len(blocks[0].i)
        super().__init__({"i": In(width), "o": Out(width)})

    def elaborate(self, platform):
        m = Module()
        value = self.i
        for index, block in enumerate(self._blocks):
            m.submodules[f"block_{index}"] = block
            m.d.comb += block.i.eq(value)
            value = block.o
        m.d.comb += self.o.eq(value)
        return m


def modules(text: str) -> list[str]:
    return re.findall(r"^module \\(\S+)", text, re.MULTILINE)


def test_blocks_that_are_alike_become_one_module():
    texts = BlockExport().convert(Chain(Inverter(4), Inverter(4), Inverter(3), Inverter(4)), "top")
    assert [modules(text) for text in texts] == [["top"], ["inverter_4"], ["inverter_3"]]
    cells = re.findall(r"^  cell \\(\S+) \\(\S+)", texts[0], re.MULTILINE)
    assert cells == [(f"inverter_{width}", f"block_{index}") for index, width in enumerate((4, 4, 3, 4))]


@pytest.mark.parametrize("is_clocked", [True, False])
def test_an_instance_is_connected_and_has_a_clock_only_where_it_is_clocked(is_clocked):
    top, block = BlockExport().convert(Chain(Inverter(4, is_clocked=is_clocked)), "top")
    cell = top[top.index("  cell \\") :].split("\n  end")[0]
    assert set(re.findall(r"connect \\(\w+)", cell)) == {"i", "o", *(["clk"] if is_clocked else [])}
    ports = re.findall(r"^  wire .*(?:input|output) \d+.* \\(\w+)$", block, re.MULTILINE)
    assert set(ports) - {"rst"} == {"i", "o", *(["clk"] if is_clocked else [])}


def test_in_the_simulator_a_block_is_what_it_builds():
    chain = Chain(Inverter(4), Inverter(4, is_clocked=False))

    async def testbench(ctx):
        for value in range(16):
            ctx.set(chain.i, value)
            await ctx.tick()
            assert ctx.get(chain.o) == value

    run(chain, testbench)


@pytest.fixture(scope="module")
def verilog(tmp_path_factory) -> tuple[str, Path]:
    network = random_network(0, [9, 5, 3])
    build = write(compile_network(network, size_array(network, 2, 3)), tmp_path_factory.mktemp("block") / "build")
    return build.verilog.read_text(), build.folder


def test_the_exported_verilog_has_each_block_once(verilog):
    text, folder = verilog
    blocks = re.findall(r"^module ((?:multiplier|gated_adder)_\w+)", text, re.MULTILINE)
    assert len(blocks) == len(set(blocks))
    assert sum(name.startswith("multiplier") for name in blocks) == 1
    assert sum(name.startswith("gated_adder") for name in blocks) > 1
    assert len(re.findall(r"^\s+multiplier_\w+ \S+ \(", text, re.MULTILINE)) == 2 * 3
    assert not list(folder.glob("*.il"))
