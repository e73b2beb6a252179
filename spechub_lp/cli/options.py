"""Options that several commands share, and what Tab offers for a name."""

from collections.abc import Callable, Sequence
from math import inf, isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from spechub_lp.cli import names
from spechub_lp.errors import SpecHubError


def one_of(words: Sequence[str]) -> Callable[[str], list[str]]:
    """Make the completion of one name.

    Parameters
    ----------
    words
        The names.

    Returns
    -------
    Callable
        What is typed -> the names that begin so.

    Examples
    --------
    >>> one_of(["rrs", "rrsw", "nss"])("rr")
    ['rrs', 'rrsw']
    """

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def several_of(words: Sequence[str]) -> Callable[[str], list[str]]:
    """Make the completion of the last of several names with commas between.

    Parameters
    ----------
    words
        The names.

    Returns
    -------
    Callable
        What is typed -> what it may become.

    Examples
    --------
    >>> several_of(["rrs", "rrsw", "nss"])("nss,rr")
    ['nss,rrs', 'nss,rrsw']
    """

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [before + comma + word for word in words if word.startswith(last) and word not in before.split(",")]

    return complete


Json = Annotated[Path | None, typer.Option("--json", help="Write every figure shown to this file; - is stdout.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a page for a browser, without network; - is stdout.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show every table, not the verdict alone.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn.")]
Drafts = Annotated[
    str,
    typer.Option(
        help=f"{', '.join(names.DRAFTS[:-1])} or {names.DRAFTS[-1]}.", autocompletion=one_of(names.DRAFTS)
    ),
]  # fmt: skip
OwnDrafts = Annotated[
    str | None,
    typer.Option(
        help=f"{', '.join(names.DRAFTS[:-1])}, {names.DRAFTS[-1]} or module:object; by default a sampler's own, and "
        "iid for everything else.",
        show_default=False,
        autocompletion=one_of(names.DRAFTS),
    ),
]
DistributionOption = Annotated[str, typer.Option(help="Distribution as rationals or decimals: 0,1/5,4/5")]
Normalize = Annotated[bool, typer.Option("--normalize", help="Divide the distributions by their sums.")]

DEVICES = ("cpu", "cuda", "mps")
DTYPES = ("float32", "bfloat16", "float16")


def draft_distributions(text: str) -> Any:
    """Read q as it is typed.

    Parameters
    ----------
    text
        One distribution, or k of them with ; between.

    Returns
    -------
    str or list
        What `distributions.parse_drafts` takes.

    Examples
    --------
    >>> draft_distributions("1/2,1/2;0,1")
    [['1/2', '1/2'], ['0', '1']]
    """
    return [row.split(",") for row in text.split(";")] if ";" in text else text


def numbers(text: str, name: str, kind: Any) -> tuple[Any, ...]:
    """Read finite numbers with commas between.

    Parameters
    ----------
    text
        What was typed.
    name
        What errors call it.
    kind
        int or float.

    Returns
    -------
    tuple
        The numbers.

    Raises
    ------
    SpecHubError
        With the text.

    Examples
    --------
    >>> numbers("1,2", "k", int)
    (1, 2)
    """
    try:
        read = tuple(kind(part) for part in text.split(","))
    except ValueError:
        read = (inf,)
    if not all(map(isfinite, read)):
        raise SpecHubError(f"{name} = {text!r}; write numbers with commas between, such as 1,2")
    return read
