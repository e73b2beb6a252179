"""The law of the best draft: Pr[the best of k drafts is token j], for n tokens in any order of preference.

Its running sums are F_j = 1 - Q(all but the first j), all that the cut and Border ask of a draft policy. Sums of terms
>= 0 throughout, so every entry is good to a few roundings of its own size, far in the tail too.

Successive sampling is a race (theory/border): token i rings at a time of law Exp(q_i), the first k rings are the
drafts. With H the tokens behind i, A those before it, and r_j, pi_j the rate and probability that j of H have rung,

    f_i = int_0^inf e^{-q(A) t} (1 - e^{-q_i t}) [r_{k-1}(t) + q(A) pi_{k-1}(t)] dt

(r_j: the rate of going from j to j + 1), by the trapezoidal rule in log t, where it converges geometrically.
"""

from math import factorial, log
from typing import Any

import numpy as np

from spechub_lp.compiled import compiled
from spechub_lp.drafts import IID, WithoutReplacement
from spechub_lp.errors import SpecHubError

Array = Any

FAINTEST = 1e-307
"""A float q below this is taken for 0: its reciprocal may overflow. Such a token is never chosen."""

STEP = 0.25
"""Step in log t. The integrand is analytic up to |Im log t| < pi/2, so the rule errs by about e^(-pi^2 / STEP)."""
TAIL = 1e-18
"""Probability left out below the first node; above the last it is e^-40."""


def falling(p: Array, q: Array) -> tuple[Array, int]:
    """Tokens [V] by p/q falling, those that q cannot draft last, and how many it can."""
    if q.dtype == object:
        can = np.asarray(sorted(np.flatnonzero(q > 0).tolist(), key=lambda y: -p[y] / q[y]))
    else:
        can = np.flatnonzero(q > FAINTEST)
        can = can[np.argsort(-(p[can] / q[can]))]
    cannot = np.ones(len(q), dtype=bool)
    cannot[can] = False
    return np.concatenate((can, np.flatnonzero(cannot))), len(can)


def best_draft(policy: Any, q: Array, k: int) -> Array:
    """Pr[the best of k drafts is token j], for one row q [n] > 0 of sum 1, best first: rationals or float64 -> [n].

    iid: exact up to rounding. without_replacement: k <= 2 up to rounding; k > 2 exact in rationals (n^k terms), and
    within 1e-12 in floats (measured against rationals in tests/test_border.py).
    """
    if policy.name == IID.name:
        return _iid(q, k)
    if policy.name != WithoutReplacement.name:
        raise SpecHubError(f"the best draft's law is known for iid and without_replacement drafts, not {policy.name}")
    if k == 1:
        return q.copy()
    if len(q) <= k:
        return np.where(np.arange(len(q)) == 0, q * 0 + 1, q * 0)
    if k == 2:
        return _pair(q)
    if q.dtype != object:
        return _race(q, *_nodes(q, k), k)
    n = len(q)
    H = np.arange(n)[None, :] >= np.arange(n + 1)[:, None]
    inside = policy.inside(q[None], H, k)
    return inside[:-1] - inside[1:]


def behind(a: Array) -> Array:
    """Sum of the entries after each one: [n] -> [n]."""
    return np.concatenate((np.cumsum(a[::-1])[::-1][1:], a[:1] * 0))


def _iid(q: Array, k: int) -> Array:
    """u^k - v^k = (u - v)(u^(k-1) + u^(k-2) v + ... + v^(k-1)), with v = q(behind i) and u = v + q_i."""
    v = behind(q)
    u, slope, power = v + q, q * 0, q * 0 + 1
    for _ in range(k):
        slope = slope * v + power
        power = power * u
    return q * slope


def _pair(q: Array) -> Array:
    """i first and then one behind it, or one behind it and then i."""
    v = behind(q)
    others = v + np.cumsum(q) - q if q.dtype == object else v + np.concatenate((q[:1] * 0, np.cumsum(q)[:-1]))
    return q * (v / others + behind(q / others))


def _nodes(q: Array, k: int) -> tuple[Array, Array]:
    """Times t and weights (dt = t d log t). k + 1 rings take about 1 / q(all but the k heaviest)."""
    light = np.sum(np.sort(q)[: len(q) - k])
    first, last = log(TAIL * factorial(k)) / k, log(40 / light)
    t = np.exp(np.arange(first, last + STEP, STEP))
    return t, STEP * t


@compiled
def _race(q: Array, t: Array, weight: Array, k: int) -> Array:
    n = len(q)
    f = q.copy()
    pi, rate = np.zeros((k, len(t))), np.zeros((k, len(t)))
    pi[0] = 1.0
    ahead = q.copy()
    ahead[0] = 0.0
    for i in range(1, n):
        ahead[i] = ahead[i - 1] + q[i - 1]
    for i in range(n - 1, -1, -1):
        still = np.exp(-q[i] * t)
        rung = -np.expm1(-q[i] * t)
        f[i] = np.sum(weight * np.exp(-ahead[i] * t) * rung * (rate[k - 1] + ahead[i] * pi[k - 1]))
        for j in range(k - 1, -1, -1):
            rate[j] = rate[j] * still + q[i] * still * pi[j]
            if j > 0:
                rate[j] += rate[j - 1] * rung
        for j in range(k - 1, -1, -1):
            pi[j] = pi[j] * still
            if j > 0:
                pi[j] += pi[j - 1] * rung
    return f
