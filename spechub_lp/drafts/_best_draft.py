"""The distribution of the best draft: Pr[the best of k drafts is token j], for n tokens in any order of preference.

Its running sums are F_j = 1 - Q(all but the first j), all that the cut and Border ask of a draft policy. Sums of terms
>= 0 throughout, so every entry is good to a few roundings of its own size, far in the tail too.

Successive sampling is a race (theory/border): token i rings at a time of distribution Exp(q_i), the first k rings are
the drafts. With H the tokens after i, A those before it, pi_j the probability that j of H have rung and r_j the rate
of going from j to j + 1,

    f_i = int_0^inf e^{-q(A) t} [(1 - e^{-q_i t}) r_{k-2}(t) + q_i e^{-q_i t} pi_{k-1}(t)] dt,

the time of the k-th ring, by the trapezoidal rule in log t.

**The error of the rule.** Let E be any event of the drafts, x_1..x_k drafts in E and L_j = 1 - q(x_1) - ... - q(x_j).
Given x, the k-th ring comes after gaps s_j of distributions Exp(L_j), so its density is an integral of prod L_j e^{-L_j
s_j}. At the complex time r e^{i d} each factor is at most L_j e^{-L_j s_j cos d}, and the integral over r of the whole
is at most (cos d)^-k. Hence the integrand of E, at the angle d < pi/2, has at most the norm Pr[E] (cos d)^-k, and the
trapezoidal rule with step h errs by at most (Trefethen and Weideman, SIAM Review 56 (2014), theorem 5.1)

    2 Pr[E] (cos d)^-k / (e^{2 pi d / h} - 1),    least at tan d = 2 pi / (h k).

This holds for every k, every q and every event: for each f_i, for each running sum, however small they are.
"""

from collections.abc import Callable
from functools import cache
from math import atan, cos, expm1, floor, lgamma, log, log1p, log2, pi
from typing import Any

import numpy as np

from spechub_lp._array.jit import compiled
from spechub_lp.errors import SpecHubError
from spechub_lp.typing import Array

UNIT = 2.0**-53
LARGEST = 500
"""Exponent of the largest entry of a float q in work: the faintest are normal then, and no p/q and no sum overflows."""
QUADRATURE = 1e-13
"""Bound on the error of the trapezoidal rule, over the probability that it finds."""
TAIL = 1e-18
"""Bound on the probability left out on either side of the nodes, over the probability that is found."""
FINEST = 4096
"""Nodes an octave, at most: enough for half a million drafts."""


def scaled(q: Array) -> Array:
    """Return float rows times the power of 2 that brings their largest entry to 2^LARGEST; rationals as they are.

    Nothing is rounded. The order by p/q, the distribution of drafts and of the best one do not depend on the scale of
    q.

    Parameters
    ----------
    q : [..., V]
        Rows.

    Returns
    -------
    [..., V]
        Scaled rows.

    Examples
    --------
    >>> scaled(np.array([0.5, 0.25])).tolist() == [2.0**499, 2.0**498]
    True
    """
    if q.dtype == object:
        return q
    row: Array = np.ldexp(q, LARGEST - np.frexp(np.max(q, axis=-1, keepdims=True))[1])
    return row


def falling(p: Array, q: Array) -> tuple[Array, int]:
    """Sort the tokens by p/q falling.

    Parameters
    ----------
    p, q : [V]
        Target and draft distribution.

    Returns
    -------
    order [V], n
        The tokens, those that q cannot draft last, and how many it can draft.

    Examples
    --------
    >>> order, n = falling(np.array([0.2, 0.3, 0.5]), np.array([0.6, 0.4, 0.0]))
    >>> order.tolist(), n
    ([1, 0, 2], 2)
    """
    can = np.flatnonzero(q > 0)
    if q.dtype == object:
        can = np.asarray(sorted(can.tolist(), key=lambda y: -p[y] / q[y]), dtype=np.int64)
    else:
        can = can[np.argsort(-(p / np.where(q > 0, scaled(q), 1))[can])]
    return np.concatenate((can, np.flatnonzero(~(q > 0)))), len(can)


def without_replacement(q: Array, k: int, prob_all_in: Callable[[Array, Array, int], Array]) -> Array:
    """Compute the distribution of the best of k drafts without replacement.

    Parameters
    ----------
    q : [n]
        One row > 0 of any sum, best token first.
    k
        Number of drafts.
    prob_all_in
        The policy's closed form, for rationals and k > 2.

    Returns
    -------
    [n]
        P(the best draft is token j).

    Examples
    --------
    >>> from spechub_lp.drafts import WithoutReplacement
    >>> without_replacement(np.array([0.5, 0.25, 0.25]), 2, WithoutReplacement().prob_all_in).round(3).tolist()
    [0.833, 0.167, 0.0]
    """
    if k == 1:
        return q / q.sum()
    if len(q) <= k:
        return np.where(np.arange(len(q)) == 0, q * 0 + 1, q * 0)
    q = scaled(q)
    if k == 2:
        return _pair(q)
    if q.dtype != object:
        found: Array = _race(q, *_nodes(q, k), k)
        return found
    n = len(q)
    H = np.arange(n)[None, :] >= np.arange(n + 1)[:, None]
    inside = prob_all_in((q / q.sum())[None], H, k)
    return inside[:-1] - inside[1:]


