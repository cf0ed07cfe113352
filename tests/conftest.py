"""What all tests share.

The cache is one of their own, for all workers of a run: the user's is never touched. Icarus Verilog is optional: where
it is not installed, the tests that need it are left out, and the head says so.
"""

import os
import shutil
import tempfile

from sim.build import missing_tools
from sw.user_cache import VARIABLE

MISSING = missing_tools("icarus")


def pytest_configure(config):
    if not hasattr(config, "workerinput"):  # a worker of pytest-xdist inherits that of the process that started it
        os.environ[VARIABLE] = tempfile.mkdtemp(prefix="amarray-tests-")


def pytest_unconfigure(config):
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ[VARIABLE], ignore_errors=True)


def pytest_report_header():
    return f"without the tests marked icarus: {', '.join(MISSING)} missing" if MISSING else None


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if MISSING and item.get_closest_marker("icarus")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
