"""The optimal token set of drafts of different drafters, any number of them (theory/T20_different_drafters).

With A_j = q_j(H), the largest optimal H is {y : p(y) <= sum_j q_j(y) prod over i != j of A_i}. So only k numbers are
sought. The map from A to that set rises with A: a box of A decides the tokens on which its corners agree.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from spechub_lp._util.tolerances import UNIT
from spechub_lp.typing import BoolArray, NumpyArray

NARROWEST = 2.0**-40
"""Boxes are not halved beyond this: tokens that sit on the border are decided one by one."""


@dataclass(frozen=True)
class Box:
    """Sets H that hold `inside` and some of the open tokens, with low <= q_j(H) <= high.

    Examples
    --------
    >>> box = Box(np.array([True, False]), np.array([1]), np.array([0.25]), np.array([1.0]))
    >>> box.inside.tolist(), box.open.tolist()
    ([True, False], [1])
    """

    inside: BoolArray
    """[V] tokens that H holds."""
    open: NumpyArray
    """[n] tokens that it may hold."""
    low: NumpyArray
    """[k] least q_j(H)."""
    high: NumpyArray
    """[k] largest."""


def optimal_tokens(p: NumpyArray, q: NumpyArray) -> BoolArray:
    """Find a token set H with the least p(H) - prod_j q_j(H), by branch and bound.

    Parameters
    ----------
    p : [V]
        Target distribution, in rationals or float64.
    q : [k, V]
        The drafters' distributions.

    Returns
    -------
    [V]
        Optimal in rationals; in floats to `search_error`.

    Examples
    --------
    >>> p, q = np.array([0.0, 0.2, 0.8]), np.array([[0.6, 0.3, 0.1], [0.5, 0.4, 0.1]])
    >>> optimal_tokens(p, q).tolist()
    [True, True, False]
    """
    slack = p[0] * 0 if p.dtype == object else search_error(len(p))
    nothing = np.zeros(len(p), dtype=bool)
    best, found = p[0] * 0, nothing
    boxes = [Box(nothing, np.arange(len(p)), q[:, 0] * 0, q.sum(axis=1))]
    while boxes:
        box = _contract(p, q, boxes.pop())
        for H in (box.inside, _with(box, box.open)):
            value = p[H].sum() - _product(q[:, H].sum(axis=1))
            if value < best:
                best, found = value, H
        if len(box.open) and not (box.low > box.high + slack).any() and _bound(p, q, box) < best:
            boxes += _parts(q, box)
    return found


def search_error(vocabulary: int) -> float:
    """Bound how far from the optimum the set may be that is found in floats: some roundings of sums to 1.

    Parameters
    ----------
    vocabulary
        The number of tokens V.

    Returns
    -------
    float
        A distance in acceptance probability.

    Examples
    --------
    >>> search_error(1000) < 1e-12
    True
    """
    return 8 * vocabulary * UNIT


def _contract(p: NumpyArray, q: NumpyArray, box: Box) -> Box:
    """The box without the open tokens that its corners decide."""
    while True:
        wanted, drafts = p[box.open], q[:, box.open]
        stays = wanted <= others(box.high) @ drafts
        enters = stays & (wanted <= others(box.low) @ drafts)
        inside = _with(box, box.open[enters])
        still, held = box.open[stays & ~enters], q[:, inside].sum(axis=1)
        low, high = np.maximum(box.low, held), np.minimum(box.high, held + q[:, still].sum(axis=1))
        unchanged = len(still) == len(box.open) and (low == box.low).all() and (high == box.high).all()
        box = Box(inside, still, low, high)
        if unchanged or not len(still) or (low > high).any():
            return box


def _bound(p: NumpyArray, q: NumpyArray, box: Box) -> float:
    """At most p(H) - prod_j q_j(H) for every H of the box: the product is at most linear, in either order of drafters.

    prod_j A_j <= prod_j low_j + sum_j (A_j - low_j) prod over i < j of low_i, over i > j of high_i
    """
    bounds = []
    for order in (slice(None), slice(None, None, -1)):
        low, high = box.low[order], box.high[order]
        slope = np.array([_product(low[:j]) * _product(high[j + 1 :]) for j in range(len(low))])[order]
        kept = p[box.inside].sum() - slope @ q[:, box.inside].sum(axis=1)
        gains = p[box.open] - slope @ q[:, box.open]
        bounds.append(slope @ box.low - _product(box.low) + kept + np.minimum(gains, gains * 0).sum())
    least: float = max(bounds)
    return least


def _parts(q: NumpyArray, box: Box) -> Iterator[Box]:
    """The box in two parts: its widest side halved, or one token in or out."""
    width = box.high - box.low
    side = int(np.argmax(width))
    if width[side] <= NARROWEST:
        heaviest = int(np.argmax(q[:, box.open].sum(axis=0)))
        token, rest = box.open[heaviest : heaviest + 1], np.delete(box.open, heaviest)
        yield replace(box, open=rest)
        yield replace(box, open=rest, inside=_with(box, token))
        return
    half = (box.low[side] + box.high[side]) / 2
    for name in ("high", "low"):
        corner = getattr(box, name).copy()
        corner[side] = half
        yield replace(box, **{name: corner})


def _with(box: Box, tokens: NumpyArray) -> BoolArray:
    inside = box.inside.copy()
    inside[tokens] = True
    return inside


def others(masses: NumpyArray) -> NumpyArray:
    """Compute the weight w_j of each drafter in the mix of T20: the product of the other drafters' masses on H.

    Parameters
    ----------
    masses : [k]
        q_j(H).

    Returns
    -------
    [k]
        w_j.

    Examples
    --------
    >>> others(np.array([2.0, 3.0, 5.0])).tolist()
    [15.0, 10.0, 6.0]
    """
    return np.array([_product(np.delete(masses, j)) for j in range(len(masses))], dtype=masses.dtype)


def _product(masses: NumpyArray) -> float:
    """The product, in the arithmetic of the masses; 1 of none."""
    return np.multiply.reduce(masses, dtype=masses.dtype) if len(masses) else 1
