"""Several threads for one operation: numpy lets others run while it computes, so that plain Python threads do.

BLAS has threads of its own, but among the many small products of a convolution they wait more than they work. Here each
thread does a part of the whole operation, of which the result does not depend.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from itertools import pairwise

from threadpoolctl import threadpool_limits

from sw.errors import InputError

_current: ContextVar[tuple[int, ThreadPoolExecutor | None]] = ContextVar("threads", default=(1, None))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Within this context convolution, max pooling and batch normalization use `count` threads, and BLAS one in each.

    Elsewhere they use one. Raises InputError unless count is an integer of at least 1.
    """
    if not isinstance(count, int) or count < 1:
        raise InputError(f"the number of threads must be an integer of at least 1, not {count!r}")
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(count) as pool:
        token = _current.set((count, pool))
        try:
            yield
        finally:
            _current.reset(token)


def in_parts(function: Callable[[slice], None], length: int) -> None:
    """Call function once in each thread, for consecutive slices that together are range(length)."""
    count, pool = _current.get()
    if count == 1:
        function(slice(0, length))
        return
    bounds = [length * part // count for part in range(count + 1)]
    # in a copy of the context, for numpy keeps there what it does about overflow
    calls = [pool.submit(copy_context().run, function, slice(*pair)) for pair in pairwise(bounds)]
    for call in calls:
        call.result()
