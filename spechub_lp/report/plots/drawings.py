"""Pictures of measured acceptances and distances; each function draws on axes that `pictures.canvas` gave."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from spechub_lp._util import renamed
from spechub_lp.evaluate.measures import BINS, REGIONS, chosen
from spechub_lp.report.plots.pictures import COLOURS, INK, canvas, svg_file
from spechub_lp.report.text.evaluations import PLACES

if TYPE_CHECKING:
    from spechub_lp.evaluate.evaluate import Evaluation

__getattr__ = renamed.attributes(__name__, {"replay_strip": "evaluation_strip"})

GOOD, BAD = "#008f6a", "#d03031"
"""Good news and bad; a page puts its own two colours in their place."""
WARMTH = ("#2b7bba", "#56b4e9", "#009e73", "#e69f00", "#d55e00", "#b07aa1")
"""Temperatures, the coldest first."""
SHADES = {"half": "#009e73", "border": "#e69f00", "beyond": "#d55e00"}
POLICY_OF = {"iid": "border", "without_replacement": "border_wor", "greedy": "greedy_hubs", "top_k": "naive"}
"""Whose colour the optimum of a draft distribution takes."""
LONGEST = 28
"""Letters of a name beside a chart; beyond, the chart would have no room."""
ROW = 0.27
"""Inches of one row of a chart with names on its left."""


class Range(NamedTuple):
    """One row of a chart of acceptances.

    Examples
    --------
    >>> Range("rrs", 0.37, 0.39, COLOURS["rrs"], "lossless").good
    True
    """

    name: str
    value: float
    optimum: float
    colour: str
    verdict: str
    """What stands on the right: never an acceptance without it."""
    good: bool = True


def ranges(axes: Any, rows: Sequence[Range]) -> None:
    """Draw for each row a dot at its acceptance, a bar at the optimum, a line over the gap, and the verdict after it.

    Parameters
    ----------
    axes
        Where.
    rows
        From the top.

    Examples
    --------
    >>> with canvas() as (figure, axes):
    ...     ranges(axes, [Range("rrs", 0.37, 0.39, COLOURS["rrs"], "lossless")])
    ...     [text.get_text() for text in axes.texts]
    ['lossless']
    """
    for y, row in enumerate(rows):
        colour = row.colour if row.good else BAD
        axes.plot([row.value, row.optimum], [y, y], color=colour, lw=3, alpha=0.45, solid_capstyle="butt", zorder=1)
        axes.plot(row.optimum, y, marker="|", ms=13, mew=2, color=INK, zorder=2)
        axes.plot(row.value, y, marker="o" if row.good else "X", ms=7, color=colour, zorder=3)
        axes.text(
            1.02, y, row.verdict, transform=axes.get_yaxis_transform(), va="center", fontsize=9,
            color=INK if row.good else BAD,
        )  # fmt: skip
    _named(axes, [row.name for row in rows])
    axes.set(xlabel="acceptance (dot), optimum of the same drafts (bar)")


class Away(NamedTuple):
    """One row of a chart of distances.

    Examples
    --------
    >>> Away("ties", 1e-12, 1e-9, GOOD).bound
    1e-09
    """

    name: str
    distance: float
    bound: float
    """The largest distance that is not excluded."""
    colour: str


def distances(axes: Any, rows: Sequence[Away], allowed: float) -> None:
    """Draw for each row a line from its distance to its bound, on a logarithmic axis whose left edge is 0.

    Parameters
    ----------
    axes
        Where.
    rows
        From the top.
    allowed
        The distance of the dashed line.

    Examples
    --------
    >>> with canvas() as (figure, axes):
    ...     distances(axes, [Away("ties", 1e-12, 1e-9, GOOD)], 1e-6)
    ...     axes.get_xscale()
    'log'
    """
    floor = 1e-17
    for y, row in enumerate(rows):
        low, high = max(row.distance, floor), max(row.bound, floor)
        axes.plot([low, high], [y, y], color=row.colour, lw=3, alpha=0.45, zorder=1)
        axes.plot(low, y, marker="X" if row.colour == BAD else "o", ms=7, color=row.colour, zorder=2)
    axes.axvline(allowed, color=INK, lw=1, ls=(0, (4, 3)))
    axes.set_xscale("log")
    axes.set_xlim(floor / 2, 2)
    axes.set_xticks([floor, 1e-12, 1e-9, 1e-6, 1e-3, 1], ["0", "1e-12", "1e-9", "1e-6", "1e-3", "1"])
    axes.minorticks_off()
    _named(axes, [row.name for row in rows])
    axes.set(xlabel="distance from the target distribution")


def by_temperature(axes: Any, result: "Evaluation", k: int) -> None:
    """Draw acceptance of each sampler (dots) and the optimum of each draft policy (a broad band) against temperature.

    Parameters
    ----------
    axes
        Where.
    result
        The evaluation.
    k
        Number of drafts.
    """
    tally, at = result.tally, result.plan.temperatures
    for policy, owner in POLICY_OF.items():
        best = [tally.mean((t, k, "optimum", policy)) for t in at]
        if all(best):
            axes.plot(at, [m.mean for m in best if m], color=COLOURS[owner], lw=5, alpha=0.3, solid_capstyle="round")
    for sampler in chosen(result.plan.samplers, k):
        means = [tally.mean((t, sampler.k, "acceptance", sampler.name)) for t in at]
        if all(means) and not (sampler.name == "greedy_hubs" and k == 2):
            style = {"color": COLOURS.get(sampler.name, INK), "label": sampler.name}
            axes.plot(at, [m.mean for m in means if m], marker="o", ms=4, lw=1.4, **style)
    axes.set(xlabel="temperature", ylabel="acceptance")
    axes.set_xticks(at, [f"{t:g}" for t in at])
    _legend(axes, 3)


def sharpness(axes: Any, result: "Evaluation") -> None:
    """Draw how often the draft's largest probability q(a) is what, at each temperature.

    Parameters
    ----------
    axes
        Where.
    result
        The evaluation.
    """
    tally = result.tally
    for t, colour in zip(result.plan.temperatures, WARMTH * len(result.plan.temperatures), strict=False):
        shares = [tally.share((t, 0, "histogram", b), (t, 0, "q(a)")) for b in range(BINS)]
        heights = [s.mean if s else 0.0 for s in shares]
        axes.stairs(heights, np.arange(BINS + 1) / BINS, color=colour, lw=1.6, label=f"T = {t:g}")
    axes.axvline(0.5, color=INK, lw=0.8, ls=(0, (4, 3)))
    axes.set(xlabel="q(a)", ylabel="share of positions", xlim=(0, 1))
    _legend(axes, 3)


def gains(axes: Any, result: "Evaluation", k: int, rival: str) -> None:
    """Draw the hub's optimum less a rival's, in each region of the dominance theorems, with intervals.

    Parameters
    ----------
    axes
        Where.
    result
        The evaluation.
    k
        Number of drafts.
    rival
        A draft policy.
    """
    at = result.plan.temperatures
    for n, place in enumerate(REGIONS):
        shift = 0.022 * (n - 1) * (max(at) - min(at) or 1)
        found = [(t, m) for t in at if (m := result.tally.mean((t, k, "hub against", rival, place, "gain")))]
        if found:
            reach = [*zip(*(m.reach for _, m in found), strict=True)]
            axes.errorbar(
                [t + shift for t, _ in found], [m.mean for _, m in found], reach,
                fmt="o", ms=5, lw=1.2, color=SHADES[place], label=PLACES[place],
            )  # fmt: skip
    axes.axhline(0, color=INK, lw=0.8)
    axes.set_xlim(min(at) - 0.2, max(at) + 0.2)
    axes.set_xticks(at, [f"{t:g}" for t in at])
    axes.set(xlabel="temperature", ylabel="gain in acceptance")
    _legend(axes, 1)


def domains(axes: Any, result: "Evaluation", k: int, t: float) -> None:
    """Draw acceptance of each sampler in each domain, with intervals clustered by document.

    Parameters
    ----------
    axes
        Where.
    result
        The evaluation.
    k
        Number of drafts.
    t
        The temperature.
    """
    own = [s for s in chosen(result.plan.samplers, k) if not (s.name == "greedy_hubs" and k == 2)]
    for n, sampler in enumerate(own):
        key, shift = (t, sampler.k, "acceptance", sampler.name), 0.7 * ((n + 0.5) / len(own) - 0.5)
        means = [(y, m) for y, d in enumerate(result.domains.values()) if (m := result.tally.mean(key, d))]
        reach = [*zip(*(m.reach for _, m in means), strict=True)]
        axes.errorbar(
            [m.mean for _, m in means], [y + shift for y, _ in means], xerr=reach,
            fmt="o", ms=4, lw=1, color=COLOURS.get(sampler.name, INK), label=sampler.name,
        )  # fmt: skip
    _named(axes, list(result.domains))
    axes.set(xlabel="acceptance")
    _legend(axes, 3)


def evaluation_strip(result: "Evaluation", title: str) -> str:
    """Draw the histogram of q(a) and acceptance against temperature side by side.

    Parameters
    ----------
    result
        The evaluation.
    title
        What a screen reader says.

    Returns
    -------
    str
        An SVG file; without matplotlib a MissingPackage is raised.
    """
    with canvas(columns=1 + len(result.plan.ks)) as (figure, axes):
        sharpness(axes[0], result)
        for place, k in zip(axes[1:], result.plan.ks, strict=True):
            by_temperature(place, result, k)
            place.set_title(f"{k} drafts")
        return svg_file(figure, title)


def _named(axes: Any, names: Sequence[str]) -> None:
    """Names on the left, the first on top. They come from files: no mathematics is read in them, long ones are cut."""
    shown = ["\n".join(map(_cut, name.split("\n"))) for name in names]
    axes.set_yticks(range(len(names)), shown, parse_math=False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=INK, alpha=0.2, lw=0.6)
    axes.set_axisbelow(True)


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _legend(axes: Any, columns: int) -> None:
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns)
