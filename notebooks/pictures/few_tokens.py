"""Pictures of distributions on a few tokens: acceptances, triangles of three tokens, a coupling with its cut.

Each function draws on axes that `pictures.canvas` gave.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spechub_lp.report.plots.drawings import BAD, Range
from spechub_lp.report.plots.pictures import COLOURS, INK, TOKENS

GRID = 120
"""Steps along the side of a coloured triangle."""
ASIDE = np.asarray([0.30, 0.33, 0.37])
"""Where a cell is looked at: not at its middle, where ties that hold on a line alone would show as dots."""


@dataclass(frozen=True)
class Accepted:
    """What a sampler accepts on one pair of distributions, and whether its output keeps the target distribution.

    Examples
    --------
    >>> Accepted("rrs", "iid", 2, 0.37, 0.39, 0.0).row.verdict
    'lossless'
    """

    sampler: str
    drafts: str
    k: int
    acceptance: float
    optimum: float
    """alpha* of the drafts that it was given."""
    distance: float
    """Total variation between its output distribution and the target; 0 means lossless."""

    @property
    def row(self) -> Range:
        """Its row in `drawings.ranges`."""
        name, verdict = self.sampler, "lossless"
        if self.distance:
            name = f"{name}\non {self.drafts.replace('_', ' ')} drafts"
            verdict = f"biased by {float(self.distance):.3f}"
        return Range(name, self.acceptance, self.optimum, COLOURS[self.sampler], verdict, not self.distance)


def bars(axes: Any, names: Sequence[str], values: Sequence[float], colours: Sequence[str]) -> None:
    """Draw one bar a name, from the top, its value written after it.

    Parameters
    ----------
    axes
        Where.
    names, values, colours
        One of each for a bar.

    Examples
    --------
    >>> from spechub_lp.report.plots.pictures import canvas
    >>> with canvas() as (figure, axes):
    ...     bars(axes, ["rrs"], [0.37], [COLOURS["rrs"]])
    ...     [text.get_text() for text in axes.texts]
    ['0.3700']
    """
    axes.barh(names, values, color=colours, height=0.6)
    for y, value in enumerate(values):
        axes.annotate(f"{value:.4f}", (value, y), (4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)


def triangle(axes: Any, corners: Sequence[str]) -> Callable[[Any], tuple[Any, Any]]:
    """Draw an empty triangle of all distributions on three tokens, the first on top.

    Parameters
    ----------
    axes
        Where.
    corners
        Names of the tokens.

    Returns
    -------
    Callable
        Distributions [N, 3] -> places x [N], y [N].

    Examples
    --------
    >>> from spechub_lp.report.plots.pictures import canvas
    >>> with canvas() as (figure, axes):
    ...     place = triangle(axes, "abc")
    ...     [round(float(v), 3) for v in place([0, 1, 0])]
    [0.0, 0.0]
    """

    def place(distributions: Any) -> tuple[Any, Any]:
        distributions = np.asarray(distributions, dtype=float)
        return distributions[..., 2] + distributions[..., 0] / 2, distributions[..., 0] * 3**0.5 / 2

    axes.plot(*place(np.eye(3)[[0, 1, 2, 0]]), color=INK, lw=1)
    for corner, name, (right, up) in zip(np.eye(3), corners, ((0, 5), (-4, -14), (4, -14)), strict=True):
        axes.annotate(name, place(corner), (right, up), textcoords="offset points", ha="center")
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.margins(0.08)
    return place


def patchwork(
    axes: Any, place: Callable[[Any], tuple[Any, Any]], kind: Callable[[Any], Any], colours: Sequence[str]
) -> None:
    """Colour a triangle.

    Parameters
    ----------
    axes
        Where.
    place
        What `triangle` returned.
    kind
        Distributions [N, 3] -> the index of their colour [N].
    colours
        The colours.

    Examples
    --------
    >>> from spechub_lp.report.plots.pictures import canvas
    >>> with canvas() as (figure, axes):
    ...     place = triangle(axes, "abc")
    ...     patchwork(axes, place, lambda p: p.argmax(axis=1), ["red", "green", "blue"])
    ...     len(axes.collections)
    1
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.tri import Triangulation

    grid = np.asarray([(i, j, GRID - i - j) for i in range(GRID + 1) for j in range(GRID + 1 - i)]) / GRID
    mesh = Triangulation(*place(grid))
    kinds = kind(np.einsum("c,ncy->ny", ASIDE, grid[mesh.triangles]))
    shown = ListedColormap(colours)
    axes.tripcolor(mesh, facecolors=kinds, cmap=shown, vmin=0, vmax=len(colours) - 1, rasterized=True, zorder=0)


