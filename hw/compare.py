"""Comparison of signed values as the sign of their difference: one carry chain and nothing behind it."""

from amaranth import Value


def is_less(one, other) -> Value:
    """Whether one < other, both signed."""
    return (Value.cast(one) - Value.cast(other))[-1]
