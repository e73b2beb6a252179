"""Stdout carries what a command shows and the documents asked for with "-"; what libraries print goes to stderr.

Libraries print from Python and, past Python's streams, from C: HiGHS 1.16 writes a banner when the first solver is
made, and a JSON document with two lines before it is no JSON. So a command takes stdout for itself (`take`): file
descriptor 1, also that of its worker processes, becomes another name for stderr, and `ours` writes to a private copy.
"""

import io
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from functools import cache
from typing import Any, TextIO

from spechub_lp.errors import SpecHubError

_own: TextIO | None = None


def ours() -> TextIO:
    """Return the stream for tables and documents; outside a command it is `sys.stdout`.

    Returns
    -------
    TextIO
        The stream.

    Examples
    --------
    >>> ours() is sys.stdout
    True
    """
    return _own or sys.stdout


def write(data: bytes) -> None:
    r"""Write a document's bytes to `ours`, whatever its encoding: a document says itself how it is encoded.

    Parameters
    ----------
    data
        Bytes.

    Examples
    --------
    >>> write(b"a document\n")
    a document
    """
    stream = ours()
    stream.flush()
    if hasattr(stream, "buffer"):
        stream.buffer.write(data)
        stream.buffer.flush()
    else:
        stream.write(data.decode())


def take() -> None:
    """Take stdout for the rest of this process.

    Raises
    ------
    SpecHubError
        Stdout is closed.

    Examples
    --------
    >>> take()  # doctest: +SKIP
    """
    _open_closed(0)
    _open_closed(2)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        raise SpecHubError("stdout is closed; send it to a file, or to /dev/null")
    sys.stdout.flush()
    private = io.BufferedWriter(_Stdout(os.dup(1), "w"))
    os.dup2(2, 1)
    sys.stdout = io.TextIOWrapper(
        private, encoding=sys.stdout.encoding, errors="replace", line_buffering=sys.stdout.isatty()
    )


@contextmanager
def apart() -> Iterator[None]:
    r"""Send what is printed to `sys.stdout` to stderr until the end of a `with`; `ours` is what `sys.stdout` was.

    Examples
    --------
    >>> with apart():
    ...     print("to stderr")
    ...     write(b"a document\n")
    a document
    """
    global _own
    before, _own = _own, ours()
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _own = before


def finish() -> None:
    """Flush stdout. Raises SpecHubError or BrokenPipeError; what could not be written is then dropped.

    Examples
    --------
    >>> finish()
    """
    try:
        ours().flush()
    except BaseException:
        drop()
        raise


def leave() -> None:
    """Let go of a command's stdout in a forked child, so that no process of an engine keeps the pipe open.

    Examples
    --------
    >>> leave()  # outside a command there is nothing to let go of
    """
    if _own is not None:
        drop()


def drop() -> None:
    """Forget what is buffered for stdout: it would fail once more when the interpreter ends.

    Examples
    --------
    >>> drop()  # doctest: +SKIP
    """
    with suppress(OSError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, ours().fileno())
        os.close(nowhere)


def close() -> None:
    """Close what `take` made. What libraries print when the interpreter ends goes to stderr.

    Examples
    --------
    >>> close()  # doctest: +SKIP
    """
    taken, sys.stdout = sys.stdout, sys.stderr
    if isinstance(getattr(getattr(taken, "buffer", None), "raw", None), _Stdout):
        with suppress(OSError, SpecHubError):
            taken.close()


@cache
def without_banner(make: Callable[[], Any]) -> None:
    """Call a function once a process and drop what it prints to stdout from C. Library use has no command around it.

    Parameters
    ----------
    make
        The function.

    Examples
    --------
    >>> import highspy
    >>> without_banner(highspy.Highs)
    """
    with _one_at_a_time, suppress(OSError):  # without a stdout there is nothing to keep clean
        import ctypes

        flush = ctypes.CDLL(None).fflush
        flush(None)
        kept = os.dup(1)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 1)
            make()
            flush(None)
        finally:
            os.dup2(kept, 1)
            os.close(kept)
            os.close(nowhere)


_one_at_a_time = threading.Lock()


class _Stdout(io.FileIO):
    """A full disk behind stdout is the user's to mend, and no fault of the program."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise SpecHubError(f"cannot write to stdout: {error.strerror or error}") from None


def _open_closed(descriptor: int) -> None:
    """A closed standard descriptor would become that of the next file opened, and take in what others print."""
    try:
        os.fstat(descriptor)
    except OSError:
        nowhere = os.open(os.devnull, os.O_RDWR)
        if nowhere != descriptor:
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
