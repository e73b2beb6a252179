"""Ties of three and more children: the luckiest of those that are alike (theory/trees, section 6)."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, permutations
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp._array.convert import as_numpy
from spechub_lp.drafts import IID
from spechub_lp.samplers.border.merge_tree import MergeTree
from spechub_lp.samplers.border.preparation import Mixture, RangeMaximum
from spechub_lp.typing import Array

REORDERED = 4
"""Of the drafts of a node so many, the first drawn, are looked at in every order; those behind them as drawn."""
FAINTEST = 1e-90
"""What is left of q in floats is at least this, so that products over a few drafts do not overflow."""


def ways(site: Any, block: int | None) -> list[tuple[tuple[Any, ...], Any]]:
    """Say where the walk can go on from a node with three children or more, given the best block that was hit.

    Border chooses the places with probabilities c_1 >= c_2 >= ... Of the first m of them the luckiest is taken with
    probability m (c_m - c_(m+1)), for each m: all are chosen as often as before. All drafts are remembered, so the
    j-th was chosen as the luckiest of m >= j with probability (c_m - c_(m+1)) / c_j.

    Parameters
    ----------
    site
        The `luck.Site` of the node.
    block
        A node of its merge tree; None for all levels.

    Returns
    -------
    list of (places, probability)
        What is known there (`luck.Known`). Of several places the luckiest is taken.

    Examples
    --------
    >>> from spechub_lp.trees import BorderPath, Drafted
    >>> from spechub_lp.trees.luck import Known, Sites
    >>> p = np.full((7, 3), 1 / 3)
    >>> tree = Drafted([-1, 0, 0, 0, 1, 2, 3], [-1, 0, 1, 2, 0, 0, 0], p, p)
    >>> site = Sites(BorderPath(), tree).at(Known((0,), 1.0, ()))
    >>> [(len(places), round(float(chance), 3)) for places, chance in ways(site, None)]
    [(3, 1.0)]
    """
    drawn = site.ranks
    mixture = site.mixture if block is None else _one_block(site, block)
    if not site.looks or len({*drawn}) < len(drawn) or max(drawn) >= len(site.q):
        found = site.rule._among(site.tree, site.known.place, mixture).children
        return [((site._to(place),), chance) for place, chance in found]
    chances = _in_any_order(site, mixture)
    order = sorted((j for j in range(len(drawn)) if chances[j] > 0), key=lambda j: chances[j], reverse=True)
    layers = _layers([chances[j] for j in order])
    places = [
        site._to((site.children[j],), *(layer / m / chances[j] if m > at else layer * 0 for m, layer in layers[1:]))
        for at, j in enumerate(order)
    ]
    return [(tuple(places[:m]), chance) for m, chance in layers if chance > 0]


def _in_any_order(site: Any, mixture: Mixture) -> list[Any]:
    """The probability that each of different drafts is chosen, whatever the order of the first of them.

    Border looks at the order in which drafts were drawn: of three in a block it may take the first.
    """
    places, xp = range(len(site.children)), array_namespace(mixture.rank)
    orders = [(*first, *places[REORDERED:]) for first in permutations(places[:REORDERED])]
    tokens = [int(site.tree.tokens[child]) for child in site.children]
    x = xp.asarray([[tokens[j] for j in order] for order in orders], dtype=xp.int64, device=device(mixture.rank))
    chosen = as_numpy(site.rule._rule(len(tokens)).choose(mixture, x))
    likely = [_likely(site, [site.ranks[j] for j in order[:REORDERED]]) for order in orders]
    chances = [site.q[0] * 0] * len(tokens)
    for order, probability, row in zip(orders, likely, chosen, strict=True):
        for j, chance in zip(order, row, strict=True):
            chances[j] += probability * chance
    return [chance / sum(likely) for chance in chances]


def before(own: Array, others: Sequence[tuple[Array, Array]]) -> Array:
    """Compute the probability that a uniform of each interval is below one of every other place.

    Parameters
    ----------
    own : [m, 2]
        Intervals.
    others : list of ([n, 2], [n])
        Intervals of each other place, and their shares.

    Returns
    -------
    [m]

    Examples
    --------
    >>> half, whole = np.array([[0.0, 0.5]]), np.array([1.0])
    >>> before(np.array([[0.0, 1.0]]), [(half, whole), (half, whole)]).round(4).tolist()
    [0.1667]
    """
    return np.array([_below_all(low, high, others) for low, high in own], dtype=own.dtype)


def _below_all(low: Any, high: Any, others: Sequence[tuple[Array, Array]]) -> Any:
    """The mean over [low, high] of a product of functions that are linear between the ends of intervals."""
    ends = np.concatenate([lucks[:, side] for lucks, _ in others for side in (0, 1)])
    knots = [low, *sorted({*ends[(ends > low) & (ends < high)].tolist()}), high]
    mean, nil = low * 0, low * 0
    for left, right in pairwise(knots):
        polynomial = [nil + 1]
        for lucks, shares in others:
            one, two = (_above(lucks, shares, left + (right - left) * i / 3) for i in (1, 2))
            start, climb = 2 * one - two, 3 * (two - one)
            polynomial = [a * start + b * climb for a, b in zip([*polynomial, nil], [nil, *polynomial], strict=True)]
        area = sum(a / (degree + 1) for degree, a in enumerate(polynomial))
        mean += area * ((right - left) / (high - low) if high > low else nil + 1)
    return mean


def _above(lucks: Array, shares: Array, u: Any) -> Any:
    """The probability that a uniform of these intervals is above u."""
    first, end = lucks[:, 0], lucks[:, 1]
    width = np.where(end > first, end - first, end * 0 + 1)
    part = np.minimum(np.maximum((end - u) / width, end * 0), end * 0 + 1)
    return (shares * np.where(end > first, part, end * 0 + (end > u))).sum()


def _layers(chances: Sequence[Any]) -> list[tuple[int, Any]]:
    """(m, m (c_m - c_(m+1))) of falling probabilities."""
    return [(m, m * (c - (chances[m] if m < len(chances) else c * 0))) for m, c in enumerate(chances, start=1)]


def _likely(site: Any, drawn: Sequence[int]) -> Any:
    """How likely drafts, by rank, are in this order, over a number that is the same for every order."""
    likely, pool = site.q[0] * 0 + 1, np.copy(site.q)
    faintest = likely * 0 if pool.dtype == object else FAINTEST
    for rank in () if isinstance(site.rule.drafts, IID) else drawn[:-1]:
        pool[rank] = pool[rank] * 0
        likely = likely / max(pool.sum(), faintest)
    return likely


def _one_block(site: Any, block: int) -> Mixture:
    """The mixture where this is the block of its tokens at every level."""
    q, n, nil = site.q, len(site.q), site.q[0] * 0
    first, end = int(site.merged.first[block]), int(site.merged.end[block])
    starts = np.array([*range(first + 1), *range(end, n)])
    level = np.full(n, nil)
    level[starts] = nil + 1
    leaf = np.searchsorted(starts, np.arange(n), side="right") - 1
    alone = np.full(len(starts), -1), np.full(len(starts), nil)
    tree = MergeTree(level, q, q, leaf, *alone, starts, np.append(starts[1:], n), site.merged.q)
    rank = site.mixture.rank
    whole = as_numpy(rank)[0] * nil + 1
    whole[:n] = level
    odds = whole * 0 + q[:first].sum() / q[first:end].sum()
    xp, at = array_namespace(rank), device(rank)
    levels, odds_between = (RangeMaximum(xp.asarray(a[None], device=at)) for a in (whole, -odds))
    mixture: Mixture = replace(site.mixture, merge_level=levels, odds=odds_between, trees=(tree,))
    return mixture
