"""An engine as it was before its first call: a process that is forked then, and forks again for each question."""

import gc
import os
import pickle
import select
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn, Self

from spechub_lp._util.parallel import end_idle_threads, end_with_parent
from spechub_lp.gate.settings import TIME_LIMIT

WHOLE = 8
"""Bytes of a message's length, before it."""
HARD = 4
"""How many times the time limit of a call the process of an answer may compute."""


class Fresh:
    """Keep a process in which an engine was never called; each question to it is answered by a fork of that process.

    Parameters
    ----------
    work
        Answers a question by calls of the engine, which was not called yet; both go through pickle.
    seconds
        How long one call may take.

    Examples
    --------
    >>> calls = []
    >>> def work(name):  # which knows its first call
    ...     calls.append(name)
    ...     return len(calls)
    >>> with Fresh(work) as fresh:
    ...     fresh.ask("a"), fresh.ask("b")
    (1, 1)
    """

    def __init__(self, work: Callable[[Any], Any], seconds: float = TIME_LIMIT):
        self.seconds = seconds
        self.why_not = _why_not()
        """Why there is no such process; "" where there is one."""
        self.child = 0
        if self.why_not:
            return
        asked, self.questions = os.pipe()
        self.answers, answer = os.pipe()
        parent, self.child = os.getpid(), _fork()
        if self.child == 0:
            os.close(self.questions)
            os.close(self.answers)
            _serve(work, asked, answer, parent, HARD * seconds)
        os.close(asked)
        os.close(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def ask(self, question: Any) -> Any:
        """Return the answer of an engine that was not called before; None where it has none, and after an error."""
        if not self.child:
            return None
        with suppress(OSError):
            _send(self.questions, pickle.dumps(question))
            answer = _receive(self.answers, time.monotonic() + 2 * HARD * self.seconds)
            if answer is not None:
                return pickle.loads(answer)
        self.end()
        return None

    def end(self) -> None:
        """End the process."""
        if self.child:
            with suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            os.close(self.questions)
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


def _serve(work: Callable[[Any], Any], asked: int, answer: int, parent: int, seconds: float) -> NoReturn:
    """Answer each question in a fork of this process, which is as it was."""
    try:
        end_with_parent(parent)
        gc.freeze()  # a collection in a fork would copy every page
        while (question := _receive(asked)) is not None:
            me, child = os.getpid(), _fork()
            if child == 0:
                _answer(work, question, answer, me, seconds)
            _, status = os.waitpid(child, 0)
            if status:  # it died without a word
                _send(answer, pickle.dumps(None))
    finally:
        os._exit(0)


def _answer(work: Callable[[Any], Any], question: bytes, answer: int, parent: int, seconds: float) -> NoReturn:
    """One answer, in a process of its own, which the system ends when it computes for too long."""
    code = 1
    try:
        end_with_parent(parent)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        found: Any = None
        with suppress(Exception):
            found = work(pickle.loads(question))
        _send(answer, pickle.dumps(found))
        code = 0
    finally:
        os._exit(code)


def _send(place: int, message: bytes) -> None:
    data = len(message).to_bytes(WHOLE, "little") + message
    while data:
        data = data[os.write(place, data) :]


def _receive(place: int, deadline: float | None = None) -> bytes | None:
    """One message; None at its deadline, or where nobody is left to send one."""
    length = _exactly(place, WHOLE, deadline)
    return None if length is None else _exactly(place, int.from_bytes(length, "little"), deadline)


def _exactly(place: int, size: int, deadline: float | None) -> bytes | None:
    got = b""
    while len(got) < size:
        if deadline is not None and not select.select([place], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        part = os.read(place, size - len(got))
        if not part:
            return None
        got += part
    return got
