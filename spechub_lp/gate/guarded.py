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

from spechub_lp.errors import SpecHubError
from spechub_lp.gate.report import Finding, Report
from spechub_lp.workers import end_with_parent

Journal = Callable[[bytes], None]
PAGE = 4096


class ChildDied(Exception):
    """The child ended without a report; never leaves the gate."""

    def __init__(self, kind: str, message: str, last: bytes):
        super().__init__(message)
        self.kind, self.last = kind, last


def in_child(work: Callable[[Journal], Any], seconds: float) -> Any:
    """work(journal) in a forked child, and its result (or the exception it raised, raised again).

    Raises:
        ChildDied: the child was killed by a signal, left without an answer, or ran past `seconds`.
    """
    if not hasattr(os, "fork"):
        return work(lambda entry: None)
    page = mmap.mmap(-1, PAGE)

    def journal(entry: bytes) -> None:
        page.seek(0)
        page.write(len(entry).to_bytes(4, "little") + entry[: PAGE - 4])

    receive, send = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        _work(work, journal, receive, send, parent)
    alive = False
    try:
        os.close(send)
        data, alive = _read(receive, time.monotonic() + seconds)
    finally:
        if not alive:  # hung, or we are to end; an engine may be deaf to all signals but this one
            os.kill(child, signal.SIGKILL)
        os.close(receive)
        _, status = os.waitpid(child, 0)
    last = page[4 : 4 + int.from_bytes(page[:4], "little")]
    if not alive:
        raise ChildDied("hang", f"no verdict within {seconds:.0f} seconds: the engine hangs outside python", last)
    if data:
        ok, result = pickle.loads(data)
        if ok:
            return result
        raise result
    how = f"died of signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "ended the process"
    raise ChildDied("crash", f"the engine {how}", last)


def _work(work: Callable[[Journal], Any], journal: Journal, receive: int, send: int, parent: int) -> None:
    code = 1
    try:
        end_with_parent(parent)
        os.close(receive)
        try:
            answer = pickle.dumps((True, work(journal)))
        except SpecHubError as error:  # as the base class: the parent has not loaded the engine's module and its heirs
            answer = pickle.dumps((False, SpecHubError(str(error))))
        except BaseException as error:
            answer = pickle.dumps((False, RuntimeError(f"{type(error).__name__}: {error}")))
        with os.fdopen(send, "wb") as out:
            out.write(answer)
        code = 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _read(receive: int, deadline: float) -> tuple[bytes, bool]:
    """Everything until the pipe closes; False when the deadline came first."""
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([receive], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return b"", False
        part = os.read(receive, 1 << 16)
        if not part:
            return b"".join(parts), True
        parts.append(part)


def died(report: Report, error: ChildDied) -> Report:
    """The verdict on an engine that took its process with it."""
    case = pickle.loads(error.last) if error.last else None
    place = f"on {case['problem']['name']!r}, drafts {tuple(case['tuple'])}: " if case else ""
    report.findings.append(Finding(0, error.kind, f"{place}{error}", case=case))
    return report
