"""Results that show themselves: as text, as HTML in a notebook, as rows, as a data frame."""

import shutil
import sys
from collections.abc import Sequence
from fractions import Fraction
from html import escape
from typing import Any

from spechub_lp.certificate import rational_text
from spechub_lp.errors import MissingPackage

LONGEST_RATIONAL = 24
"""Characters of a rational that a reader can take in."""
SHOWN = 4
"""Entries of an array in a repr."""
MOST_ROWS = 200
"""Rows of a table that are shown."""


class Tabular:
    """A result with rows: it defines `as_rows`, and says in `__str__` or `repr` what stands above them.

    Examples
    --------
    >>> class Squares(Tabular):
    ...     def as_rows(self):
    ...         return [{"n": 2, "square": 4.0}, {"n": 3, "square": 9.0}]
    ...
    ...     def __repr__(self):
    ...         return "Squares(2)"
    >>> print(Squares().table())
    Squares(2)
    n  square
    2  4.0000
    3  9.0000
    """

    def as_rows(self) -> list[dict[str, Any]]:
        """Return the rows, each as column -> value, exact where it is known exactly."""
        raise NotImplementedError

    def table(self, width: int | None = None) -> str:
        """Return the rows as a text.

        Parameters
        ----------
        width
            Columns that there is room for; None takes those of the terminal, and where there is none a row is a line.

        Returns
        -------
        str
            The table; where it is too wide, columns stand below each other.
        """
        from spechub_lp._util.sheet import Sheet, piped

        if width is None and sys.stdout.isatty():
            width = shutil.get_terminal_size().columns
        columns, rows, note = self._cells()
        text = piped(lambda console: console.print(Sheet(str(self), columns, rows, note)), width)
        return "\n".join(line.rstrip() for line in text.splitlines()).rstrip()

    def frame(self) -> Any:
        """Return the rows as a pandas data frame, rationals as floats; `as_rows` has them exactly.

        Raises
        ------
        MissingPackage
            pandas is not installed.
        """
        try:
            import pandas
        except ModuleNotFoundError:
            raise MissingPackage("pandas", "a data frame") from None
        return pandas.DataFrame(
            [{c: float(v) if isinstance(v, Fraction) else v for c, v in row.items()} for row in self.as_rows()]
        )

    def _repr_html_(self) -> str:
        columns, rows, note = self._cells()
        head = "".join(f"<th>{escape(column)}</th>" for column in columns)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        caption = f'<caption style="text-align:left">{escape(str(self))}</caption>'
        last = f"<p>{escape(note)}</p>" if note else ""
        return (
            f'<div style="overflow-x:auto"><table>{caption}<thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>{last}</div>"
        )

    def _cells(self) -> tuple[list[str], list[list[str]], str | None]:
        records = self.as_rows()
        columns = list(dict.fromkeys(column for record in records for column in record))
        rows = [[cell(record.get(column, "")) for column in columns] for record in records[:MOST_ROWS]]
        left = len(records) - len(rows)
        return columns, rows, f"and {left:,} more rows: .as_rows() has them all" if left else None


def few(values: Any) -> str:
    """Write the first entries of an array.

    Parameters
    ----------
    values : [...]
        Of any library.

    Returns
    -------
    str
        Up to four of them, and how many there are.

    Examples
    --------
    >>> few([0.25, 0.5]), few(range(1000))
    ('[0.25, 0.5]', '[0, 1, 2, 3, … 1,000]')
    """
    count = len(values)
    first = [values[i] for i in range(min(count, SHOWN))]
    words = [f"{float(v):.4g}" if isinstance(v, float) or hasattr(v, "dtype") else str(v) for v in first]
    return f"[{', '.join([*words, *([f'… {count:,}'] if count > SHOWN else [])])}]"


def cell(value: Any) -> str:
    """Write a value for a table.

    Parameters
    ----------
    value
        A number, a word, a sequence of numbers.

    Returns
    -------
    str
        Rationals as such where they are short, floats to four places, nothing for None.

    Examples
    --------
    >>> cell(Fraction(37, 100)), cell(0.25), cell((1, 0)), cell(True), cell(None)
    ('37/100 = 0.3700', '0.2500', '1, 0', 'yes', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, Fraction):
        text = rational_text(value)
        if "/" not in text:
            return text
        return f"{text} = {float(value):.4f}" if len(text) <= LONGEST_RATIONAL else f"{float(value):.6f}"
    if isinstance(value, float):
        return f"{round(value, 4) + 0.0:.4f}"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {cell(one) if isinstance(one, float) else one}" for key, one in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(cell(one) if isinstance(one, float) else str(one) for one in value)
    return str(value)
