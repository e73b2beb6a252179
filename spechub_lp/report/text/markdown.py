"""Tables in Markdown."""

from collections.abc import Iterable, Sequence


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    r"""Write a table, a bar in a cell escaped.

    Parameters
    ----------
    heads
        One for each column.
    rows
        The cells of each row, as many.

    Returns
    -------
    list of str
        Lines.

    Examples
    --------
    >>> markdown_table(["what", "covered"], [["P(a|b)", "yes"]])
    ['| what | covered |', '|---|---|', '| P(a\\|b) | yes |']
    """
    cells = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    return [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *(f"| {' | '.join(row)} |" for row in cells)]
