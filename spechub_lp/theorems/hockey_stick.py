"""What iid drafts leave of p: the hockey-stick divergence E_g(p, q) = sum_y (p(y) - g q(y))+.

Both rules for iid drafts cover every token up to g q, for one level g, and accept 1 - E_g (theory/T10_kseq_beats_rrs):

    RRS    climbs to g_k, where g_0 = 0 and g_(j+1) = g_j + E_(g_j)
    K-SEQ  stops at its root rho, the level with 1 - (1 - beta)^k = rho beta, beta = sum min(p / rho, q)
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from spechub_lp._array import ops
from spechub_lp._util import renamed

__getattr__ = renamed.attributes(__name__, {"unserved": "hockey_stick", "level_that_serves": "level_that_covers"})

Distribution = Sequence[Fraction]

PRECISION = 40
"""Bits to which an irrational constant is bounded."""


def hockey_stick(p: Distribution, q: Distribution, g: Fraction) -> Fraction:
    """Return E_g(p, q): convex in g, from 1 at g = 0 down to p(where q = 0).

    Parameters
    ----------
    p, q : [V]
        Rational distributions.
    g
        The level.

    Returns
    -------
    Fraction
        The mass that is left of p when every token is covered up to g q.

    Examples
    --------
    >>> half = Fraction(1, 2)
    >>> hockey_stick((half, half), (Fraction(1, 4), Fraction(3, 4)), Fraction(1))
    Fraction(1, 4)
    """
    p_row, q_row = (np.asarray([distribution], dtype=object) for distribution in (p, q))
    (divergence,) = ops.hockey_stick(p_row, q_row, g)[0]
    return Fraction(divergence)


def rrs_level(p: Distribution, q: Distribution, k: int) -> Fraction:
    """Return g_k, the level up to which RRS covers every token: one step for each rejected draft.

    Parameters
    ----------
    p, q : [V]
        Target and draft distribution.
    k
        Number of drafts.

    Returns
    -------
    Fraction
        g_k.

    Examples
    --------
    >>> half = Fraction(1, 2)
    >>> rrs_level((half, half), (Fraction(1, 4), Fraction(3, 4)), 2)
    Fraction(5, 4)
    """
    g = Fraction(0)
    for _ in range(k):
        g += hockey_stick(p, q, g)
    return g


def level_that_covers(p: Distribution, q: Distribution, mass: Fraction) -> Fraction | None:
    """Return the smallest g with 1 - E_g >= mass.

    Parameters
    ----------
    p, q : [V]
        Target and draft distribution.
    mass
        How much of p is to be covered.

    Returns
    -------
    Fraction or None
        The level; None when no level covers so much.

    Examples
    --------
    >>> half = Fraction(1, 2)
    >>> level_that_covers((half, half), (Fraction(1, 4), Fraction(3, 4)), Fraction(3, 4))
    Fraction(1, 1)
    """
    if mass <= 0:
        return Fraction(0)
    kinks = sorted({Fraction(0)} | {a / b for a, b in zip(p, q, strict=True) if b})
    covered = [1 - hockey_stick(p, q, g) for g in kinks]
    for n in range(1, len(kinks)):
        if covered[n] >= mass:
            slope = (covered[n] - covered[n - 1]) / (kinks[n] - kinks[n - 1])
            return kinks[n - 1] + (mass - covered[n - 1]) / slope
    return None


def kseq_accepts(p: Distribution, q: Distribution, k: int, mass: Fraction) -> bool:
    """Return whether K-SEQ at its root accepts at least `mass`, exactly, although the root is seldom rational.

    At its root K-SEQ accepts 1 - E_rho = 1 - (1 - beta(rho))^k. The first side grows with the level, the second falls;
    so the level g that covers the mass is at most rho if and only if there the second is still at least the mass.

    Parameters
    ----------
    p, q : [V]
        Target and draft distribution.
    k
        Number of drafts.
    mass
        The acceptance to compare with.

    Returns
    -------
    bool
        Whether it does.

    Examples
    --------
    >>> p, q = (Fraction(5, 9), Fraction(4, 9)), (Fraction(1, 3), Fraction(2, 3))
    >>> kseq_accepts(p, q, 2, Fraction(8, 9)), kseq_accepts(p, q, 2, Fraction(9, 10))
    (True, False)
    """
    g = level_that_covers(p, q, mass)
    return g is not None and (g == 0 or 1 - (1 - mass / g) ** k >= mass)


def promise(k: int) -> Fraction:
    """Return SpecTr's guarantee for K-SEQ: the acceptance is >= 1 - (1 - 1/k)^k times the optimum of iid drafts.

    Parameters
    ----------
    k
        Number of drafts.

    Returns
    -------
    Fraction
        The factor.

    Examples
    --------
    >>> promise(2)
    Fraction(3, 4)
    """
    return 1 - (1 - Fraction(1, k)) ** k


def keeps_sharp_rrs_share(accepted: Fraction, optimum: Fraction, k: int) -> bool:
    """Return whether accepted >= r_k optimum, exactly, for the sharp factor r_k of RRS with k iid drafts.

    r_k = 1 - u (k-1) k / (2k-1)^2 with u = (k / (2k-1))^(1 / (k-1)) is seldom rational; powers of u are compared.

    Parameters
    ----------
    accepted
        What RRS accepts.
    optimum
        The optimum of k iid drafts.
    k
        Number of drafts.

    Returns
    -------
    bool
        Whether it is.

    Examples
    --------
    >>> keeps_sharp_rrs_share(Fraction(23, 27), Fraction(1), 2), keeps_sharp_rrs_share(Fraction(3, 4), Fraction(1), 2)
    (True, False)
    """
    if k == 1 or accepted >= optimum:
        return accepted >= optimum
    lost = (optimum - accepted) / optimum * Fraction((2 * k - 1) ** 2, k * (k - 1))
    return lost ** (k - 1) <= Fraction(k, 2 * k - 1)


def sharp_kseq_share(k: int) -> Fraction:
    """Return the largest c with K-SEQ >= c optimum for k iid drafts, from below for k > 2, where it is irrational.

    c = 1 - b^k, where 1 + b + ... + b^(k-1) = k (k b / (k-1))^(k-1).

    Parameters
    ----------
    k
        Number of drafts.

    Returns
    -------
    Fraction
        c, to 40 bits where it is irrational.

    Examples
    --------
    >>> sharp_kseq_share(2), round(float(sharp_kseq_share(3)), 4)
    (Fraction(8, 9), 0.865)
    """
    if k <= 2:
        return Fraction(1) if k == 1 else Fraction(8, 9)
    low, high = 0, 2**PRECISION
    while high - low > 1:
        middle = (low + high) // 2
        b = Fraction(middle, 2**PRECISION)
        fits = sum(b**i for i in range(k)) >= k * (b * k / (k - 1)) ** (k - 1)
        low, high = (middle, high) if fits else (low, middle)
    return 1 - Fraction(high, 2**PRECISION) ** k
