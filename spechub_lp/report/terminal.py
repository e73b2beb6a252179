"""What every command shares: where tables go, a progress bar, and the head of every JSON document."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import spechub_lp
from spechub_lp.errors import SpecHubError

PIPED_WIDTH = 140
"""Columns of a table that is not shown on a terminal."""


def console_beside(json: Path | None) -> Console:
    """Tables go to stdout, or to stderr when stdout carries the JSON."""
    return Console(stderr=str(json) == "-", highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)


def run(app: Callable[[], None]) -> None:
    """Run a command line: bad input ends with one line on stderr and exit code 2."""
    try:
        app()
    except SpecHubError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def about(command: str) -> dict[str, Any]:
    """Which tool and command wrote a document."""
    return {"tool": f"spechub-lp {spechub_lp.__version__}", "command": command}


class ProgressBar:
    """A progress bar on stderr; nothing at all when stderr is not a terminal."""

    def __enter__(self) -> Callable[[str, int, int], None]:
        console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=console, transient=True, disable=not console.is_terminal,
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
