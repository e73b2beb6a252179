"""What every command shares: where its output goes, how it ends, a progress bar, and the head of its JSON document."""

import os
import platform
import shlex
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import typer

import spechub_lp
from spechub_lp._util import PIPED_WIDTH, stdout
from spechub_lp._util.io import is_stdout, write_json
from spechub_lp._util.parallel import Stopped, end_on_signals, signal_received
from spechub_lp.cli.renamed import Renaming
from spechub_lp.errors import SpecHubError
from spechub_lp.report import schemas

if TYPE_CHECKING:
    from rich.console import Console

BAD_INPUT, INTERNAL, CLOSED_PIPE = 2, 70, 141
"""Exit codes: 70 is a fault of ours (EX_SOFTWARE; 1 means refuted), 141 what shells give a program ended by SIGPIPE."""

TRACEBACK = "SPECHUB_TRACEBACK"
"""Environment variable; with it an internal error shows where it happened."""

DEFAULT_WIDTH = 80

STYLE: dict[str, Any] = {
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
"""How every command line of ours looks: the arguments of `typer.Typer`."""

MEASURED_WITH = ("numpy", "scipy", "highspy", "cvxpy", "torch")
"""Packages whose versions every document names, where they are installed."""


class Command(Renaming):
    """A command: while it works, what others print goes to stderr, and nobody but us chooses its exit code."""

    def invoke(self, ctx: Any) -> Any:
        with stdout.apart(), _Working(str(ctx.info_name)):
            try:
                return super().invoke(ctx)
            except Stopped:
                raise
            except SystemExit as end:
                raise RuntimeError(f"a library ended the process with code {end.code!r}") from end


def console_beside(*files: Path | None) -> "Console":
    """Make the console for tables: on stdout, or on stderr when stdout carries one of the files.

    Parameters
    ----------
    files
        Where documents go.

    Returns
    -------
    Console
        As rich has it.

    Examples
    --------
    >>> console_beside(Path("-")).file is sys.stderr
    True
    """
    from rich.console import Console

    _Working.end()

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    stream = sys.stderr if any(map(is_stdout, files)) else stdout.ours()
    width = _terminal_width() if stream.isatty() else PIPED_WIDTH
    return Terminal(file=stream, width=width, highlight=False, markup=False, emoji=False)


def _terminal_width() -> int | None:
    """COLUMNS when it is a width; 0 is none, though rich takes it for one and shows nothing. None: ask the terminal."""
    columns = os.environ.get("COLUMNS", "")
    return DEFAULT_WIDTH if columns.isdigit() and int(columns) == 0 else None


def run(app: typer.Typer) -> None:
    """Run a command line; it ends with one line on stderr at most and the exit code that fits.

    Parameters
    ----------
    app
        The commands.
    """
    end_on_signals()
    code, line = _outcome(app)
    if code:
        stdout.drop()  # what is still buffered would fail once more when the interpreter ends
    stdout.close()
    if line:
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)
    sys.exit(code)


def _outcome(app: typer.Typer) -> tuple[Any, str]:
    """(exit code, what to say about it)."""
    try:
        stdout.take()
        code = app(standalone_mode=False) or 0
        stdout.finish()
    except BaseException as error:
        code, line = _ended_by(error)
    else:
        line = ""
    if number := signal_received():
        return 128 + number, "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    return code, line


def _ended_by(error: BaseException) -> tuple[Any, str]:
    match error:
        case SpecHubError():
            return error.exit_code, complaint(error)
        case typer.TyperException():
            return BAD_INPUT, complaint(error)
        case BrokenPipeError():
            return CLOSED_PIPE, ""
        case SystemExit():  # how typer ends after a closed pipe, and after it printed what completion asked for
            with suppress(SpecHubError, BrokenPipeError):
                stdout.finish()
            return (CLOSED_PIPE if isinstance(error.__context__, BrokenPipeError) else error.code), ""
        case OSError():
            place = f"{error.filename}: " if error.filename is not None else ""
            return BAD_INPUT, f"error: {place}{error.strerror or _one_line(error)}"
        case MemoryError():
            return BAD_INPUT, f"error: not enough memory; {_one_line(error)}"
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    hint = f"please report it with this command line ({TRACEBACK}=1 shows where it happened)"
    return INTERNAL, f"internal error: {type(error).__name__}: {_one_line(error)}; {hint}"


