"""Blocks: components that keep a module of their own in the exported design, one for all that are alike.

Synthesis can put the cells of an FPGA in the place of such a module. In Amaranth's simulator a block is what it
builds; in the export each is an instance of a module that is built once, by the same code.
"""

from amaranth import ClockSignal, Instance
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.wiring import In


class Block(wiring.Component):
    """A component whose module's name tells all that it depends on.

    Its registers have no reset. A subclass has `module`, the name, and `build`, which makes what it is.
    """

    is_clocked = True

    def elaborate(self, platform):
        """Build it, or an instance of it where `platform` is a BlockExport."""
        return platform.instance(self) if isinstance(platform, BlockExport) else self.build()


class BlockExport:
    """The platform of an export: replaces blocks by instances, and has the modules of all that it met."""

    def __init__(self):
        self._blocks: dict[str, Block] = {}

    def instance(self, block: Block) -> Instance:
        """An instance of the block's module."""
        self._blocks.setdefault(block.module, block)
        ports = {
            f"{'i' if member.flow == In else 'o'}_{'__'.join(map(str, path))}": value
            for path, member, value in block.signature.flatten(block)
        }
        return Instance(block.module, **ports, **({"i_clk": ClockSignal()} if block.is_clocked else {}))

    def convert(self, component, name: str) -> list[str]:
        """RTLIL of the component as module `name`, and of the blocks in it, a text each."""
        texts = [rtlil.convert(component, name=name, platform=self, emit_src=False)]
        return texts + [rtlil.convert(each, name=module, emit_src=False) for module, each in self._blocks.items()]
