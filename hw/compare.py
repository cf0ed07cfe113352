"""Comparisons without a carry chain behind which more logic waits: as the sign of a difference, as a mask."""

from amaranth import Array, Const, Value


def is_less(one, other) -> Value:
    """Whether one < other, both signed: one carry chain and nothing behind it."""
    return (Value.cast(one) - Value.cast(other))[-1]


def exceeds(one, complement) -> Value:
    """Whether one > other, both signed, given ~other: no inverter stands before the carry chain either."""
    return ~(Value.cast(one) + Value.cast(complement))[-1]


def thermometer(count: Value, width: int) -> Value:
    """The number `count`, at most `width`, as that many ones from bit 0 on: bit i tells whether count > i."""
    return Array(Const((1 << ones) - 1, width) for ones in range(width + 1))[count]
