"""What every command shares: where its output goes, how it ends, a progress bar, and the head of its JSON document."""

import multiprocessing
import os
import platform
import shlex
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

import spechub_lp
from spechub_lp.errors import SpecHubError
from spechub_lp.files import write_json

if TYPE_CHECKING:
    from rich.console import Console

PIPED_WIDTH = 100_000
"""Columns where nobody looks: a line in a pipe or a file is never wrapped."""

BAD_INPUT, INTERRUPTED, CLOSED_PIPE = 2, 130, 141
"""Exit codes; the last two are those that a shell gives a program ended by SIGINT and by SIGPIPE."""

MEASURED_WITH = ("numpy", "scipy", "highspy", "cvxpy", "torch")
"""Packages whose versions every document names."""


def console_beside(*files: Path | None) -> "Console":
    """Tables go to stdout, or to stderr when stdout carries one of the files."""
    from rich.console import Console

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    beside = any(str(file) == "-" for file in files)
    seen = (sys.stderr if beside else sys.stdout).isatty()
    width = None if seen else PIPED_WIDTH
    return Terminal(stderr=beside, width=width, highlight=False, markup=False, emoji=False)


def run(app: typer.Typer) -> None:
    """Run a command line. However it ends, it does so with one line on stderr at most and the exit code that fits."""
    signal.signal(signal.SIGINT, _stop)
    try:
        code = app(standalone_mode=False) or 0
        sys.stdout.flush()
    except (SpecHubError, typer.TyperException) as error:
        print(complaint(error), file=sys.stderr)
        code = error.exit_code if isinstance(error, SpecHubError) else BAD_INPUT
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        code = CLOSED_PIPE
    except SystemExit as end:  # how typer ends after a closed pipe, and after it printed what completion asked for
        code = CLOSED_PIPE if isinstance(end.__context__, BrokenPipeError) else end.code
    if code == INTERRUPTED:
        print("interrupted", file=sys.stderr)
    if code == CLOSED_PIPE:  # what is still buffered would fail once more when the interpreter ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def about(command: str) -> dict[str, Any]:
    """Which schema a document has (report/schemas), and which tool and command line wrote it, on what."""
    return {
        "schema": f"spechub-{command}-1",
        "tool": f"spechub-lp {spechub_lp.__version__}",
        "command": command,
        "command_line": shlex.join(["spechub-lp", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in MEASURED_WITH}},
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def save(document: dict[str, Any], json: Path | None, html: Path | None = None) -> None:
    """Write a document where it was asked for. Before anything is shown: a closed pipe must not cost a file."""
    if json:
        write_json(json, document)
    if html:
        from spechub_lp.report.page import write_page

        write_page(html, document)


class ProgressBar:
    """A progress bar with the time that is left, on stderr; nothing at all where stderr is no terminal or a dumb one.

    FORCE_COLOR makes no terminal of a pipe: it is about colours.
    """

    def __enter__(self) -> Callable[[str, int, int], None]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=console, transient=True, disable=not sys.stderr.isatty() or console.is_dumb_terminal,
        )  # fmt: skip
        self.tasks: dict[str, Any] = {}
        self.bar.start()
        return self.report

    def report(self, what: str, done: int, of: int) -> None:
        if what not in self.tasks:
            self.tasks[what] = self.bar.add_task(what, total=of)
        self.bar.update(self.tasks[what], completed=done)

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


def _stop(*_: object) -> None:
    """Ctrl-C: end the workers, so that nobody waits for what they are at, and hear no thread's complaint about it."""
    threading.excepthook = lambda args: None
    for worker in multiprocessing.active_children():
        worker.terminate()
    raise KeyboardInterrupt


def complaint(error: SpecHubError | typer.TyperException) -> str:
    """One line, whatever the message has."""
    if isinstance(error, SpecHubError):
        return f"error: {' '.join(str(error).split())}"
    message = " ".join(error.format_message().split()).rstrip(".")
    if isinstance(error.__cause__, ValueError) and hasattr(error.__cause__, "errors"):  # pydantic's: it has the value
        message = message.replace("value", f"value {error.__cause__.errors()[0]['input']!r}", 1)
    context = getattr(error, "ctx", None)
    where = f" (see {context.command_path} --help)" if context else ""
    return f"error: {message[:1].lower()}{message[1:]}{where}"
