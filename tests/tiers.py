"""Which values of a parametrized test belong to the tier of `make slow`."""

from collections.abc import Iterable

import pytest


def slow(values: Iterable) -> list:
    """The values, each for the slow tier alone; a tuple is the values of several parameters."""
    return [pytest.param(*(v if isinstance(v, tuple) else (v,)), marks=pytest.mark.slow) for v in values]