def about(command: str) -> dict[str, Any]:
    """Return the head of a document: its schema, and which tool and command line wrote it, on what.

    Parameters
    ----------
    command
        Its name.

    Returns
    -------
    dict
        The fields that every document has.

    Examples
    --------
    >>> about("sample")["schema"]
    'spechub-sample-2'
    """
    return {
        "schema": schemas.identifier(command),
        "tool": f"spechub-lp {spechub_lp.__version__}",
        "command": command,
        "command_line": shlex.join(["spechub-lp", *sys.argv[1:]]),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": _versions(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in MEASURED_WITH:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def save(document: dict[str, Any], json: Path | None, html: Path | None = None) -> None:
    """Write a document where it was asked for. Before anything is shown: a closed pipe must not cost a file.

    Parameters
    ----------
    document
        Head and fields.
    json, html
        Files, or None.

    Examples
    --------
    >>> save(about("sample"), Path("sample.json"))
    >>> Path("sample.json").exists()
    True
    """
    document = schemas.with_old_fields(document)
    if json:
        write_json(json, document)
    if html:
        from spechub_lp.report.html.page import write_page

        write_page(html, document)


class _Working:
    """A line on a terminal's stderr that a command works, from its first second until it shows something itself."""

    after = 0.5
    current: ClassVar["_Working | None"] = None

    def __init__(self, name: str):
        self.name, self.done, self.start = name, threading.Event(), time.monotonic()
        self.thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> None:
        if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
            _Working.current = self
            self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.end()

    @staticmethod
    def end() -> None:
        """Take the line away; what comes now is shown by others."""
        here, _Working.current = _Working.current, None
        if here is not None:
            here.done.set()
            here.thread.join()

    def _tell(self) -> None:
        wait, shown = self.after, False
        with suppress(OSError, ValueError):
            while not self.done.wait(wait):
                wait, shown = 1.0, True
                print(f"\r{self.name}: {time.monotonic() - self.start:.0f} s ", end="", file=sys.stderr, flush=True)
            if shown:
                print("\r\033[K", end="", file=sys.stderr, flush=True)


BAR = 8
"""A bar's part of the terminal's width."""


class ProgressBar:
    """A progress bar with the time that is left, on stderr; nothing at all where stderr is no terminal or a dumb one.

    Numbers are never cut: the bar is short, and a long description loses its middle.

    FORCE_COLOR makes no terminal of a pipe: it is about colours.

    Parameters
    ----------
    thread
        Whether a thread moves it between two reports; without one, the process may fork.

    Examples
    --------
    >>> with ProgressBar() as report:
    ...     report("draws", 1, 2)
    """

    def __init__(self, thread: bool = True):
        self.thread = thread

    def __enter__(self) -> Callable[[str, int, int], None]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        _Working.end()
        console = Console(stderr=True, width=_terminal_width())
        self.width = console.width
        self.bar = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(self.width // BAR), MofNCompleteColumn(),
            _time_column(),
            console=console, transient=True, auto_refresh=self.thread,
            disable=not sys.stderr.isatty() or console.is_dumb_terminal,
        )  # fmt: skip
        self.tasks: dict[str, Any] = {}
        self.bar.start()
        # Packages are loaded before the first report: torch takes seconds.
        self.loading = self.bar.add_task("loading", total=None)
        self.bar.refresh()
        return self.report if self.thread else self.report_one

    def report_one(self, what: str, done: int, of: int) -> None:
        """Show the same in the one line that there is, with another description."""
        self.bar.update(self._task("", what, of), completed=done, total=of, description=self._fitting(what, of))
        self.bar.refresh()

    def report(self, what: str, done: int, of: int) -> None:
        """Show what is being done, how much is done, and of how much."""
        self.bar.update(self._task(what, what, of), completed=done)

    def _task(self, name: str, what: str, of: int) -> Any:
        """The line of a name; the first one takes the place of what said that packages are loaded."""
        if not self.tasks:
            self.bar.remove_task(self.loading)
        if name not in self.tasks:
            self.tasks[name] = self.bar.add_task(self._fitting(what, of), total=of)
        return self.tasks[name]

    def _fitting(self, what: str, of: int) -> str:
        """What there is room for beside the bar, the count and the time."""
        room = max(self.width - self.width // BAR - 2 * len(str(of)) - len("/ 00:00:00 left   "), 3)
        half = (room - 1) // 2
        return what if len(what) <= room else f"{what[: room - half - 1]}…{what[-half:]}"

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


def _time_column() -> Any:
    """A column with the time that is left, or while that is not known, the time that has gone."""
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Time(ProgressColumn):
        def render(self, task: Task) -> Text:
            left = task.time_remaining
            seconds, word = (task.elapsed or 0, "gone") if left is None else (left, "left")
            return Text(f"{timedelta(seconds=int(seconds))} {word}")

    return Time()


def complaint(error: SpecHubError | typer.TyperException) -> str:
    r"""Return an error as one line, whatever the message has.

    Parameters
    ----------
    error
        Ours, or that of the command line.

    Returns
    -------
    str
        Begins with "error: ".

    Examples
    --------
    >>> complaint(SpecHubError("k = 0;\nit must be at least 1"))
    'error: k = 0; it must be at least 1'
    """
    if isinstance(error, SpecHubError):
        return f"error: {_one_line(error)}"
    message = " ".join(error.format_message().split()).rstrip(".")
    if isinstance(error.__cause__, ValueError) and hasattr(error.__cause__, "errors"):  # pydantic's: it has the value
        message = message.replace("value", f"value {error.__cause__.errors()[0]['input']!r}", 1)
    context = getattr(error, "ctx", None)
    where = f" (see {context.command_path} --help)" if context else ""
    return f"error: {message[:1].lower()}{message[1:]}{where}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
