"""Worker processes that leave ctrl-C to the process which started them."""

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any


def spread(
    pool: ProcessPoolExecutor, work: Callable[..., Any], *tasks: Iterable[Any], chunksize: int = 1
) -> Iterator[Any]:
    """pool.map, whose workers start in here and inherit that SIGINT is ignored; else each prints a traceback."""
    if threading.current_thread() is not threading.main_thread():
        return pool.map(work, *tasks, chunksize=chunksize)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return pool.map(work, *tasks, chunksize=chunksize)
    finally:
        signal.signal(signal.SIGINT, before)
