"""Pictures: of comparisons and sweeps, and what the pages and notebooks of this project draw with.

Every function but `acceptance` and `curves` draws on axes that it is given; `canvas` makes some, `svg` and `Picture`
show them. matplotlib is needed, of the extra `plots`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from pathlib import Path
from typing import Any

from spechub_lp._util.io import write_text
from spechub_lp.errors import SpecHubError
from spechub_lp.report.plots.border import hulls, merge_levels, under, verdict
from spechub_lp.report.plots.drawings import by_temperature, domains, gains, ranges, sharpness
from spechub_lp.report.plots.pictures import COLOURS, canvas, grouped, svg, svg_file

__all__ = [
    "Picture",
    "acceptance",
    "by_temperature",
    "canvas",
    "curves",
    "domains",
    "gains",
    "grouped",
    "hulls",
    "merge_levels",
    "ranges",
    "sharpness",
    "svg",
    "svg_file",
    "under",
    "verdict",
]

OTHER = "#808081"
"""Colour of a rule that has none of its own."""
BIASED = "#c62828"
MARKS = "os^Dvp*"
BANDS = {
    "iid": COLOURS["border"], "without_replacement": COLOURS["border_wor"], "hub": COLOURS["spechub"],
    "greedy": COLOURS["spechub"],
}  # fmt: skip
"""Colours of the optima of draft policies: those of the rules that reach them."""


@dataclass(frozen=True)
class Picture:
    """A picture that a notebook shows, and that `save` writes.

    Examples
    --------
    >>> picture = Picture("<svg></svg>")
    >>> picture._repr_html_()
    '<svg></svg>'
    """

    text: str
    """SVG that takes the colours of the page it stands on."""
    figure: Any = None
    """The matplotlib figure."""
    title: str = ""

    def __repr__(self) -> str:
        return f"Picture({self.title!r})"

    def _repr_html_(self) -> str:
        return self.text

    def save(self, path: str | Path) -> None:
        """Write the picture: an .svg for light and dark readers, or any other format of matplotlib by its ending.

        Raises
        ------
        SpecHubError
            The file cannot be written, matplotlib has no such format, or there is no figure to write.
        """
        if not isinstance(path, str | Path):
            raise SpecHubError(f"path = {path!r:.60} is no name of a file; give one such as 'picture.svg'")
        if self.figure is None:
            raise SpecHubError(f"{self!r} has no figure to write to {path}; it has its text alone")
        path = Path(path)
        if path.suffix == ".svg":
            write_text(path, svg_file(self.figure, self.title))
            return
        try:
            self.figure.savefig(path, dpi=160)
        except (OSError, ValueError) as error:  # ValueError: a format that matplotlib does not know
            raise SpecHubError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from None


def acceptance(rows: Sequence[Any], title: str = "Acceptance, and the optimum of the same drafts") -> Picture:
    """Draw what each sampler accepts, and the optimum of its drafts as a line beside it.

    Parameters
    ----------
    rows
        Those of a `spechub_lp.compare`.
    title
        Above it.

    Returns
    -------
    Picture
        Bars; a rule whose output is not the target is red.

    Raises
    ------
    SpecHubError
        rows are not those of a comparison, there are none, or a number or the title is none.

    Examples
    --------
    >>> from spechub_lp import compare
    >>> acceptance(compare("0, 1/5, 4/5", "3/5, 3/10, 1/10", samplers=["rrs", "border"]).rows)
    Picture('Acceptance, and the optimum of the same drafts')
    """
    _check(rows, "compare(p, q)", title)
    names = [f"{row.sampler}, {row.drafts}" for row in rows]
    with canvas(width=6.4, height=0.9 + 0.3 * len(rows)) as (figure, axes):
        for y, row in enumerate(rows):
            colour = BIASED if row.lossless is False else COLOURS.get(row.sampler, OTHER)
            axes.barh(y, float(row.acceptance), 0.62, color=colour, xerr=row.error or None, ecolor=OTHER)
            text = f"{float(row.acceptance):.4f}{' BIASED' if row.lossless is False else ''}"
            edge = max(float(row.acceptance), float(row.optimum) if isfinite(row.optimum) else 0.0)
            if isfinite(row.optimum):
                axes.plot([float(row.optimum)] * 2, [y - 0.42, y + 0.42], color=COLOURS["optimum"], linewidth=2.5)
            axes.annotate(text, (edge, y), (5, 0), textcoords="offset points", va="center", fontsize=9)
        axes.set_yticks(range(len(names)), names, parse_math=False)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 1.25 * max((max(float(r.acceptance), float(r.optimum)) for r in rows), default=1) + 0.06)
        axes.set_xlabel("acceptance; the line is the optimum of the same drafts")
        axes.set_title(title)
    return Picture(svg(figure, title), figure, title)


def _check(rows: Any, source: str, title: Any) -> None:
    """Raise SpecHubError unless rows are those of a comparison or a sweep, named as their source, and can be drawn."""
    fields = ("sampler", "drafts", "k", "acceptance", "optimum", "lossless", "error", "temperature", "asked")
    if not isinstance(rows, Sequence) or not all(hasattr(row, name) for row in rows for name in fields):
        raise SpecHubError(f"rows = {rows!r:.60}; they are those of a comparison: {source}.rows")
    if not rows:
        raise SpecHubError(f"rows = {rows!r} holds nothing to draw; give those of a comparison: {source}.rows")
    if not isinstance(title, str):
        raise SpecHubError(f"title = {title!r:.60} is of type {type(title).__name__}; a title is a string, '' for none")
    for row in rows:
        for name in ("acceptance", "temperature", "asked"):
            if not isinstance(value := getattr(row, name), Real) or not isfinite(value):
                raise SpecHubError(f"the {name} of {row.sampler} is {value!r:.60}, which is no number to draw")
        if not isinstance(row.optimum, Real):
            raise SpecHubError(f"the optimum of {row.sampler} is {row.optimum!r:.60}; it is a number, NaN if not known")
        if not isinstance(row.error, Real) or row.error < 0:
            raise SpecHubError(f"the error of {row.sampler} is {row.error!r:.60}; an error is a number from 0 on")


def curves(rows: Sequence[Any], title: str = "Acceptance against temperature") -> Picture:
    """Draw acceptance of each sampler against temperature, and the optimum of each draft policy as a broad band.

    Parameters
    ----------
    rows
        Those of a `spechub_lp.sweep`.
    title
        Above it.

    Returns
    -------
    Picture
        One panel for each number of drafts that was asked for.

    Raises
    ------
    SpecHubError
        rows are not those of a sweep, there are none, or a number or the title is none.

    Examples
    --------
    >>> from spechub_lp import sweep
    >>> curves(sweep([0.0, 1.0, 2.0], [1.0, 0.5, 0.0], temperatures=(0.5, 1), samplers=["rrs"]).rows)
    Picture('Acceptance against temperature')
    """
    _check(rows, "sweep(target, draft, temperatures)", title)
    asked = sorted({row.asked for row in rows})
    with canvas(columns=len(asked), width=5.2, height=4.2, sharey=True, squeeze=False) as (figure, axes):
        for k, ax in zip(asked, axes[0], strict=True):
            _panel(ax, [row for row in rows if row.asked == k])
            ax.set_title(f"{k} drafts" if len(asked) > 1 else title)
            ax.set_xlabel("temperature")
        axes[0][0].set_ylabel("acceptance")
        figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=1 + len(asked))
    return Picture(svg(figure, title), figure, title)


def _panel(axes: Any, rows: Sequence[Any]) -> None:
    """The bands of the optima, then the lines of the rules: in their colours, each with a mark of its own."""
    for drafts, k in dict.fromkeys((row.drafts, row.k) for row in rows):
        best = {row.temperature: float(row.optimum) for row in rows if (row.drafts, row.k) == (drafts, k)}
        look = {"color": BANDS.get(drafts, OTHER), "label": f"optimum, {drafts}{'' if k > 1 else ', one draft'}"}
        axes.plot([*best], [*best.values()], linewidth=8, alpha=0.25, solid_capstyle="round", **look)
    for n, (sampler, drafts) in enumerate(dict.fromkeys((row.sampler, row.drafts) for row in rows)):
        mine = [row for row in rows if (row.sampler, row.drafts) == (sampler, drafts)]
        axes.plot(
            [row.temperature for row in mine], [float(row.acceptance) for row in mine], marker=MARKS[n % len(MARKS)],
            markersize=5, linewidth=1.3, color=COLOURS.get(sampler, OTHER), label=f"{sampler}, {drafts}",
        )  # fmt: skip
