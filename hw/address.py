"""Element addresses in mixed radix: (word, bank), bank 0..taps-1.

A memory holds `taps` elements a word. Kept as (word, bank) and stepped in that radix, an element
address needs no division, so `taps` need not be a power of two. Where every vector starts at a word
boundary the bank is always 0 and the hardware has none.
"""

from amaranth import Array, Cat, Const, Value
from amaranth.lib import data
from amaranth.utils import ceil_log2


class AddressLayout(data.StructLayout):
    """Layout of an element address.

    Parameters
    ----------
    words: depth of the memory.
    taps: elements a word.
    unaligned: whether an address may name any element; otherwise the bank is left out.

    Members
    -------
    word: unsigned(ceil_log2(words)).
    bank: unsigned(ceil_log2(taps)), only if `unaligned`.
    """

    def __init__(self, words: int, taps: int, unaligned: bool):
        self.taps = taps
        self.unaligned = unaligned
        members = {"word": ceil_log2(words)}
        if self.unaligned:
            members["bank"] = ceil_log2(taps)
        super().__init__(members)

    @property
    def elements(self) -> int:
        """Number of elements that an address can name."""
        return self.taps << self.members["word"]

    def split(self, elements: int) -> dict[str, int]:
        """An element address, or a step of `elements` (then modulo the depth), as member values."""
        word, bank = divmod(elements, self.taps)
        word %= 1 << self.members["word"]
        if self.unaligned:
            return {"word": word, "bank": bank}
        if bank:
            raise ValueError(f"element address {elements} must be a multiple of {self.taps} in an aligned memory")
        return {"word": word}

    def join(self, address) -> int:
        """The inverse of `split`, for an address given by its members."""
        return address["word"] * self.taps + (address["bank"] if self.unaligned else 0)

    def add(self, address, step) -> Value:
        """Value of `address` plus `step`, both of this layout; exact if the sum is an address."""
        if not self.unaligned:
            return (address.word + step.word)[: len(address.word)]
        width = len(address.bank)
        bank, _ = self.wrap(address.bank + step.bank)
        # With so much more in one bank the sum overflows into the word where it should: one carry chain for both.
        lifted = Array(Const(each + (1 << width) - self.taps, width) for each in range(self.taps))[step.bank]
        total = Cat(address.bank, address.word) + Cat(lifted, step.word)
        return Cat(total[width : width + len(address.word)], bank)

    def wrap(self, total) -> tuple[Value, Value]:
        """The bank that the sum of two banks comes to, and whether the word goes up by one.

        A sum is a few bits: what it comes to is looked up, sooner there than behind another two carry chains.
        """
        width = ceil_log2(self.taps)
        sums = ((carry << width) | bank for carry, bank in (divmod(each, self.taps) for each in range(2 * self.taps)))
        found = Array(Const(each, width + 1) for each in sums)[total]
        return found[:width], found[width]
