"""Icarus Verilog is optional: where it is not installed, the tests that need it are left out, and the head says so."""

from sim.build import missing_tools

MISSING = missing_tools("icarus")


def pytest_report_header():
    return f"without the tests marked icarus: {', '.join(MISSING)} missing" if MISSING else None


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if MISSING and item.get_closest_marker("icarus")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
