"""Where an optimal token set H is known without enumeration: alpha* = 1 + min over H of p(H) - Q(H), row by row.

Rows p, q [B, V] are float64; p is taken over its sum. Q(H) = P(all drafts are in H). The sums of `prefix`,
`tops_and_one` and `only_tops` do not depend on the order of the tokens (_array/sums.py).
"""

from collections.abc import Callable

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp._array import sums
from spechub_lp._array.convert import as_numpy
from spechub_lp._array.ops import argmax, entries, one, sort, without, zero
from spechub_lp._util.tolerances import UNIT
from spechub_lp.drafts._best_draft import best_draft_error, falling
from spechub_lp.drafts._different import search_error
from spechub_lp.drafts.base import Cut, left
from spechub_lp.typing import Array, BoolArray, NumpyArray

UP = 2.0**200
"""Ratios are p / (2^200 q): no q > 0 is too faint for that to be finite and exact to a rounding. They are 0 only where
p < 2^-800, which no alpha can tell from 0."""


def prefix(p: Array, q: Array, k: int, replaced: bool) -> Cut:
    """Find the best prefix of the tokens by p/q, for k drafts with replacement, or for two without.

    Sort by p/q on the row as given, cumulate, take the least; as optimum/bucket_scan.py does without a sort.

    Parameters
    ----------
    p, q : [B, V]
        Target and draft distributions in float64.
    k
        Number of drafts.
    replaced
        Whether they are drawn with replacement.

    Returns
    -------
    Cut
        alpha [B], H [B, V], error [B].

    Examples
    --------
    >>> prefix(np.array([[0.0, 0.2, 0.8]]), np.array([[0.6, 0.3, 0.1]]), 2, replaced=True).alpha.round(3).tolist()
    [0.39]
    """
    xp, target = array_namespace(p), _over_sum(p)
    can = q > 0
    ratio = xp.where(can, p / xp.where(can, q * UP, 1.0), xp.inf)
    rising, order = sort(ratio)

    def before(a: Array) -> Array:
        return sums.running(entries(a, order))

    covered = before(target)
    inside = before(_over_sum(q)) ** k if replaced else _pair(q, before, lambda x: entries(ratio, x) <= rising)
    ends = xp.concat([rising[:, 1:] > rising[:, :-1], can[:, :1] | True], axis=-1)  # H takes all that tie with its last
    value = xp.where(ends & (rising < xp.inf), covered - inside, 0.0)
    best = argmax(-value)[:, None]
    gains = entries(value, best) < 0
    H = (ratio <= entries(rising, best)) & gains
    covered, inside = (xp.where(gains, entries(a, best), 0.0)[:, 0] for a in (covered, inside))
    return Cut(1 + covered - inside, H, error_of_sums(H, k if replaced else 2, pair=not replaced))


def _pair(q: Array, before: Callable[[Array], Array], reached: Callable[[Array], Array]) -> Array:
    """Q(H) [B, V] of two drafts without replacement for the prefixes H; the formula is in sums.rounding.

    `before` sums entries [B, V] over H, and `reached` says whether tokens [B, 1] are in H. Summed are y, the tokens
    beside the heaviest over their own sum (which may be 1e-300), and y q / (1 - q), where 1 - q is at least 1/2.
    """
    xp, heaviest = array_namespace(q), argmax(q)[:, None]
    light = without(q, heaviest)
    over = xp.sum(light, axis=-1, keepdims=True)
    some = over > 0
    y = light / xp.where(some, over, 1.0)
    mass = xp.where(some, sums.total(y), 1.0)
    y, whole = y * (1 / mass), sums.total(q)
    x = light * (1 / whole)
    part = over * mass / whole  # of q, beside its heaviest token
    hub = sums.total(entries(q, heaviest) * (1 / whole))
    y, z, t = xp.where(some, before(y), 1.0), before(y * (x / (1 - x))), xp.where(reached(heaviest), hub, 0.0)
    return (part * y + t) * (part * (y + z)) - part * z + t * y


def tops_and_one(p: Array, q: Array, tops: Array | None) -> Cut:
    """Find the optimal set for drafts that are the tops and one draw from q on the rest.

    H is the tops, and every token that is drafted last more often than the target has it. The tops are those of the row
    as given, as the policy drafts them: a division by the sum can make two of them tie.

    Parameters
    ----------
    p, q : [B, V]
        Target and draft distributions in float64.
    tops : [B, n] or None
        The tops; None where there is one draft alone.

    Returns
    -------
    Cut
        alpha [B], H [B, V], error [B].

    Examples
    --------
    >>> tops_and_one(np.array([[0.5, 0.5]]), np.array([[0.75, 0.25]]), None).alpha.tolist()
    [0.75]
    """
    xp, target = array_namespace(q), _over_sum(p)
    last = _over_sum(q if tops is None else left(q, tops))
    scarcer = target < last
    H = (q > 0) & scarcer if tops is None else _are(q, tops) | scarcer
    return _cut(target, H, sums.total(xp.where(H, last, zero(q)))[:, 0])


def only_tops(p: Array, q: Array, tops: Array) -> Cut:
    """Find the optimal set for drafts that are the tops and nothing else: H is the tops, and Q(H) = 1.

    Parameters
    ----------
    p, q : [B, V]
        Target and draft distributions in float64.
    tops : [B, n]
        The tops.

    Returns
    -------
    Cut
        alpha [B], H [B, V], error [B].

    Examples
    --------
    >>> only_tops(np.array([[0.5, 0.5]]), np.array([[0.75, 0.25]]), np.array([[0]])).alpha.tolist()
    [0.5]
    """
    return _cut(_over_sum(p), _are(q, tops), (one(q) + 0 * q)[:, 0])


