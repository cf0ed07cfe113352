"""The simulators as a parameter of tests."""

import pytest

from sim.build import TOOLS

EACH_SIMULATOR = [
    pytest.param(name, marks=pytest.mark.icarus if name == "icarus" else ()) for name in (*TOOLS, "amaranth")
]
"""All that stall and reset; native has tests of its own. conftest.py leaves Icarus out where it is not installed."""
