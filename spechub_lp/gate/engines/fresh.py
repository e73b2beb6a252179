"""A plain function as it was before its first call: a process that is forked then, and forks again for each call."""

import gc
import os
import pickle
import select
import signal
import sys
import threading
import time
import warnings
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn, Self

from spechub_lp._util.parallel import end_idle_threads, end_with_parent
from spechub_lp.gate.engines.node import NodeEngine, Verify
from spechub_lp.gate.noise.choice_sequence import Run
from spechub_lp.gate.problems.node import Problem
from spechub_lp.gate.search.thresholds import Call
from spechub_lp.gate.settings import TIME_LIMIT

WHOLE = 8
"""Bytes of a message's length, before it."""
HARD = 4
"""How many times the time limit of a call its process may compute."""


class Fresh:
    """Keep a process in which a function was never called; each call is made by a fork of it.

    Parameters
    ----------
    verify
        Called as verify(p, q, drafts), and not called yet.
    seconds
        How long one call may take.

    Examples
    --------
    >>> from spechub_lp.gate.noise.choice_sequence import DrawKind
    >>> calls = []
    >>> def verify(p, q, drafts):  # which knows its first call
    ...     calls.append(drafts)
    ...     return drafts[0], 0 if len(calls) == 1 else -1
    >>> problem = Problem("mine", p=(0.25, 0.75), q=(0.5, 0.5), k=1)
    >>> with Fresh(verify) as fresh:
    ...     [run.outcome.slot for run in map(fresh.call, [problem] * 2, [((1,), (), 0)] * 2)]
    [0, 0]
    """

    def __init__(self, verify: Verify, seconds: float = TIME_LIMIT):
        self.seconds = seconds
        self.why_not = _why_not()
        """Why there is no such process; "" where there is one."""
        self.child = 0
        if self.why_not:
            return
        engine = NodeEngine(verify, seconds)
        asked, self.ask = os.pipe()
        self.answers, answer = os.pipe()
        parent, self.child = os.getpid(), _fork()
        if self.child == 0:
            os.close(self.ask)
            os.close(self.answers)
            _serve(engine, asked, answer, parent)
        os.close(asked)
        os.close(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def call(self, problem: Problem, call: Call) -> Run | None:
        """Make one call under control as the first one; None where it gave no answer, or its noise has other sources.

        Parameters
        ----------
        problem
            It is made on.
        call
            (drafts, the beginning of the noise, the rule for the rest).
        """
        if not self.child:
            return None
        with suppress(OSError):
            _send(self.ask, pickle.dumps((problem, call)))
            answer = _receive(self.answers, time.monotonic() + 2 * HARD * self.seconds)
            if answer is not None:
                found: Run | None = pickle.loads(answer)
                return found
        self.end()
        return None

    def end(self) -> None:
        """End the process."""
        if self.child:
            with suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            os.close(self.ask)
            os.close(self.answers)
            self.child = 0


def _why_not() -> str:
    """Why this process is not forked: its threads would be missing in the fork."""
    if not hasattr(os, "fork") or sys.platform == "win32":
        return "this system has no fork"
    if threading.active_count() > 1:
        return "its process has threads"
    if "jax" in sys.modules:
        return "jax has threads"
    return ""


def _fork() -> int:
    """Fork without a warning: no thread of Python's is there, and OpenMP's are ended."""
    end_idle_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _serve(engine: NodeEngine, asked: int, answer: int, parent: int) -> NoReturn:
    """Answer each question in a fork of this process, which is as it was."""
    try:
        end_with_parent(parent)
        gc.freeze()  # a collection in a fork would copy every page
        while (question := _receive(asked)) is not None:
            me, child = os.getpid(), _fork()
            if child == 0:
                _answer(engine, question, answer, me)
            _, status = os.waitpid(child, 0)
            if status:  # it died without a word
                _send(answer, pickle.dumps(None))
    finally:
        os._exit(0)


def _answer(engine: NodeEngine, question: bytes, answer: int, parent: int) -> NoReturn:
    """One call, in a process of its own, which the system ends when it computes for too long."""
    code = 1
    try:
        end_with_parent(parent)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, HARD * engine.seconds)
        problem, call = pickle.loads(question)
        run: Run | None = None
        with suppress(Exception):
            run = engine.controlled(problem, [call])[0]
        _send(answer, pickle.dumps(run))
        code = 0
    finally:
        os._exit(code)


def _send(place: int, message: bytes) -> None:
    data = len(message).to_bytes(WHOLE, "little") + message
    while data:
        data = data[os.write(place, data) :]


def _receive(place: int, deadline: float | None = None) -> bytes | None:
    """One message; None at its deadline, or where nobody is left to send one."""
    got: list[bytes] = []
    for size in _sizes(got):
        if deadline is not None and not select.select([place], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        part = os.read(place, size)
        if not part:
            return None
        got.append(part)
    return b"".join(got)[WHOLE:]


def _sizes(got: Sequence[bytes]) -> Any:
    """How many bytes are missing from a message, as long as some are."""
    while (have := sum(map(len, got))) < (
        whole := WHOLE + (int.from_bytes(b"".join(got)[:WHOLE], "little") if have >= WHOLE else 0)
    ):
        yield whole - have
