"""Telling how far a long piece of work is, from before its first part is done."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much is done, and of how much."""
T = TypeVar("T")


def untold(what: str, done: int, of: int) -> None:
    """Tell nobody.

    Parameters
    ----------
    what, done, of
        As a `Progress` takes them.

    Examples
    --------
    >>> untold("draws", 0, 10)
    """


def told(parts: Iterable[T], progress: Progress, what: str, of: int) -> Iterator[T]:
    """Pass on parts of some work, and tell how many there were: 0 before the first one is asked for.

    Parameters
    ----------
    parts
        Made one after the other.
    progress
        Is told.
    what
        The parts' name, in the plural.
    of
        How many there will be.

    Yields
    ------
    object
        Each part.

    Examples
    --------
    >>> list(told("ab", print, "letters", 2))
    letters 0 2
    letters 1 2
    letters 2 2
    ['a', 'b']
    """
    progress(what, 0, of)
    for done, part in enumerate(parts, 1):
        progress(what, done, of)
        yield part
