"""Running the gate in a child process, so that an engine that kills its process or hangs for good is a verdict too."""

import mmap
import os
import pickle
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from spechub_lp._util import stdout
from spechub_lp._util.parallel import end_idle_threads, end_with_parent
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.results import Finding, Kind, Level, Report

Journal = Callable[[bytes], None]
Watch = Callable[[bytes, int], None]
PAGE = 1 << 20
"""Bytes that parent and child share: an entry holds distributions on thousands of tokens."""
HEAD = 12
"""Bytes before the last entry: its length, and how many there were."""
LENGTH = 8
"""Bytes of an answer's length, before it."""
LOOK = 0.5
"""Seconds between two looks whether the child still runs."""


class ChildDied(Exception):
    """The child ended without a report; never leaves the gate."""

    def __init__(self, kind: Kind, message: str, last: bytes, killed: bool = False):
        super().__init__(message)
        self.kind, self.last = kind, last
        self.killed = killed
        """Whether it was ended by SIGKILL, which comes from outside: the system's, for want of memory, or a user's."""


def in_child(work: Callable[[Journal], Any], seconds: float, watch: Watch | None = None) -> Any:
    """Do some work in a forked child, and return its result; where the system has no fork, do it here.

    Parameters
    ----------
    work
        Called as work(journal); journal(entry) keeps the last entry, so that it is known when the child dies.
    seconds
        How long the child may take.
    watch
        Called while the child works, with the last entry and the number of entries.

    Returns
    -------
    Any
        What `work` returned; it must be picklable.

    Raises
    ------
    ChildDied
        The child was killed by a signal, left without an answer, or ran past `seconds`.
    SpecHubError
        `work` raised it; another error comes back as a RuntimeError with its name.

    Examples
    --------
    >>> in_child(lambda journal: 6 * 7, seconds=60)
    42
    """
    if not hasattr(os, "fork"):
        return work(lambda entry: None)
    page = mmap.mmap(-1, PAGE)
    count = 0

    def journal(entry: bytes) -> None:
        nonlocal count
        count += 1
        page.seek(0)
        kept = entry if len(entry) <= PAGE - HEAD else b""
        page.write(len(kept).to_bytes(4, "little") + count.to_bytes(8, "little") + kept)

    def last() -> bytes:
        return page[HEAD : HEAD + int.from_bytes(page[:4], "little")]

    def look() -> None:
        if watch is not None:
            watch(last(), int.from_bytes(page[4:HEAD], "little"))

    receive, send = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    end_idle_threads()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        _work(work, journal, receive, send, parent)
    data: bytes | None = None
    status: int | None = None
    try:
        os.close(send)
        data, status = _read(receive, child, time.monotonic() + seconds, look)
    finally:
        if data is None:  # hung, or we are to end; an engine may be deaf to all signals but this one
            os.kill(child, signal.SIGKILL)
        os.close(receive)
        if status is None:
            _, status = os.waitpid(child, 0)
    if data is None:
        raise ChildDied(Kind.HANG, f"no verdict within {seconds:.0f} seconds: the engine hangs outside python", last())
    if data:
        ok, result = pickle.loads(data)
        if ok:
            return result
        raise result
    died_of = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    how = f"died of signal {died_of}" if died_of else "ended the process"
    raise ChildDied(Kind.CRASH, f"the engine {how}", last(), died_of == signal.SIGKILL)


def _work(work: Callable[[Journal], Any], journal: Journal, receive: int, send: int, parent: int) -> None:
    code = 1
    try:
        end_with_parent(parent)
        stdout.leave()
        os.close(receive)
        try:
            answer = pickle.dumps((True, work(journal)))
        except SpecHubError as error:  # as the base class: the parent has not loaded the engine's module and its heirs
            answer = pickle.dumps((False, SpecHubError(str(error))))
        except BaseException as error:
            answer = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
        with os.fdopen(send, "wb") as out:
            out.write(len(answer).to_bytes(LENGTH, "little") + answer)
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _read(receive: int, child: int, deadline: float, look: Callable[[], None]) -> tuple[bytes | None, int | None]:
    """(the answer, b"" when the child ended without one, None at the deadline; its exit status when it is known).

    The end of the pipe is no sign: a process that an engine left behind holds it open.
    """
    got, status = b"", None
    while True:
        look()
        ready, _, _ = select.select([receive], [], [], max(0.0, min(LOOK, deadline - time.monotonic())))
        if ready:
            part = os.read(receive, 1 << 16)
            got += part
            size = LENGTH + int.from_bytes(got[:LENGTH], "little")
            if len(got) >= LENGTH and len(got) >= size:
                return got[LENGTH:size], status
            if not part:
                return b"", status
        elif status is not None:
            return b"", status
        elif time.monotonic() >= deadline:
            return None, None
        else:
            ended, code = os.waitpid(child, os.WNOHANG)
            status = code if ended else None


def died(report: Report, error: ChildDied) -> Report:
    """Add the finding on an engine that took its process with it to its report.

    Parameters
    ----------
    report
        Of a run without a verdict.
    error
        How the child ended, and the last input that was noted.

    Returns
    -------
    Report
        The same report.

    Examples
    --------
    >>> from spechub_lp.gate.protocols import ProtocolName
    >>> report = Report("engine", ProtocolName.NODE, "iid", 1)
    >>> died(report, ChildDied(Kind.CRASH, "the engine died of signal 11", b"")).findings[0].message
    'the engine died of signal 11'
    """
    case = pickle.loads(error.last) if error.last else None
    place = f"on {case['problem']['name']!r}, drafts {tuple(case['tuple'])}: " if case else ""
    problem = case["problem"]["name"] if case else None
    report.findings.append(Finding(Level.BOUNDARY, error.kind, f"{place}{error}", case=case, problem=problem))
    return report
