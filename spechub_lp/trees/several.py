"""Ties of three and more children: the luckiest of those that are alike (theory/trees, section 6)."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise, permutations
from typing import Any

import numpy as np

from spechub_lp.drafts import IID
from spechub_lp.samplers.border.merge_tree import MergeTree
from spechub_lp.samplers.border.preparation import Mixture, RangeMaximum
from spechub_lp.typing import Array

MOST_TUPLES = 4096
"""Where more tuples of three or more drafts can be drawn at a node, it is not looked below: all of them are summed."""


def ways(site: Any, block: int | None) -> list[tuple[tuple[Any, ...], Any]]:
    """Say where the walk can go on from a node with three children or more, given the best block that was hit.

    Border chooses the places of the block with probabilities c_1 >= c_2 >= ... Of the first m of them the luckiest is
    taken with probability m (c_m - c_(m+1)), for each m: all are chosen as often as before.

    Parameters
    ----------
    site
        The `luck.Site` of the node.
    block
        A node of its merge tree; None where nobody has asked yet.

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
    >>> [(len(places), round(float(chance), 3)) for places, chance in ways(site, site.blocks()[-1][0])]
    [(3, 1.0)]
    """
    drawn = [rank for rank, _ in site.ranked]
    if block is None or not site.looks or len({*drawn}) < len(drawn) or drawn[-1] >= len(site.q):
        mixture = site.mixture if block is None else _one_block(site, block)
        found = site.rule._among(site.tree, site.known.place, mixture).children
        return [((site._to(place),), chance) for place, chance in found]
    favour, (_, chances) = favours(site, block), _in_any_order(site, _one_block(site, block), drawn)
    order = sorted((j for j in range(len(drawn)) if chances[j] > 0), key=lambda j: chances[j], reverse=True)
    places = [site._to((site.ranked[j][1],), *favour[drawn[j]]) for j in order]
    layers = _layers([chances[j] for j in order])
    return [(tuple(places[:m]), chance) for m, chance in layers if chance > 0]


def favours(site: Any, block: int) -> dict[int, list[Any]]:
    """Compute how often a token was chosen as the luckiest of 2, 3, ..., given the block and that the drafts differ.

    Parameters
    ----------
    site
        The `luck.Site` of a node with k children.
    block
        A node of its merge tree.

    Returns
    -------
    dict
        Rank of the token -> [k - 1] probabilities.

    Examples
    --------
    >>> from spechub_lp.trees import BorderPath, Drafted
    >>> from spechub_lp.trees.luck import Known, Sites
    >>> p = np.full((7, 3), 1 / 3)
    >>> tree = Drafted([-1, 0, 0, 0, 1, 2, 3], [-1, 0, 1, 2, 0, 0, 0], p, p)
    >>> site = Sites(BorderPath(), tree).at(Known((0,), 1.0, ()))
    >>> [round(float(a), 3) for a in favours(site, site.blocks()[-1][0])[0]]
    [0.0, 1.0]
    """
    n, k, nil = len(site.q), len(site.children), site.q[0] * 0
    chosen, luckiest, mixture = [nil] * n, [[nil] * (k - 1) for _ in range(n)], _one_block(site, block)
    for tokens in combinations(range(n), k):
        if site.merged.first[block] <= tokens[0] < site.merged.end[block]:
            drawn, chances = _in_any_order(site, mixture, tokens)
            order = sorted(range(k), key=lambda j: chances[j], reverse=True)
            for m, layer in _layers([chances[j] for j in order]):
                for j in order[:m]:
                    chosen[tokens[j]] += drawn * layer / m
                    if m > 1:
                        luckiest[tokens[j]][m - 2] += drawn * layer / m
    return {y: [often / chosen[y] for often in luckiest[y]] for y in range(n) if chosen[y] > 0}


def _in_any_order(site: Any, mixture: Mixture, tokens: Sequence[int]) -> tuple[Any, list[Any]]:
    """The probability that different tokens, by rank, are drafted, and with which each is chosen, whatever their order.

    Border looks at the order in which drafts were drawn: of three in a block it may take the first.
    """
    orders = [*permutations(range(len(tokens)))]
    by_rank = np.argsort(np.asarray(mixture.rank)[0])
    x = by_rank[np.asarray([[tokens[j] for j in order] for order in orders])]
    table = site.rule._rule(len(tokens)).choose(mixture, x)
    drawn, chances = site.q[0] * 0, [site.q[0] * 0] * len(tokens)
    for order, row in zip(orders, table, strict=True):
        so = _drawn(site, [tokens[j] for j in order])
        drawn += so
        for j, chance in zip(order, row, strict=True):
            chances[j] += so * chance
    return drawn, [chance / drawn for chance in chances]


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


def _drawn(site: Any, tokens: Sequence[int]) -> Any:
    """The probability of drafts, by rank, in this order."""
    left, probability = site.q[0] * 0 + 1, site.q[0] * 0 + 1
    for token in tokens:
        probability = probability * site.q[token] / left
        left = left if isinstance(site.rule.drafts, IID) else left - site.q[token]
    return probability


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
    whole = np.asarray(site.mixture.rank)[0] * nil + 1
    whole[:n] = level
    odds = whole * 0 + q[:first].sum() / q[first:end].sum()
    levels, odds_between = RangeMaximum(whole[None]), RangeMaximum(-odds[None])
    mixture: Mixture = replace(site.mixture, merge_level=levels, odds=odds_between, trees=(tree,))
    return mixture