def best_draft_error(q: Array, k: int) -> float:
    """Bound the error of `without_replacement`, over the size of what is read from it: an entry or a sum of entries.

    The quadrature; at most 6 roundings a token in the recursions and in sums of the result; one a node; and those of
    k + 50 in e^{-q(A) t}, which counts up to about q(A) t = k + 50.

    Parameters
    ----------
    q : [n]
        A float row > 0.
    k
        Number of drafts.

    Returns
    -------
    float
        The bound.

    Examples
    --------
    >>> best_draft_error(np.array([0.5, 0.25, 0.25]), 2) < 1e-12
    True
    """
    n = len(q)
    if n <= k:
        return 0.0
    nodes = len(_nodes(scaled(q), k)[0]) if k > 2 else 0
    return (QUADRATURE + 3 * TAIL if k > 2 else 0.0) + UNIT * (6 * n + nodes + 4 * (k + 50))


def after(a: Array) -> Array:
    """Sum the entries after each one.

    Parameters
    ----------
    a : [n]
        Entries.

    Returns
    -------
    [n]
        The sums; the last is 0.

    Examples
    --------
    >>> after(np.array([1.0, 2.0, 3.0])).tolist()
    [5.0, 3.0, 0.0]
    """
    return np.concatenate((np.cumsum(a[::-1])[::-1][1:], a[:1] * 0))


def with_replacement(q: Array, k: int) -> Array:
    """Compute the distribution of the best of k independent drafts.

    u^k - v^k = (u - v)(u^(k-1) + u^(k-2) v + ... + v^(k-1)), with v the sum of q after i and u = v + q_i.

    Parameters
    ----------
    q : [n]
        One row that sums to 1, best token first.
    k
        Number of drafts.

    Returns
    -------
    [n]
        P(the best draft is token j).

    Examples
    --------
    >>> with_replacement(np.array([0.5, 0.5]), 2).tolist()
    [0.75, 0.25]
    """
    v = after(q)
    u, slope, power = v + q, q * 0, q * 0 + 1
    for _ in range(k):
        slope = slope * v + power
        power = power * u
    return q * slope


def _pair(q: Array) -> Array:
    """i first and then one after it, or one after it and then i. The heaviest apart: q / its others may overflow."""
    v, heaviest = after(q), int(np.argmax(q))
    others = v + np.concatenate((q[:1] * 0, np.cumsum(q)[:-1]))
    odds = q / np.where(np.arange(len(q)) == heaviest, q * 0 + 1, others)
    odds[heaviest] = q[0] * 0
    f = q * (v / others + after(odds))
    f[:heaviest] += q[:heaviest] / others[heaviest] * q[heaviest]
    return f / q.sum()


@cache
def per_octave(k: int) -> int:
    """Return how many nodes an octave of t keep the error of the trapezoidal rule below QUADRATURE.

    Parameters
    ----------
    k
        Number of drafts.

    Returns
    -------
    int
        Nodes an octave.

    Raises
    ------
    SpecHubError
        k is too large.

    Examples
    --------
    >>> per_octave(3) < per_octave(100)
    True
    """
    for nodes in range(1, FINEST):
        step = log(2) / nodes
        angle = atan(2 * pi / (step * k))
        reach = 2 * pi * angle / step + k * log(cos(angle))
        if log(2) - reach - log(-expm1(-2 * pi * angle / step)) <= log(QUADRATURE):
            return nodes
    raise SpecHubError(f"k = {k} drafts without replacement are too many for float64; give rationals")


def _nodes(q: Array, k: int) -> tuple[Array, Array]:
    """Times t and weights (dt = t d log t), at powers of 2^(1 / nodes an octave).

    The gaps of the race have rates between the sum of all q and that of all but the k - 1 heaviest. So the k-th ring
    comes before time t with probability (q(all) t)^k / k! at most, and after t with the probability, at most, that a
    Poisson clock of the slowest rate has rung fewer than k times.
    """
    slow = float(np.sum(np.partition(q, len(q) - k + 1)[: len(q) - k + 1]))
    early, late = (log(TAIL) + lgamma(k + 1)) / k, k + 1.0
    while (k - 1) * log(late) - late - lgamma(k) - log1p(-(k - 1) / late) > log(TAIL):
        late *= 1.1
    finer = per_octave(k)
    first = floor(finer * (early / log(2) - log2(float(np.sum(q)))))
    steps = np.arange(first, int(finer * (log2(late) - log2(slow))) + 2)
    t = np.ldexp(np.exp2((steps % finer) / finer), steps // finer)
    return t, t * (log(2) / finer)


@compiled
def _race(q: Array, t: Array, weight: Array, k: int) -> Array:
    n = len(q)
    f = np.copy(q)
    chance, rate = np.zeros((k, len(t))), np.zeros((k, len(t)))
    chance[0] = 1.0
    ahead = np.copy(q)
    total: Any = 0.0
    lost: Any = 0.0
    for i in range(n):  # compensated: q(A) t stands in an exponent
        ahead[i] = total
        more = q[i] - lost
        grown = total + more
        lost = (grown - total) - more
        total = grown
    for i in range(n - 1, -1, -1):
        rung = -np.expm1(-q[i] * t)
        still = 1.0 - rung if q[i] * t[-1] < 0.5 else np.exp(-q[i] * t)  # a difference only of what is below a half
        first = q[i] * still
        f[i] = np.sum(weight * np.exp(-ahead[i] * t) * (rung * rate[k - 2] + first * chance[k - 1]))
        for j in range(k - 2, -1, -1):
            rate[j] = rate[j] * still + first * chance[j]
            if j > 0:
                rate[j] += rate[j - 1] * rung
        for j in range(k - 1, -1, -1):
            chance[j] = chance[j] * still
            if j > 0:
                chance[j] += chance[j - 1] * rung
    return f
