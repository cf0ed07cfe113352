"""sw/nn/allocation.py: what is freed is used again, without page faults."""

import platform
import subprocess
import sys

PROGRAM = """
import resource, sys
import numpy as np
from sw.nn.allocation import keep_freed_memory
if sys.argv[1] == "keep":
    print(keep_freed_memory())
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(48 << 20, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def run(argument: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, argument], stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout.split()


def test_freed_memory_is_kept():
    kept, faults = run("keep")
    assert kept == str(platform.libc_ver()[0] == "glibc")
    if kept == "True":
        assert int(faults) < 100 < int(run("leave")[0])
