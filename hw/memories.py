"""Memories: a plain one for what the compiler lays down, a banked one for activations.

A read passes the block RAM's own register and one more behind it, without which a block RAM is the
slowest part of an FPGA.
"""

from math import gcd

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from hw.address import AddressLayout
from hw.config import ArrayConfig
from hw.program import instruction_layout
from hw.requantize import parameter_layout
from hw.stream import delayed, pipeline

READ_CYCLES = 2
"""Cycles of a read through the output register."""
SHALLOW = 64
"""Words of a memory of activations that synthesis may put into lookup tables; deeper ones are to be block RAMs.

Left to itself yosys takes lookup tables for up to 256 narrow words, with a multiplexer behind them that costs a level.
"""


def write_layout(address: AddressLayout, element_bits: int, stride: int) -> data.StructLayout:
    """A write of `taps` elements at once.

    Members
    -------
    address: of the first element. elements: what to write. mask: which of them.
    strided: element i goes `stride`·i further instead of i; only where `stride` is not 1.
    """
    members = {"address": address, "elements": data.ArrayLayout(element_bits, address.taps), "mask": address.taps}
    return data.StructLayout(members | ({"strided": 1} if stride > 1 else {}))


def load_layout(depth: int, width: int) -> data.StructLayout:
    """A write of one byte of a word: to byte `index` of the word at `address`."""
    return data.StructLayout({"address": ceil_log2(depth), "index": ceil_log2(word_bytes(width)), "byte": 8})


def static_memories(config: ArrayConfig) -> dict[str, tuple[int, int]]:
    """Depth and width in bits of each memory whose words the compiler lays down."""
    return {
        "program": (config.program_words, instruction_layout(config).size),
        "weights": (config.weight_words, config.weight_word_bits),
        "parameters": (config.parameter_words, config.drain_channels * parameter_layout(config).size),
    }


def weights_in_block_ram(config: ArrayConfig) -> bool:
    """Whether synthesis is told to: few words are enough where a word is as wide as a hundred block RAMs."""
    return config.weight_words > 16


def _attributes(in_block_ram: bool) -> dict[str, str]:
    """Of a memory, for synthesis, which otherwise chooses."""
    return {"ram_style": "block"} if in_block_ram else {}


