"""Which values of a parametrized test belong to the tier of `make slow`."""

from collections.abc import Iterable

import pytest


def slow(values: Iterable) -> list:
    """The values, each for the slow tier alone."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]
