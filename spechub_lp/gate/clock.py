"""The clock that budgets are read from: wall time for users, CPU time where a busy machine must change no verdict."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from spechub_lp.errors import UnknownName

COARSE = 0.01
"""Seconds of wall time in which CPU time is read once: on a busy machine a reading may cost as much as a call."""


class _CpuTime:
    """The CPU time of this process, at most COARSE seconds of wall time old."""

    def __init__(self) -> None:
        self._forget()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def __call__(self) -> float:
        """Seconds."""
        return self._seconds if time.monotonic() - self._read_at < COARSE else self.anew()

    def anew(self) -> float:
        """Seconds, not from an earlier reading."""
        self._seconds, self._read_at = time.process_time(), time.monotonic()
        return self._seconds

    def _forget(self) -> None:
        self._seconds = self._read_at = float("-inf")


CLOCKS: dict[str, Callable[[], float]] = {"wall": time.monotonic, "cpu": _CpuTime()}
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


def now_exactly() -> float:
    """Read the clock of this run anew, to time something short.

    Returns
    -------
    float
        Seconds from an arbitrary start.

    Examples
    --------
    >>> with chosen("cpu"):
    ...     now() <= now_exactly()
    True
    """
    clock = _current.get()
    return clock.anew() if isinstance(clock, _CpuTime) else clock()


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
