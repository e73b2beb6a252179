"""Worker processes, and how a command with or without them ends at a signal: at once, and with nothing left behind.

Workers are spawned, never forked: torch and BLAS have threads, of which a fork keeps the locks and not the holders.
They leave ctrl-C to the process which started them, and end when that process does, however it ended.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from spechub_lp._util import io
from spechub_lp.errors import SpecHubError

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

PATIENCE = 1.0
"""Seconds in which a signal sent again is the same one: `timeout` sends two, and an impatient user more."""

GRACE = 10.0
"""Seconds in which a process that was asked to end does so; then it is ended. A library may catch every exception."""

PR_SET_PDEATHSIG = 1
OMP_PAUSE_HARD = 2


class Stopped(SystemExit):
    """A signal asked this process to end; the exit code is the one that shells give for it."""


def spread(
    jobs: int,
    work: Callable[..., Any],
    *tasks: Iterable[Any],
    chunksize: int = 1,
    initializer: Callable[[], object] | None = None,
) -> Iterator[Any]:
    """Map over tasks on worker processes; results come in the order of the tasks.

    Parameters
    ----------
    jobs
        How many processes.
    work
        A function of a module, called with one item of each of `tasks`.
    tasks
        As `map` takes them.
    chunksize
        Tasks that a worker is given at once.
    initializer
        Called once in every worker.

    Yields
    ------
    object
        What `work` returns; whatever it raises is raised here.

    Raises
    ------
    SpecHubError
        A worker process died.

    Examples
    --------
    >>> from math import sqrt
    >>> list(spread(1, sqrt, [4.0, 9.0]))  # doctest: +SKIP
    [2.0, 3.0]
    """
    import multiprocessing  # here, as everywhere below: the help of a command must not wait for it
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    _start_tracker()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, spawn, initializer=_begin, initargs=(initializer,)) as pool:
        with _launching():
            results = pool.map(work, *tasks, chunksize=chunksize)
        try:
            yield from results
        except BrokenProcessPool:
            raise SpecHubError(
                "a worker process ended before its work did, killed perhaps for want of memory; try --jobs 1"
            ) from None


def end_on_signals() -> None:
    """Let SIGINT, SIGTERM and SIGHUP end this process and its workers from here on. One that is ignored stays so.

    Examples
    --------
    >>> before = {number: signal.getsignal(number) for number in SIGNALS}
    >>> end_on_signals()
    >>> all(signal.signal(number, handler) for number, handler in before.items())
    True
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def signal_received() -> int | None:
    """Return the signal that ends this process, if there is one.

    Returns
    -------
    int or None
        Its number.

    Examples
    --------
    >>> signal_received() is None
    True
    """
    return _received[0][0] if _received else None


def end_with_parent(parent: int) -> None:
    """Let a forked child be killed when its parent dies (on Linux), and take signals as a plain process does.

    Parameters
    ----------
    parent
        The parent's process id.

    Examples
    --------
    >>> end_with_parent(os.getppid())  # doctest: +SKIP
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def end_idle_threads() -> None:
    """End the threads that OpenMP keeps for this thread, before a fork; it makes new ones when they are needed.

    GNU's OpenMP (torch brings it on Linux) does not see a fork: the child would wait for threads that it does not have,
    for good, in its first operation that is large enough to be shared out. Other OpenMP libraries see forks.

    Examples
    --------
    >>> end_idle_threads()
    """
    if sys.platform != "linux":
        return
    import ctypes

    with open("/proc/self/maps") as maps:
        loaded = {line.split(maxsplit=5)[5].rstrip("\n") for line in maps if "libgomp" in line}
    for path in loaded:
        with suppress(OSError, AttributeError):  # deleted since it was loaded, or older than OpenMP 5
            ctypes.CDLL(path).omp_pause_resource_all(OMP_PAUSE_HARD)


_received: list[tuple[int, float]] = []
_starts = False


def _end(number: int, frame: object) -> None:
    """End the workers, so that nobody waits for what they are at, and hear no thread's complaint about it."""
    now = time.monotonic()
    again = bool(_received)
    _received.append((number, now))
    if _starts:
        return
    if not again:
        _unwind()
    elif now - _received[0][1] > PATIENCE:
        _leave()


def _leave() -> None:
    """End now, whatever still runs."""
    _kill_workers()
    io.remove_parts()
    os._exit(128 + _received[0][0])


def _unwind() -> None:
    threading.excepthook = lambda args: None
    watch = threading.Timer(GRACE, _leave)
    watch.daemon = True
    watch.start()
    _kill_workers()
    number = _received[0][0]
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise Stopped(128 + number)


def _kill_workers() -> None:
    if "multiprocessing" in sys.modules:
        for worker in sys.modules["multiprocessing"].active_children():
            worker.kill()


@contextmanager
def _launching() -> Iterator[None]:
    """Signals wait until all workers are there, and are known; workers inherit that SIGINT is blocked."""
    global _starts
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    _starts, known = True, len(_received)
    try:
        yield
    finally:
        _starts = False
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if len(_received) > known:
        _unwind()


def _start_tracker() -> None:
    """Python's watch over semaphores ignores SIGINT and SIGTERM; a terminal that closes sends SIGHUP to it as well."""
    from multiprocessing import resource_tracker

    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    try:
        resource_tracker.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(initializer: Callable[[], object] | None) -> None:
    """What every worker does first."""
    threading.Thread(target=_watch_parent, daemon=True).start()
    if initializer:
        initializer()


def _watch_parent() -> None:
    """End with the parent: the queue of tasks is no sign of it, since its other workers hold it open too."""
    import multiprocessing

    with suppress(Exception):
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)
