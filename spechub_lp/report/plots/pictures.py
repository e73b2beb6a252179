"""Pictures as SVG text that takes the colours of the page it stands on, light or dark."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

from spechub_lp._util.extras import extra

INK = "#808081"
"""Stands for the reader's text colour while matplotlib draws."""

COLOURS = {
    "naive": "#999999", "nss": "#b07aa1", "rrs": "#d55e00", "rrsw": "#e69f00", "kseq": "#a6761d",
    "spechub": "#009e73", "greedy_hubs": "#009e73", "border": "#56b4e9", "border_wor": "#2b7bba",
    "two_step": "#8c8ce0", "lp_table": "#8c8ce0",
    "border_adaptive": "#66a61e", "border_tempered": "#c2569a", "border_bucketed": "#4bb3a7",
    "p": "#d55e00", "q": "#2b7bba", "optimum": "#7f7f7f",
}  # fmt: skip
"""One colour a sampler, on every page; each can be read on white and on black."""

TOKENS = ("#d55e00", "#2b7bba", "#009e73", "#e69f00", "#b07aa1", "#a6761d", "#56b4e9", "#7f7f7f")
"""Colours of the tokens of a small vocabulary, by id."""

STYLE: Any = {
    "axes.edgecolor": INK, "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left", "axes.titlesize": 10,
    "font.size": 10, "font.family": "sans-serif", "legend.frameon": False, "legend.fontsize": 9,
    "svg.fonttype": "none", "svg.hashsalt": "spechub-lp",
}  # fmt: skip


@contextmanager
def canvas(columns: int = 1, rows: int = 1, width: float = 4.6, height: float = 3.4, **options: Any) -> Iterator[Any]:
    """Give axes to draw on inside a `with`.

    Parameters
    ----------
    columns, rows
        How many axes.
    width, height
        Inches of each.
    options
        Those of `Figure.subplots`.

    Yields
    ------
    figure, axes [rows, columns]
        One axes alone when there is one.

    Raises
    ------
    MissingPackage
        matplotlib is not installed.

    Examples
    --------
    >>> with canvas(columns=2) as (figure, axes):
    ...     axes.shape
    (2,)
    """
    with extra("plots", "a picture"):
        import matplotlib
        from matplotlib.figure import Figure
    with matplotlib.rc_context(STYLE):
        drawn = Figure(figsize=(width * columns, height * rows), layout="constrained")
        yield drawn, drawn.subplots(rows, columns, **options)


def svg(drawn: Any, title: str = "") -> str:
    """Return a figure as one <svg> element that scales with its page.

    Parameters
    ----------
    drawn
        The figure.
    title
        What a screen reader says.

    Returns
    -------
    str
        SVG in the reader's colour of text.

    Examples
    --------
    >>> with canvas() as (figure, axes):
    ...     svg(figure, "empty axes")[:4]
    '<svg'
    """
    import matplotlib

    out, nothing = io.StringIO(), dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context(STYLE):
        drawn.savefig(out, format="svg", transparent=True, metadata=nothing)
    _, opening, rest = re.split(r"(<svg[^>]*>)", out.getvalue(), maxsplit=1)
    width, box = (re.findall(rf'{name}="([^"]*)"', opening)[0] for name in ("width", "viewBox"))
    named = f'role="img" aria-label="{escape(title)}"' if title else 'aria-hidden="true"'
    style = f"width:100%;max-width:{float(width.removesuffix('pt')) * 4 / 3:.0f}px;height:auto"
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {spaces} viewBox="{box}" style="{style}" {named}>' + rest.replace(INK, "currentColor")


def svg_file(drawn: Any, title: str) -> str:
    """Return a figure as a file of its own, for a Markdown page: dark lines for a light reader, light ones for a dark.

    Parameters
    ----------
    drawn
        The figure.
    title
        What a screen reader says.

    Returns
    -------
    str
        SVG.

    Examples
    --------
    >>> with canvas() as (figure, axes):
    ...     "prefers-color-scheme" in svg_file(figure, "empty axes")
    True
    """
    text = svg(drawn, title)
    text = re.sub(r'style="width:100%;max-width:(\d+)px;height:auto"', r'width="\1"', text, count=1)
    colours = "svg{color:#1f2328}@media(prefers-color-scheme:dark){svg{color:#d1d7e0}}"
    return text.replace(">", f"><style>{colours}</style>", 1) + "\n"


def grouped(axes: Any, names: Sequence[str], series: dict[str, Any], colours: dict[str, str] = COLOURS) -> None:
    """Draw a group of bars for each name, one bar for each of the series.

    Parameters
    ----------
    axes
        Where.
    names
        Of the groups.
    series
        Label -> values, one for each name.
    colours
        Label -> colour.

    Examples
    --------
    >>> with canvas() as (figure, axes):
    ...     grouped(axes, ["0", "1"], {"p": [0.5, 0.5], "q": [0.25, 0.75]})
    ...     len(axes.patches)
    4
    """
    wide = 0.8 / len(series)
    for n, (label, values) in enumerate(series.items()):
        left = [i - 0.4 + (n + 0.5) * wide for i in range(len(names))]
        axes.bar(left, [float(v) for v in values], wide * 0.92, color=colours[label], label=label)
    axes.set_xticks(range(len(names)), names)
    axes.legend()
