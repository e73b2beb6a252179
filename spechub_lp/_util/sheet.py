"""A table that fits its terminal; in a pipe the same without colours, frames and line breaks."""

import io
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from spechub_lp._util import PIPED_WIDTH

GAP = 2
"""Blanks between columns."""

LEAST_PROSE = 24
"""Columns that a cell of several words needs at least; shorter cells are never broken."""


KEYS = 2
"""The columns that tell rows apart stand in every part of a wide table if they take at most its width over this."""

NUMBERS = re.compile(r"[-+\d.,e/± ]*")
"""Cells that stand to the right."""


def piped(show: Callable[[Console], None], width: int | None = None) -> str:
    r"""Return what is shown on a console, as it comes out of a pipe.

    Parameters
    ----------
    show
        Is given the console.
    width
        Of its lines; None lets each be as long as it is.

    Returns
    -------
    str
        The text.

    Examples
    --------
    >>> piped(lambda console: console.print("verdict", style="red"))
    'verdict\n'
    """
    out = io.StringIO()
    show(Console(file=out, width=width or PIPED_WIDTH, highlight=False, markup=False, emoji=False))
    return out.getvalue()


@dataclass(frozen=True)
class Sheet:
    """A table that fits: on a narrow terminal headings and prose fold, then columns go below each other.

    Examples
    --------
    >>> console = Console(width=40)
    >>> console.print(Sheet("Acceptance", ["sampler", "mean"], [["rrs", 0.5]]))  # doctest: +ELLIPSIS
    Acceptance...
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, framed = options.max_width, console.file.isatty()
        yield Text(self.title)
        everything = list(range(len(self.columns)))
        if sum(map(self._natural, everything)) + GAP * len(everything) <= width:
            yield self._table(everything, framed, folded=False)
        else:
            for part in self._parts(everything, width):
                yield self._table(part, framed, folded=True)
        yield Text(f"{self.note}\n" if self.note else "")

    def _parts(self, everything: list[int], width: int) -> Iterator[list[int]]:
        """The columns of each table: as many as fit beside the first ones, which tell the rows apart."""
        keys = everything[: self._keys()]
        keys = keys if self._least(keys) <= width / KEYS else keys[:1]
        part = list(keys)
        for n in everything[len(keys) :]:
            if len(part) > len(keys) and self._least([*part, n]) > width:
                yield part
                part = list(keys)
            part.append(n)
        yield part

    def _keys(self) -> int:
        counts = range(1, len(self.columns))
        return next((n for n in counts if len({tuple(row[:n]) for row in self.rows}) == len(self.rows)), 1)

    def _least(self, part: Sequence[int]) -> int:
        return sum(map(self._narrowest, part)) + GAP * (len(part) - 1)

    def _natural(self, n: int) -> int:
        return max(len(self.columns[n]), *(len(_cell(row[n])) for row in self.rows), 0)

    def _narrowest(self, n: int) -> int:
        cells = max((len(_cell(row[n])) for row in self.rows), default=0)
        return max(min(cells, LEAST_PROSE) if self._is_prose(n) else cells, *map(len, self.columns[n].split()), 0)

    def _is_prose(self, n: int) -> bool:
        return any(len(_cell(row[n])) > LEAST_PROSE and " " in _cell(row[n]) for row in self.rows)

    def _table(self, part: Sequence[int], framed: bool, folded: bool) -> Table:
        blanks = GAP - 1 if framed else GAP
        out = Table(box=box.SIMPLE_HEAD if framed else None, pad_edge=False, show_edge=False, padding=(0, blanks, 0, 0))
        for n in part:
            name = textwrap.fill(self.columns[n], self._narrowest(n)) if folded else self.columns[n]
            numbers = all(NUMBERS.fullmatch(_cell(row[n])) for row in self.rows)
            out.add_column(name, justify="right" if numbers else "left", no_wrap=not self._is_prose(n))
        for row in self.rows:
            out.add_row(*(_cell(row[n]) for n in part))
        return out


def _cell(value: Any) -> str:
    return f"{round(value, 4) + 0.0:.4f}" if isinstance(value, float) else str(value)
