"""How to quantize, as plain JSON values."""

import dataclasses
from dataclasses import dataclass

from sw.errors import InputError

BITS = (2, 8)
"""Least and greatest number of bits of a weight and of an activation."""
CHOICES = {
    "weights": ("integer", "ternary", "binary"),
    "scales": ("power-of-two", "multiplier"),
    "calibration": ("max", "percentile", "mse"),
}
COARSE_BITS = 2
"""A ternary or binary weight takes so many bits."""


@dataclass(frozen=True)
class Settings:
    """How to quantize.

    Parameters
    ----------
    weight_bits: 2..8; one number, or one for each layer that has weights (Conv2d, Dense), in the order of the signal.
    activation_bits: 2..8; one number, or one for each layer that requantizes; the input pixel stays 8 bits.
    weights: "integer" uses the whole range of weight_bits. "ternary" allows layers of 2 bits only -1, 0 and 1
        with the scale of Li et al., "binary" only -1 and 1; layers of more bits stay "integer".
    scales: "power-of-two" chooses the scales such that m is 1 and no multiplier is needed; "multiplier" uses the
        weights' full range and a 16-bit m.
    per_channel: a weight scale per output channel instead of one per layer. The last layer always has one scale,
        for its raw sums are compared with each other.
    calibration: the activation that becomes the greatest integer: "max", the greatest seen; "percentile", the one
        that `percentile` % of those seen do not exceed; "mse", the one of least squared error after rounding and
        clipping.
    percentile: above 0, at most 100.

    Raises InputError where a value is out of range.
    """

    weight_bits: int | tuple[int, ...] = 8
    activation_bits: int | tuple[int, ...] = 8
    weights: str = "integer"
    scales: str = "power-of-two"
    per_channel: bool = True
    calibration: str = "max"
    percentile: float = 99.9

    def __post_init__(self):
        """Check every field."""
        for name in ("weight_bits", "activation_bits"):
            object.__setattr__(self, name, _checked_bits(name, getattr(self, name)))
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")
        if not isinstance(self.per_channel, bool):
            raise InputError(f"per_channel must be true or false, not {self.per_channel!r}")
        percentile = self.percentile
        if not isinstance(percentile, int | float) or isinstance(percentile, bool) or not 0 < percentile <= 100:
            raise InputError(f"percentile must be above 0 and at most 100, not {percentile!r}")
        bits = self.weight_bits if isinstance(self.weight_bits, tuple) else (self.weight_bits,)
        if self.weights != "integer" and COARSE_BITS not in bits:
            raise InputError(
                f"{self.weights} weights need weight_bits 2, or a list with 2 for the layers that shall be "
                f"{self.weights}, not {self.weight_bits}"
            )

    @classmethod
    def from_dict(cls, values: dict) -> "Settings":
        """Make settings of JSON or TOML values; what is not named keeps its default. Raises InputError for others."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                raise InputError(f"the quantizer has no setting {name!r}; it has {', '.join(known)}")
        return cls(**values)

    def to_dict(self) -> dict:
        """All fields as JSON values."""
        values = dataclasses.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    def bits_of(self, name: str, layers: list[str]) -> tuple[int, ...]:
        """The bits of each of these layers; `name` is "weight_bits" or "activation_bits".

        Raises InputError where a list of bits is not as long as the list of layers.
        """
        bits = getattr(self, name)
        if isinstance(bits, int):
            return (bits,) * len(layers)
        if len(bits) != len(layers):
            raise InputError(
                f"{name} has {len(bits)} entries, but {len(layers)} layers take one: {', '.join(layers)}; "
                f"must have {len(layers)}, or be one number for all"
            )
        return bits


def _checked_bits(name: str, value) -> int | tuple[int, ...]:
    """The value, a list as a tuple. Raises InputError unless all is 2..8."""
    several = isinstance(value, list | tuple)
    for bits in value if several else [value]:
        if not isinstance(bits, int) or isinstance(bits, bool) or not BITS[0] <= bits <= BITS[1]:
            what = f"each of {name}" if several else name
            raise InputError(f"{what} must be an integer {BITS[0]}..{BITS[1]}, not {bits!r}")
    return tuple(value) if several else value
