"""Options that several commands share, and what Tab offers for a name."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from spechub_lp.cli import names


def one_of(words: Sequence[str]) -> Callable[[str], list[str]]:
    """Completion of one name."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def several_of(words: Sequence[str]) -> Callable[[str], list[str]]:
    """Completion of the last of several names with commas between."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [before + comma + word for word in words if word.startswith(last) and word not in before.split(",")]

    return complete


Json = Annotated[Path | None, typer.Option("--json", help="Write every figure shown to this file; - is stdout.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a page for a browser, without network; - is stdout.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn.")]
Drafts = Annotated[
    str,
    typer.Option(
        help=f"{', '.join(names.DRAFTS[:-1])} or {names.DRAFTS[-1]}.", autocompletion=one_of(names.DRAFTS)
    ),
]  # fmt: skip
