"""How long one call may take."""

import signal
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

PATIENCE = 4
"""How many times the time limit a call may take that had less than half of it as CPU time: others have the machine."""


class Hang(BaseException):
    """The call ran past its time limit. BaseException, so that an engine's own `except Exception` lets it through."""


def waited_for_a_cpu() -> float:
    """Return for how long the main thread was ready to run and another had the CPU.

    Returns
    -------
    float
        Seconds; 0 where the system does not count them.

    Examples
    --------
    >>> waited_for_a_cpu() >= 0
    True
    """
    try:
        return int(Path("/proc/self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


def time_limit(seconds: float) -> AbstractContextManager[None]:
    """Raise Hang in the main thread when the block takes too long; elsewhere, or without SIGALRM, there is no limit.

    Parameters
    ----------
    seconds
        How long the block may take; PATIENCE times that if the process hardly had the CPU in the second half of it, not
        counting the time for which it waited for one.

    Returns
    -------
    contextlib.AbstractContextManager
        To be entered once.

    Raises
    ------
    Hang
        In the block.

    Examples
    --------
    >>> with time_limit(60):
    ...     1 + 1
    2
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        return nullcontext()
    return _Limit(seconds)


class _Limit:
    # Thousands of calls a second are made, each with a limit. So it is a class with slots and no generator, and clocks
    # are read when it rings: on a busy machine a process that asks for its CPU time may lose the CPU.
    __slots__ = ("halfway", "old", "rung", "seconds")

    def __init__(self, seconds: float):
        self.seconds = seconds
        self.halfway: float | None = None
        self.rung: float | None = None

    def __enter__(self) -> None:
        self.old = signal.signal(signal.SIGALRM, self.ring)
        signal.setitimer(signal.ITIMER_REAL, self.seconds / 2)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.old)

    def ring(self, *_: Any) -> None:
        if self.halfway is None:
            self.halfway = time.process_time()
            signal.setitimer(signal.ITIMER_REAL, self.seconds / 2)
            return
        starved = time.process_time() - self.halfway < self.seconds / 4
        now = time.monotonic() - waited_for_a_cpu()
        if self.rung is None:
            self.rung = now
        if not starved or now - self.rung >= (PATIENCE - 1) * self.seconds:
            raise Hang
        signal.setitimer(signal.ITIMER_REAL, self.seconds)
