"""The array's parameters: the one place where they are defined and checked."""

from dataclasses import asdict, dataclass, fields

from amaranth.utils import ceil_log2

from sw.errors import InputError
from sw.fixed import Format

# (least, greatest) value of each parameter. The lower limit of 2 on memory depths keeps every address
# at least one bit wide; the upper limits are what one program word can address.
LIMITS = {
    "lanes": (1, 64),
    "taps": (1, 16),
    "pixels": (1, 4),
    "drain_parts": (1, 16),
    "weight_bits": (2, 8),
    "activation_bits": (2, 8),
    "input_bits": (8, 8),
    "interleave": (1, 16),
    "accumulator_bits": (2, 53),
    "logit_bits": (2, 53),
    "multiplier_bits": (0, 16),
    "shift_bits": (1, 6),
    "loops": (2, 10),
    "reduction_loops": (1, 4),
    "pool_loops": (0, 2),
    "input_words": (2, 1 << 20),
    "hidden_words": (2, 1 << 20),
    "weight_words": (2, 1 << 20),
    "parameter_words": (2, 1 << 20),
    "program_words": (2, 1 << 10),
    "result_words": (2, 1 << 16),
    "stages": (1, 64),
    "delay_bits": (1, 24),
}


@dataclass(frozen=True)
class ArrayConfig:
    """Shape, number formats and memory depths of one accelerator.

    Parameters
    ----------
    lanes: output channels that accumulate at the same time, 1..64.
    taps: inputs that each lane multiplies per cycle, 1..16; also the pixels of one input beat.
    pixels: columns of lanes x taps that share the weights, each at a position of its own; 1, 2 or 4.
    drain_parts: parts of a word of `taps` results, which pass the requantizers one after the other; must divide
        `taps`. More parts are fewer requantizers, and more cycles between two tiles.
    weight_bits, activation_bits, input_bits: widths of a weight, a hidden activation and a pixel.
    accumulator_bits: width of an accumulator, bias included.
    logit_bits: width of a logit; that of the accumulator is more where other layers have longer sums.
    multiplier_bits: width of the requantization multiplier; 0 builds the shift-only requantizer.
    shift_bits: width of the requantization shift.
    loops: levels of the loop nest.
    reduction_loops: how many innermost levels belong to one sum.
    pool_loops: how many levels above them walk a pooling window; 0 builds no unit for the maximum. The level
        above these walks the tiles of output channels, those further out the positions.
    input_words, hidden_words: depth of the two activation memories, in words of `taps` elements.
    weight_words: depth of the weight memory, in words of lanes·taps weights.
    parameter_words: depth of the bias and scale memory, in words of `drain_channels` channels.
    program_words: instructions.
    result_words: logits that wait for a slow receiver before the array must wait.
    stages: images in flight at most (the depth of the software pipeline).
    delay_bits: width of an instruction's start delay.
    unaligned_reads: vectors may start at any element, not only at a multiple of `taps`.
    unaligned_writes: the same for the vectors that are written back, where `drain_parts` is 1; a part is always written
        at a multiple of its length.
    interleave: rows of pixels that the loader can interleave, see hw/spreader.py; 1 builds nothing for it.
    input_gaps: whether the loader can leave a gap behind each row of pixels.
    follows_input: whether the first operation can begin while its image is being loaded, see hw/watermark.py.
    reloadable: whether another network can be loaded while the array runs, see hw/reloader.py; doubles the memories
        of program, weights and parameters.

    Raises TypeError or InputError, naming the parameter, its rule and the value.
    """

    lanes: int = 16
    taps: int = 8
    pixels: int = 1
    drain_parts: int = 1
    weight_bits: int = 8
    activation_bits: int = 8
    input_bits: int = 8
    accumulator_bits: int = 24
    logit_bits: int = 24
    multiplier_bits: int = 0
    shift_bits: int = 5
    loops: int = 2
    reduction_loops: int = 1
    pool_loops: int = 0
    input_words: int = 256
    hidden_words: int = 16
    weight_words: int = 128
    parameter_words: int = 16
    program_words: int = 8
    result_words: int = 32
    stages: int = 1
    delay_bits: int = 6
    unaligned_reads: bool = False
    unaligned_writes: bool = False
    interleave: int = 1
    input_gaps: bool = False
    follows_input: bool = False
    reloadable: bool = False

    def __post_init__(self):
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name} must be an int, not {value!r}")
            if not low <= value <= high:
                raise InputError(f"{name} must be {low}..{high}, not {value}")
        for name in ("unaligned_reads", "unaligned_writes", "input_gaps", "follows_input", "reloadable"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be a bool, not {getattr(self, name)!r}")
        if self.pixels == 3:
            raise InputError("pixels must be 1, 2 or 4, not 3")
        if self.taps % self.drain_parts:
            raise InputError(f"drain_parts must divide taps ({self.taps}), not be {self.drain_parts}")
        if self.drain_parts > 1 and self.unaligned_writes:
            raise InputError(f"unaligned_writes must be False with drain_parts of {self.drain_parts}, more than 1")
        if self.taps == 1 and (self.unaligned_reads or self.unaligned_writes):
            raise InputError(
                "unaligned_reads and unaligned_writes must be False with 1 tap: every element starts a word"
            )
        if self.reduction_loops + self.pool_loops >= self.loops:
            raise InputError(
                f"reduction_loops and pool_loops together must be less than loops ({self.loops}), "
                f"not {self.reduction_loops} and {self.pool_loops}: the loop above them walks the output channels"
            )

    @property
    def shape(self) -> str:
        """For reports: 16 lanes x 8 taps, and the columns where there are several."""
        pixels = f" x {self.pixels} pixels" if self.pixels > 1 else ""
        return f"{self.lanes} lanes x {self.taps} taps{pixels}"

    @property
    def spreads_input(self) -> bool:
        """Whether the loader can do more than write pixels one behind the other."""
        return self.interleave > 1 or self.input_gaps

    @property
    def macs(self) -> int:
        """Multiply-accumulates per cycle."""
        return self.lanes * self.taps * self.pixels

    @property
    def drain_channels(self) -> int:
        """Channels of one position that leave the drain in a cycle."""
        return self.taps // self.drain_parts

    @property
    def requantizers(self) -> int:
        """Requantizers that ever get a channel, of those that the array has for each that leaves the drain."""
        return min(self.lanes, self.drain_channels)

    @property
    def word_weights(self) -> int:
        """Weights of one word of the weight memory, which the columns share."""
        return self.lanes * self.taps

    @property
    def weight_word_bits(self) -> int:
        """Width of one word of the weight memory."""
        return self.word_weights * self.weight_bits

    @property
    def operand_format(self) -> Format:
        """What a multiplier takes: any pixel, any unsigned or signed activation."""
        return Format(max(self.input_bits, self.activation_bits) + 1, signed=True)

    @property
    def weight_format(self) -> Format:
        """A weight."""
        return Format(self.weight_bits, signed=True)

    @property
    def drain_words(self) -> int:
        """Words of `drain_channels` channels in one tile of `lanes` channels."""
        return -(-self.lanes // self.drain_channels)

    @property
    def operand_stages(self) -> int:
        """Registers between the activation memories and the multipliers, for the long wires to all lanes.

        An array that follows its input has none: it gives clock for fewer cycles to the first result.
        """
        return 0 if self.follows_input else 1

    @property
    def weight_stages(self) -> int:
        """Registers between weights and multipliers, for the block RAMs of a wide word, of which some are far.

        Those of a narrower word are too far where two weights are put together on their way to one multiplier.
        """
        return self.operand_stages if self.weight_word_bits > (256 if self.pairs_products else 1024) else 0

    @property
    def multiplier_stages(self) -> int:
        """Registers of a multiplier: three in the multiplier block, and one to carry the product to the adders.

        For the same reason an array that follows its input has two, of the operands and the product.
        """
        return 2 if self.follows_input else 4

    @property
    def shift_stages(self) -> int:
        """Registers of a requantizer's shift: two halves are shorter, and take fewer lookup tables than the whole."""
        return 1 if self.follows_input else 2

    @property
    def saturation_stages(self) -> int:
        """Registers of a requantizer's saturation: one for the choice, and one before it for the comparisons."""
        return 1 if self.follows_input else 2

    @property
    def pairs_products(self) -> bool:
        """Whether two lanes share a multiplier: both weights and a product's bits between them are 18 bits at most."""
        return not self.follows_input and self.operand_format.bits + 2 * self.weight_bits <= 19

    @property
    def tile_loop(self) -> int:
        """Index of the level that walks the tiles of output channels."""
        return self.reduction_loops + self.pool_loops

    @property
    def count_bits(self) -> int:
        """Width of a loop counter: no level is longer than the memory that it walks."""
        elements = max(self.input_words, self.hidden_words) * self.taps
        return ceil_log2(max(self.weight_words, self.parameter_words, elements))

    def to_json(self) -> dict:
        """All parameters by name."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict) -> "ArrayConfig":
        """The inverse of `to_json`; unknown or missing names are refused."""
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            wrong = ", ".join(sorted(set(values) ^ known))
            raise InputError(f"array configuration must have exactly the known parameters; unknown or missing: {wrong}")
        return cls(**values)
