"""The clock that budgets are read from: wall time for users, CPU time where a busy machine must change no verdict."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from spechub_lp.errors import UnknownName

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.monotonic, "cpu": time.process_time}
"""Each gives seconds. "cpu" stands still while an engine sleeps or waits for another process."""

_current: ContextVar[Callable[[], float]] = ContextVar("clock", default=time.monotonic)


def now() -> float:
    """Read the clock of this run.

    Returns
    -------
    float
        Seconds from an arbitrary start.

    Examples
    --------
    >>> with chosen(lambda: 7.0):
    ...     now()
    7.0
    """
    return _current.get()()


def wall() -> float:
    """Read wall time, whatever clock was chosen: other processes work without using CPU time of this one.

    Returns
    -------
    float
        Seconds from an arbitrary start.

    Examples
    --------
    >>> with chosen("cpu"):
    ...     wall() <= CLOCKS["wall"]()
    True
    """
    return time.monotonic()


@contextmanager
def chosen(clock: str | Callable[[], float]) -> Iterator[None]:
    """Read budgets from this clock within the block.

    Parameters
    ----------
    clock
        A name in CLOCKS, or a function that gives seconds.

    Raises
    ------
    UnknownName
        No clock of that name.

    Examples
    --------
    >>> import time
    >>> with chosen("cpu"):
    ...     now() <= time.process_time()
    True
    """
    if isinstance(clock, str) and clock not in CLOCKS:
        raise UnknownName("clock", clock, CLOCKS)
    token = _current.set(CLOCKS[clock] if isinstance(clock, str) else clock)
    try:
        yield
    finally:
        _current.reset(token)
