"""The quantized network: layers, the way they read each other, and every check. sw/network_file.py stores it."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from sw import limits
from sw.errors import InputError
from sw.fixed import Format, signed_bits
from sw.integer_layer import ACCUMULATOR_BITS, MULTIPLIER_BITS, SHIFT_LIMIT, Layer, Range, Requantize, Shape
from sw.integer_layers import Add, AvgPool, Conv2d, Dense, MaxPool
from sw.limits import check_most
from sw.text import check_json_object, check_name

__all__ = [
    "ACCUMULATOR_BITS",
    "MULTIPLIER_BITS",
    "PIXEL",
    "SHIFT_LIMIT",
    "Add",
    "AvgPool",
    "Conv2d",
    "Dense",
    "InputContract",
    "MaxPool",
    "Network",
    "Requantize",
]

PIXEL = Format(8, signed=False)
"""The only input format."""


@dataclass(frozen=True)
class InputContract:
    """What a pixel is: its place, its integer format and the real number it stands for.

    Parameters
    ----------
    shape: (height, width, channels) of one image.
    form: integer format of a pixel as it enters golden model and hardware.
    scale, zero_point: real value = scale · (pixel - zero_point).
    preprocessing: what happens to a pixel before it enters; only "none" exists.
    """

    shape: Shape
    form: Format = PIXEL
    scale: float = 1 / 255
    zero_point: int = 0
    preprocessing: str = "none"

    def __post_init__(self):
        limits.check_shape(self.shape)
        if not self.scale > 0:
            raise InputError(f"input scale must be positive, not {self.scale}")
        if self.form != PIXEL or self.zero_point != 0 or self.preprocessing != "none":
            raise InputError(
                f"input must be raw uint8 pixels (zero point 0, preprocessing none), "
                f"not {self.form}, zero point {self.zero_point}, preprocessing {self.preprocessing!r}"
            )

    @property
    def size(self) -> int:
        """Pixels in one image, channels included."""
        return math.prod(self.shape)


@dataclass(frozen=True, eq=False)
class Network:
    """A quantized network: input contract, layers in order, and notes that travel with it.

    Parameters
    ----------
    name: what reports call it, 1..100 printable characters.
    input: the input contract.
    layers: at least one; each reads earlier ones, and each but the last is read. The last one sums, and it is
        the only one of those that sum that does not requantize; its output has the shape (1, 1, classes).
    notes: JSON object for reports (float accuracy, recipe, seed), at most 64 KiB; no part of inference.

    Raises InputError with the layer's number where a rule is broken, and where it is larger than sw.limits allows, so
    that every Network infers.
    """

    name: str
    input: InputContract
    layers: tuple[Layer, ...]
    notes: dict = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "layers", tuple(self.layers))
        check_name(self.name, "a network")
        self._check_notes()
        if not self.layers:
            raise InputError("a network must have at least one layer")
        check_most("layers of a network", len(self.layers), limits.LAYERS)
        self._check_requantization()
        self._check_readers()
        if self.shapes[-1][:2] != (1, 1):
            raise InputError(
                f"layer {len(self.layers) - 1} is the last and puts out {self.shapes[-1]}; must be (1, 1, classes)"
            )
        self._check_size()
        for index in range(len(self.layers)):
            self._check_bounds(index)

    def _check_notes(self) -> None:
        check_json_object(self.notes, "the notes of a network")
        accuracy = self.notes.get("float_accuracy")
        is_number = isinstance(accuracy, int | float) and not isinstance(accuracy, bool)
        if accuracy is not None and not (is_number and 0 <= accuracy <= 1):
            raise InputError(f"float_accuracy in the notes of a network must be 0..1, not {accuracy!r}")

    def _check_requantization(self) -> None:
        *hidden, last = self.layers
        if not last.sums:
            raise InputError(f"layer {len(hidden)} is the last and a {last.kind}; the last must be one that sums")
        for index, layer in enumerate(hidden):
            if layer.sums and layer.requantize is None:
                raise InputError(f"layer {index} must requantize: only the last layer's sums leave raw")
        if last.requantize is not None:
            raise InputError(f"layer {len(hidden)} must not requantize: the last layer's sums leave raw")

    def _check_readers(self) -> None:
        for index, operands in enumerate(self.operands):
            for read in operands:
                if not isinstance(read, int) or isinstance(read, bool) or not -1 <= read < index:
                    raise InputError(
                        f"layer {index} reads layer {read!r}; must be an earlier layer's index, or -1 for the input"
                    )
        unread = set(range(len(self.layers) - 1)) - set(chain(*self.operands))
        if unread:
            raise InputError(f"layer {min(unread)} is read by no layer; leave it out or name it as a source")

    def _check_size(self) -> None:
        """What inference takes: memory for every layer's output, and time for its products."""
        limits.check_classes(self.classes)
        check_most("parameters of a network", self.parameters, limits.PARAMETERS)
        sizes = [math.prod(shape) for shape in self.shapes]
        check_most("elements of a layer's output", max(sizes), limits.ELEMENTS)
        check_most("elements of all layers' outputs", sum(sizes), limits.ALL_ELEMENTS)
        check_most("multiply-accumulates of an image", self.macs, limits.MACS)

    def _check_bounds(self, index: int) -> None:
        layer, sums = self.layers[index], self.accumulator_ranges[index]
        if sums is None:
            return
        bits = signed_bits(int(sums[0].min()), int(sums[1].max()))
        if bits > ACCUMULATOR_BITS:
            raise InputError(f"layer {index} needs a {bits}-bit accumulator; the greatest width is {ACCUMULATOR_BITS}")
        if layer.requantize is None:
            return
        product = bits + int(layer.requantize.multiplier.max()).bit_length()
        if product > SHIFT_LIMIT:
            raise InputError(
                f"layer {index} needs {product} bits for accumulator times multiplier; the limit is {SHIFT_LIMIT}"
            )

    @cached_property
    def operands(self) -> tuple[tuple[int, ...], ...]:
        """Per layer the indices of what it reads, the source first; -1 is the input."""
        return tuple(
            tuple(index - 1 if read is None else read for read in layer.reads)
            for index, layer in enumerate(self.layers)
        )

    @property
    def sources(self) -> tuple[int, ...]:
        """Per layer the index of its source; -1 is the input."""
        return tuple(operands[0] for operands in self.operands)

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """(height, width, channels) of each layer's output."""
        shapes = {-1: self.input.shape}
        for index, layer in enumerate(self.layers):
            try:
                shapes[index] = layer.output_shape(*(shapes[read] for read in self.operands[index]))
            except InputError as error:
                raise InputError(f"layer {index} ({layer.kind}): {error}") from error
        return tuple(shapes[index] for index in range(len(self.layers)))

    @property
    def source_shapes(self) -> tuple[Shape, ...]:
        """(height, width, channels) of each layer's source."""
        return tuple(self.input.shape if source < 0 else self.shapes[source] for source in self.sources)

    @cached_property
    def formats(self) -> tuple[Format | None, ...]:
        """Format of each layer's output; None for the last, whose sums leave raw."""
        formats = {-1: self.input.form}
        for index, layer in enumerate(self.layers[:-1]):
            formats[index] = layer.requantize.form if layer.sums else formats[self.sources[index]]
        return (*(formats[index] for index in range(len(self.layers) - 1)), None)

    @property
    def source_formats(self) -> tuple[Format, ...]:
        """Format of the activations that each layer's source puts out."""
        return tuple(self.input.form if source < 0 else self.formats[source] for source in self.sources)

    @cached_property
    def accumulator_ranges(self) -> tuple[Range | None, ...]:
        """Per layer least and greatest partial sum, two int64 arrays (channels,); None where nothing is summed."""
        ranges = []
        for layer, operands, shape in zip(self.layers, self.operands, self.source_shapes, strict=True):
            forms = [self.input.form if read < 0 else self.formats[read] for read in operands]
            ranges.append(layer.accumulator_range(*forms, input_shape=shape) if layer.sums else None)
        return tuple(ranges)

    @property
    def classes(self) -> int:
        """Number of logits."""
        return self.shapes[-1][2]

    @property
    def layer_macs(self) -> tuple[int, ...]:
        """Multiply-accumulates of each layer for one image, those with padding's zeros included."""
        return tuple(
            height * width * layer.position_macs
            for layer, (height, width, _) in zip(self.layers, self.shapes, strict=True)
        )

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(self.layer_macs)

    @property
    def parameters(self) -> int:
        """Trained numbers: weights and biases."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def weight_bits(self) -> int:
        """Greatest width of a weight; 0 where no layer has any."""
        return max((layer.weight_bits for layer in self.layers if layer.weight_bits is not None), default=0)

    @property
    def activation_bits(self) -> int:
        """Greatest width of a hidden activation; the pixel's where there is none."""
        forms = [layer.requantize.form for layer in self.layers if layer.requantize is not None]
        return max((form.bits for form in forms), default=self.input.form.bits)
