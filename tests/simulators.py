"""The simulators as a parameter of tests."""

import pytest

from sim.simulate import SIMULATORS

EACH_SIMULATOR = [pytest.param(name, marks=pytest.mark.icarus if name == "icarus" else ()) for name in SIMULATORS]
"""All of them; conftest.py leaves Icarus out where it is not installed."""
