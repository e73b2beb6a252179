"""Border's mixture in pictures (theory/border): B under F, the hulls, the merge levels, and one verdict.

Each function draws on axes that `pictures.canvas` gave.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from spechub_lp._array.equality import equal_fields
from spechub_lp.report.plots.pictures import COLOURS, INK, TOKENS
from spechub_lp.samplers.border.merge_tree import MergeTree
from spechub_lp.typing import Array

ACROSS = "q cumulated, tokens by falling p/q"


@dataclass(frozen=True)
class Race:
    """What the pictures need of one row (p, q), in float64: the n tokens that q can draft, by falling p/q.

    Examples
    --------
    >>> from spechub_lp import samplers
    >>> race = Race.of(samplers.Border(), np.array([[0.6, 0.3, 0.1]]), np.array([[0.2, 0.3, 0.5]]))
    >>> race.tokens.tolist(), race.cut
    ([0, 1, 2], 1)
    """

    tokens: Array
    """[n] their ids."""
    p: Array
    """[n] target distribution; sums to 1 less what q cannot draft."""
    q: Array
    """[n] draft distribution."""
    f: Array
    """[n] distribution of the best draft."""
    b: Array
    """[n] distribution of the chosen draft."""
    tree: MergeTree
    """The nested partitions."""

    __eq__ = equal_fields

    @classmethod
    def of(cls, sampler: Any, p: Array, q: Array) -> "Race":
        """Make the race of border or border_wor for one row p, q [1, V], rationals or floats."""
        mixture = sampler.prepare(p, q)
        tree = MergeTree(*(a.astype(np.int64 if a.dtype == np.int64 else np.float64) for a in mixture.trees[0]))
        tokens = np.argsort(np.asarray(mixture.rank[0]), kind="stable")[: len(tree.merge_level)]
        p, q, b = (np.asarray(a[0], dtype=np.float64)[tokens] for a in (p, q, mixture.distribution))
        return cls(tokens, p, q, sampler.race.best_draft(q, sampler.k), b, tree)

    def sums(self, distribution: Array) -> Array:
        """Cumulate a distribution from 0: [n + 1]; p starts with what q cannot draft."""
        return np.append(0, np.cumsum(distribution)) + (1 - distribution.sum() if distribution is self.p else 0)

    @property
    def cut(self) -> int:
        """How many tokens stand before the cut: where P exceeds F most."""
        return int(np.argmax(self.sums(self.p) - self.sums(self.f)))

    def blocks(self, t: float) -> list[tuple[int, int]]:
        """Return the blocks [first, end) at level t."""
        corners = [0, *(i for i in range(1, len(self.q)) if self.tree.merge_level[i] > t), len(self.q)]
        return list(pairwise(corners))


def under(axes: Any, race: Race) -> None:
    """Draw P, F and B over the cumulated q; the gap at the cut is 1 - alpha*.

    Parameters
    ----------
    axes
        Where.
    race
        One row of (p, q).
    """
    c, cut = race.sums(race.q), race.cut
    target, best, chosen = (race.sums(distribution) for distribution in (race.p, race.f, race.b))
    axes.plot(c, target, "s--", color=COLOURS["p"], ms=3.5, lw=1.2, label="P, the target")
    axes.plot(c, best, "o:", color=INK, ms=5, lw=1, label="F, the best draft")
    axes.plot(c, chosen, "-", color=COLOURS["border"], lw=2, label="B, the chosen draft")
    gap = target[cut] - best[cut]
    if gap > 1e-9:
        axes.vlines(c[cut], best[cut], target[cut], color=COLOURS["p"], lw=5, alpha=0.5)
        middle, words = (c[cut], (target[cut] + best[cut]) / 2), f"1 - alpha* = {gap:.3f}"
        side = {"ha": "right", "xytext": (-14, -10)} if c[cut] > 0.6 else {"ha": "left", "xytext": (14, -14)}
        axes.annotate(words, middle, textcoords="offset points", color=INK, **side)
    axes.set(xlabel=ACROSS, xlim=(0, 1), ylim=(0, 1.03))
    axes.legend(loc="lower right")


def hulls(axes: Any, race: Race, levels: Sequence[float]) -> None:
    """Draw B - tF and its upper hull at each level; the corners are the boundaries between blocks.

    Parameters
    ----------
    axes
        Where.
    race
        One row of (p, q).
    levels
        The values of t.
    """
    c = race.sums(race.q)
    for t in levels:
        points = race.sums(race.b) - t * race.sums(race.f)
        corner = np.asarray([0, *(end for _, end in race.blocks(t))])
        colour = _shade("plasma", 0.4 + 0.45 * t)
        axes.plot(c, points, ".", color=colour, ms=4)
        axes.plot(c[corner], points[corner], "-o", color=colour, ms=4.5, lw=1.5, label=f"t = {t:g}")
    axes.set(xlabel=ACROSS, ylabel="B - t F and its upper hull", xlim=(0, 1))
    axes.legend(fontsize=8)


def merge_levels(axes: Any, race: Race, names: Sequence[str] = (), t: float | None = None) -> None:
    """Draw each block over the levels at which it stands, and a stem for each boundary up to its merge level.

    A block has the density of its rule, (rise of F) / (width).

    Parameters
    ----------
    axes
        Where.
    race
        One row of (p, q).
    names : [V]
        Of the tokens.
    t
        A level to mark.
    """
    c, tree, densities = race.sums(race.q), race.tree, race.f / race.q
    for start, end, formed, up in zip(tree.first, tree.end, tree.formed, tree.parent, strict=True):
        until = tree.formed[up] if up >= 0 else 1.0
        if until <= formed:
            continue
        density = race.f[start:end].sum() / race.q[start:end].sum()
        shade = _shade("viridis", float(0.08 + 0.5 * density / densities.max()))
        pale = 0.4 if t is not None and not formed <= t < until else 1.0
        axes.fill_between([c[start], c[end]], formed, until, color=shade, alpha=pale, ec="white", lw=0.8)
        if until - formed > 0.05 and c[end] - c[start] > 0.06:
            middle = (c[start] + c[end]) / 2, (formed + until) / 2
            ink = INK if pale < 1 else "white"
            axes.text(*middle, f"{density:.2f}", color=ink, ha="center", va="center", fontsize=8)
    for i in range(1, len(race.q)):
        axes.vlines(c[i], 0, tree.merge_level[i], color=INK, lw=2)
        axes.plot([c[i]], [tree.merge_level[i]], "o", color=INK, ms=5, clip_on=False)
    if t is not None:
        axes.axhline(t, color=COLOURS["p"], lw=2)
    for i, token in enumerate(race.tokens[: len(names)]):
        axes.text((c[i] + c[i + 1]) / 2, 1.03, names[token], rotation=35, fontsize=9)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=ACROSS, ylabel="level t")


def verdict(
    axes: Any, names: Sequence[str], draft_ids: Sequence[int], choose: Array, accept: Array, residual: Array
) -> None:
    """Draw one tuple in three rows of the same length, 1: which draft is chosen, whether it is accepted, the output.

    Parameters
    ----------
    axes
        Where.
    names : [V]
        Of the tokens.
    draft_ids : [k]
        The drafts.
    choose, accept : [k]
        Probabilities.
    residual : [V]
        Probabilities.
    """
    choose, accept, residual = (np.asarray(a, dtype=np.float64) for a in (choose, accept, residual))
    at = 0.0
    for x, chosen, accepted in zip(draft_ids, choose, accept, strict=True):
        _piece(axes, 2, at, chosen, names[x], x, 0.75)
        _piece(axes, 1, at, accepted, "accept", x, 1)
        _piece(axes, 1, at + accepted, chosen - accepted, "reject", x, 0.25)
        at += chosen
    at = 0.0
    for x, mass, solid in (
        *zip(draft_ids, accept, [1] * len(draft_ids), strict=True),
        *((y, m, 0.5) for y, m in _held(residual)),
    ):
        _piece(axes, 0, at, mass, names[x], x, solid)
        at += mass
    axes.set(xlim=(0, 1), ylim=(-0.5, 2.5), xlabel="probability, given these drafts")
    axes.set_yticks([0, 1, 2], ["output", "accept", "choose"])
    axes.spines["left"].set_visible(False)


def _held(residual: Array) -> list[tuple[int, float]]:
    return [(y, float(mass)) for y, mass in enumerate(residual) if mass > 0]


def _piece(axes: Any, row: int, left: float, width: float, name: str, token: int, solid: float) -> None:
    if width <= 0:
        return
    colour = TOKENS[token % len(TOKENS)]
    axes.barh(row, width, 0.7, left, color=colour, alpha=solid, ec=INK, lw=0.6)
    if width > 0.013 * (len(name) + 1):
        axes.text(left + width / 2, row, f"{name}\n{width:.3f}", ha="center", va="center", fontsize=9)


def _shade(colours: str, at: float) -> Any:
    from matplotlib import colormaps

    return colormaps[colours](at)