def word_bytes(width: int) -> int:
    """Bytes of a word of `width` bits."""
    return -(-width // 8)


class StaticMemory(wiring.Component):
    """Words that the compiler lays down and the array only reads.

    Parameters
    ----------
    width: bits of a word. depth: words, at least 2. init: the words, unsigned; the rest is 0.
    output_register: whether the read word is registered once more.
    reloadable: whether there are two banks: one is read while the other is written. `init` lies in bank 0.
    in_block_ram: whether synthesis is told to take block RAM; otherwise it chooses.

    Members
    -------
    address: In(ceil_log2(depth)). data: Out(width), the word, READ_CYCLES later, or 1 without output register.
    enable: In(1), 1 where nobody drives it; without it no read is made, and `data` without output register stays.
    bank: In(1), the one that is read, load: In(pipeline(load_layout)), to the other; only where reloadable.

    One word per cycle.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        init,
        *,
        output_register: bool = True,
        reloadable: bool = False,
        in_block_ram: bool = False,
    ):
        init = list(init)
        if len(init) > depth:
            raise ValueError(f"a memory of {depth} words must not get {len(init)} words")
        if any(not 0 <= word < 1 << width for word in init):
            raise ValueError(f"each word of this memory must have at most {width} bits")
        self.depth, self.width, self.init = depth, width, init
        self.output_register, self.reloadable, self.in_block_ram = output_register, reloadable, in_block_ram
        loads = {"bank": In(1), "load": In(pipeline(load_layout(depth, width)))}
        super().__init__(
            {"address": In(ceil_log2(depth)), "enable": In(1, init=1), "data": Out(width)}
            | (loads if reloadable else {})
        )

    def elaborate(self, platform):
        """Build the memory with one read port; where reloadable, the banks' words lie in turn."""
        m = Module()
        attributes = _attributes(self.in_block_ram)
        if self.reloadable:
            init = [word for first in self.init for word in (first, 0)]
            memory = Memory(shape=8 * word_bytes(self.width), depth=2 * self.depth, init=init, attrs=attributes)
            write, load = memory.write_port(granularity=8), self.load.payload
            m.d.comb += [
                write.addr.eq(Cat(~self.bank, load.address)),
                write.data.eq(load.byte.replicate(word_bytes(self.width))),
                write.en.eq(Mux(self.load.valid, 1 << load.index, 0)),
            ]
        else:
            memory = Memory(shape=self.width, depth=self.depth, init=self.init, attrs=attributes)
        m.submodules.memory = memory
        port = memory.read_port()
        m.d.comb += port.addr.eq(Cat(self.bank, self.address) if self.reloadable else self.address)
        m.d.comb += port.en.eq(self.enable)
        m.d.comb += self.data.eq(delayed(m, port.data, int(self.output_register)))
        return m


class BankedMemory(wiring.Component):
    """Activations: reads and writes a vector of `taps` consecutive elements each cycle.

    Element e lies in bank e % taps at word e // taps. A vector that starts in bank b at word w takes
    elements of word w from banks b.. and of word w + 1 from the banks below b; a rotator orders them.
    Where no access is unaligned there is one memory of whole words and no rotator.

    Parameters
    ----------
    config: the array, gives `taps` and whether vectors read may start in any bank (unaligned_reads).
    element_bits: width of an element, stored as it is. words: depth, at least 2.
    unaligned_writes: whether vectors written may start in any bank.
    stride: distance of the elements of a strided write; those that are written must lie in different banks.

    Members
    -------
    read: In(AddressLayout), element address. vector: Out(ArrayLayout), what is there, `latency` cycles later.
    write: In(pipeline(write_layout)).

    One read and one write per cycle, also at once, but not of the same word.
    """

    def __init__(self, config: ArrayConfig, element_bits: int, words: int, *, unaligned_writes: bool, stride: int = 1):
        taps = config.taps
        self.config, self.element_bits, self.words, self.taps = config, element_bits, words, taps
        self.stride = stride
        self.read_layout = AddressLayout(words, taps, config.unaligned_reads)
        self.write_layout = AddressLayout(words, taps, unaligned_writes)
        vector = data.ArrayLayout(element_bits, taps)
        super().__init__(
            {
                "read": In(self.read_layout),
                "vector": Out(vector),
                "write": In(pipeline(write_layout(self.write_layout, element_bits, stride))),
            }
        )

    @staticmethod
    def read_setup(config: ArrayConfig) -> int:
        """Cycles from `read` to the memory's read port: a register for the banks' words."""
        return int(config.unaligned_reads)

    @staticmethod
    def write_setup(unaligned_writes: bool) -> int:
        """Cycles from `write` to the memory's write port: a register behind the rotator."""
        return int(unaligned_writes)

    @staticmethod
    def latency(config: ArrayConfig) -> int:
        """Cycles from `read` to `vector`: port, output register and, if unaligned, the rotator."""
        return BankedMemory.read_setup(config) + READ_CYCLES + int(config.unaligned_reads)

    def elaborate(self, platform):
        """Build the banks between two rotators, or the one wide memory."""
        m = Module()
        if self.read_layout.unaligned or self.write_layout.unaligned:
            self._read_banks(m, self._write_banks(m))
        else:
            m.submodules.memory = memory = self._memory(self.vector.shape())
            read, write = memory.read_port(), memory.write_port(granularity=1)
            m.d.comb += [
                read.addr.eq(self.read.word),
                write.addr.eq(self.write.payload.address.word),
                write.data.eq(self.write.payload.elements),
                write.en.eq(Mux(self.write.valid, self.write.payload.mask, 0)),
            ]
            m.d.comb += self.vector.as_value().eq(delayed(m, Value.cast(read.data), 1))
        return m

    def _memory(self, shape) -> Memory:
        """Words that are 0 until they are written."""
        return Memory(shape=shape, depth=self.words, init=[], attrs=_attributes(self.words > SHALLOW))

    def _write_banks(self, m: Module) -> list[Memory]:
        """Make the banks and write element i to bank (i + b) % taps; returns the banks."""
        write = self.write.payload
        banks = [self._memory(self.element_bits) for _ in range(self.taps)]
        elements = [Cat(write.elements[i], write.mask[i] & self.write.valid) for i in range(self.taps)]
        if self.stride > 1:
            elements = [Mux(write.strided, *pair) for pair in zip(self._strided(elements), elements, strict=True)]
        if self.write_layout.unaligned:
            elements = rotate(elements, write.address.bank, towards=+1)
        domain = m.d.sync if self.write_layout.unaligned else m.d.comb
        for index, (bank, element) in enumerate(zip(banks, elements, strict=True)):
            m.submodules[f"bank_{index}"] = bank
            port = bank.write_port()
            address, enabled_data = Signal.like(port.addr), Signal(self.element_bits + 1)
            further = element[self.element_bits + 1 :]  # words, of a strided write
            domain += [address.eq(bank_word(write.address, index) + further), enabled_data.eq(element)]
            m.d.comb += [port.addr.eq(address), Cat(port.data, port.en).eq(enabled_data)]
        return banks

    def _strided(self, elements: list) -> list:
        """Element i, where it goes if the write begins in bank 0, with the words that it lies further."""
        slots = [Cat(elements[0] & 0)] * self.taps
        for index, element in enumerate(elements[: self.taps // gcd(self.stride, self.taps)]):
            further, bank = divmod(index * self.stride, self.taps)
            slots[bank] = Cat(element, Const(further, bits_for(self.stride)))
        return slots

    def _read_banks(self, m: Module, banks: list[Memory]) -> None:
        """Read element i of the vector from bank (i + b) % taps."""
        domain = m.d.sync if self.read_layout.unaligned else m.d.comb
        elements = []
        for index, bank in enumerate(banks):
            port = bank.read_port()
            address = Signal.like(port.addr)
            domain += address.eq(bank_word(self.read, index))
            m.d.comb += port.addr.eq(address)
            elements.append(delayed(m, port.data, 1))
        if self.read_layout.unaligned:
            start = delayed(m, self.read.bank, self.latency(self.config) - 1)
            m.d.sync += self.vector.eq(Cat(rotate(elements, start, towards=-1)))
        else:
            m.d.comb += self.vector.eq(Cat(elements))


def bank_word(address, index: int):
    """Word of bank `index` that holds an element of the vector at `address`."""
    return address.word + (address.bank > index) if "bank" in address.shape().members else address.word


def rotate(values: list, amount, towards: int) -> list:
    """Rotate a list of equally wide values by a variable amount: value i moves to i ± amount, modulo the length.

    A rotation by the sum of powers of two is the rotations by each in turn, whatever the length is.
    """
    count = len(values)
    for bit in range(len(amount)):
        values = [Mux(amount[bit], values[(i - towards * (1 << bit)) % count], values[i]) for i in range(count)]
    return values