def transport(
    axes: Any,
    left: Sequence[tuple[str, float, bool]],
    right: Sequence[tuple[str, float, bool]],
    mass: Sequence[tuple[int, int, float]],
) -> None:
    """Draw bands of mass from boxes on the left to boxes on the right.

    What is inside the cut stands above a line that no band crosses. The unused part of a box stays empty.

    Parameters
    ----------
    axes
        Where.
    left, right
        Boxes: (label, capacity, inside the cut).
    mass
        Bands: (box on the left, box on the right, width).

    Examples
    --------
    >>> from spechub_lp.report.plots.pictures import canvas
    >>> with canvas() as (figure, axes):
    ...     transport(axes, [("{0}", 1.0, False)], [("0", 1.0, False)], [(0, 0, 1.0)])
    ...     len(axes.patches)
    3
    """
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path

    edge, reach = [], []
    for x, side, text in ((0.0, left, "right"), (1.0, right, "left")):
        order = sorted(range(len(side)), key=lambda n: (not side[n][2], n))
        inner, gap = sum(box[2] for box in side), 0.5 / len(side)
        below = [gap * (n + (2 if 0 < inner <= n else 0)) for n in range(len(side))]
        tops = {n: 1.0 - sum(side[m][1] for m in order[:at]) - below[at] for at, n in enumerate(order)}
        for n, (label, capacity, inside) in enumerate(side):
            outline = Rectangle((x - 0.02, tops[n] - capacity), 0.04, capacity, fill=False, ec=INK, lw=0.8)
            axes.add_patch(outline)
            at = (x - 0.035 if text == "right" else x + 0.035, tops[n] - capacity / 2)
            weight = "bold" if inside else "normal"
            axes.text(*at, label, ha=text, va="center", fontsize=9, color=INK, weight=weight)
        edge.append(tops[order[inner - 1]] - side[order[inner - 1]][1] - 1.5 * gap if inner else 1.1)
        reach.append(tops)
    for i, y, width in sorted(mass):
        a, b = reach[0][i], reach[1][y]
        reach[0][i], reach[1][y] = a - width, b - width
        points = [(-0.02, a), (0.5, a), (0.5, b), (1.02, b), (1.02, b - width), (0.5, b - width), (0.5, a - width),
                  (-0.02, a - width), (-0.02, a)]  # fmt: skip
        codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3, Path.CLOSEPOLY]
        axes.add_patch(PathPatch(Path(points, codes), fc=TOKENS[y], alpha=0.6, lw=0))
    if any(box[2] for box in right):
        bend = [(-0.25, edge[0]), (-0.02, edge[0]), (0.5, edge[0]), (0.5, edge[1]), (1.02, edge[1]), (1.25, edge[1])]
        line = Path(bend, [Path.MOVETO, Path.LINETO, *[Path.CURVE4] * 3, Path.LINETO])
        axes.add_patch(PathPatch(line, fill=False, ls="--", ec=BAD, lw=1.5))
    axes.set_xlim(-0.3, 1.3)
    axes.autoscale(axis="y")
    axes.set_axis_off()
