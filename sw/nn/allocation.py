"""Memory of large arrays: kept by the process for the next ones, instead of given back to the system each time.

A training step makes and forgets the same arrays of some megabytes over and over. glibc's allocator asks the system
for each of them, and the system clears each page when it is touched first: a third of the time of a step.
"""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of <malloc.h>
_KEEP = 1 << 30


def keep_freed_memory() -> bool:
    """For the rest of the process keep blocks of up to a gigabyte that are freed; was that possible?

    It is with glibc, whose mallopt(3) says so; elsewhere nothing changes. No result depends on it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(_MMAP_THRESHOLD, _KEEP) and mallopt(_TRIM_THRESHOLD, _KEEP))