def by_race(p: Array, q: Array, k: int, best_draft: Callable[[Array, int], Array]) -> Cut:
    """Find the best prefix for more than two drafts without replacement, row by row on the CPU.

    q is not divided by its sum: that would round subnormal entries, which count where they must be drafted.

    Parameters
    ----------
    p, q : [B, V]
        Target and draft distributions in float64.
    k
        Number of drafts.
    best_draft
        The policy's distribution of the best draft.

    Returns
    -------
    Cut
        alpha [B], H [B, V], error [B].

    Examples
    --------
    >>> from spechub_lp.drafts import WithoutReplacement
    >>> p, q = np.array([[0.0, 0.0, 0.2, 0.8]]), np.array([[0.4, 0.3, 0.2, 0.1]])
    >>> by_race(p, q, 3, WithoutReplacement().best_draft).alpha.round(4).tolist()
    [0.6488]
    """
    H, alpha, error = np.zeros(p.shape, dtype=bool), np.zeros(p.shape[0]), np.zeros(p.shape[0])
    for b, (target, draft) in enumerate(zip(as_numpy(_over_sum(p)), as_numpy(q), strict=True)):
        order, n = falling(target, draft)
        best_first = draft[order[:n]]
        missed = np.append(np.cumsum(best_draft(best_first, k)[::-1])[::-1], 0.0)
        wanted = np.append(np.cumsum(target[order[:n]][::-1])[::-1], 0.0)
        at = int(np.argmin(wanted - missed))
        H[b, order[at:n]] = True
        covered = target[H[b]].sum()
        alpha[b] = 1 + covered - missed[at]
        # The search compared other prefixes by the same sums, and cumulated p(H) one by one: twice their errors more.
        searched = 2 * (best_draft_error(best_first, k) + n * UNIT)
        error[b] = _rounding(covered, missed[at], len(draft), k) + missed[at] * searched / 2 + searched
    xp = array_namespace(p)
    return Cut(*(xp.asarray(a, device=device(p)) for a in (alpha, H, error)))


def by_rows(p: Array, q: Array, search: Callable[[NumpyArray, NumpyArray], BoolArray]) -> Cut:
    """Find the best set for different drafters, row by row on the CPU.

    Parameters
    ----------
    p : [B, V]
        Target distributions in float64.
    q : [B, k, V]
        Draft distributions in float64.
    search
        (p [V], q [k, V]) -> H [V], within `search_error` of the best.

    Returns
    -------
    Cut
        alpha [B], H [B, V], error [B].

    Examples
    --------
    >>> from spechub_lp.drafts._different import optimal_tokens
    >>> p, q = np.array([[0.0, 0.2, 0.8]]), np.array([[[0.6, 0.3, 0.1], [0.6, 0.3, 0.1]]])
    >>> by_rows(p, q, optimal_tokens).alpha.round(3).tolist()
    [0.39]
    """
    targets, drafts = as_numpy(_over_sum(p)), as_numpy(q / q.sum(axis=-1)[..., None])
    H = np.stack([search(*row) for row in zip(targets, drafts, strict=True)])
    covered = np.where(H, targets, 0).sum(axis=1)
    inside = np.where(H[:, None], drafts, 0).sum(axis=2).prod(axis=1)
    vocabulary, k = drafts.shape[2], drafts.shape[1]
    error = _rounding(covered, inside, vocabulary, k) + search_error(vocabulary)
    xp = array_namespace(p)
    return Cut(*(xp.asarray(a, device=device(p)) for a in (1 + covered - inside, H, error)))


def _over_sum(a: Array) -> Array:
    return a * (1 / sums.total(a))


def _are(q: Array, tops: Array) -> Array:
    """[B, V] whether the token is one of the tops [B, n]."""
    found: Array = without(one(q) + 0 * q, tops) == 0
    return found


def _cut(target: Array, H: Array, inside: Array) -> Cut:
    """The value of the set H [B, V], of which Q(H) [B] is known."""
    covered = sums.total(array_namespace(H).where(H, target, zero(target)))[:, 0]
    return Cut(1 + covered - inside, H, error_of_sums(H, 2, pair=False))


def error_of_sums(H: Array, k: int, pair: bool) -> Array:
    """Bound the error of alpha: that of its value, and twice that for the search, which compared such values.

    Tokens whose p/q round to one number, and tokens that p and the last draft hardly tell apart, cost less than that.

    Parameters
    ----------
    H : [B, V]
        The sets.
    k
        Number of drafts.
    pair
        Whether these are two drafts without replacement.

    Returns
    -------
    [B]
        The bound.

    Examples
    --------
    >>> bool(error_of_sums(np.array([[True, False]]), 2, pair=False)[0] < 1e-13)
    True
    """
    xp, bound = array_namespace(H), 3 * sums.rounding(H.shape[1], k, pair)
    found: Array = xp.full(H.shape[0], bound, dtype=xp.float64, device=device(H))
    return found


def _rounding(covered: Array, inside: Array, vocabulary: int, k: int) -> Array:
    """Sums of V terms in blocks of 128 (numpy and torch sum in finer trees), each of 4 roundings; a k-th power."""
    return UNIT * (vocabulary / 128 + 140) * (covered + (k + 2) * inside + 1e-3) + 4 * UNIT
