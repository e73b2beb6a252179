"""What iid drafts leave of p when every token is served up to a multiple of q: G(t) = sum_y (p(y) - t q(y))+.

Both rules for iid drafts serve every token up to one level t and accept 1 - G(t) (theory/T10_kseq_beats_rrs):

    RRS    climbs to t_k, where t_0 = 0 and t_(j+1) = t_j + G(t_j)
    K-SEQ  stops at its root rho, the level with 1 - (1 - beta)^k = rho beta, beta = sum min(p / rho, q)
"""

from collections.abc import Sequence
from fractions import Fraction

Distribution = Sequence[Fraction]

PRECISION = 40
"""Bits to which an irrational constant is bounded."""


def unserved(p: Distribution, q: Distribution, t: Fraction) -> Fraction:
    """G(t): convex, from G(0) = 1 down to p(where q = 0)."""
    return sum((max(need - t * offer, Fraction(0)) for need, offer in zip(p, q, strict=True)), Fraction(0))


def rrs_level(p: Distribution, q: Distribution, k: int) -> Fraction:
    """t_k, the level up to which RRS serves every token: one step for each rejected draft."""
    t = Fraction(0)
    for _ in range(k):
        t += unserved(p, q, t)
    return t


def level_that_serves(p: Distribution, q: Distribution, mass: Fraction) -> Fraction | None:
    """The smallest t with 1 - G(t) >= mass, or None when no level serves so much."""
    if mass <= 0:
        return Fraction(0)
    kinks = sorted({Fraction(0)} | {need / offer for need, offer in zip(p, q, strict=True) if offer})
    served = [1 - unserved(p, q, t) for t in kinks]
    for n in range(1, len(kinks)):
        if served[n] >= mass:
            slope = (served[n] - served[n - 1]) / (kinks[n] - kinks[n - 1])
            return kinks[n - 1] + (mass - served[n - 1]) / slope
    return None


def kseq_accepts(p: Distribution, q: Distribution, k: int, mass: Fraction) -> bool:
    """Whether K-SEQ at its root accepts at least `mass`, exactly, although the root is seldom rational.

    At its root K-SEQ accepts 1 - G(rho) = 1 - (1 - beta(rho))^k. The first side grows with the level, the second falls;
    so the level t that serves the mass is at most rho if and only if there the second is still at least the mass.
    """
    t = level_that_serves(p, q, mass)
    return t is not None and (t == 0 or 1 - (1 - mass / t) ** k >= mass)


def promise(k: int) -> Fraction:
    """SpecTr's guarantee for K-SEQ, 1 - (1 - 1/k)^k of the optimum of iid drafts."""
    return 1 - (1 - Fraction(1, k)) ** k


def keeps_sharp_rrs_share(accepted: Fraction, optimum: Fraction, k: int) -> bool:
    """accepted >= r_k optimum, r_k = 1 - u (k-1) k / (2k-1)^2 and u = (k / (2k-1))^(1 / (k-1)): compare powers of u."""
    if k == 1 or accepted >= optimum:
        return accepted >= optimum
    lost = (optimum - accepted) / optimum * Fraction((2 * k - 1) ** 2, k * (k - 1))
    return lost ** (k - 1) <= Fraction(k, 2 * k - 1)


def sharp_kseq_share(k: int) -> Fraction:
    """The largest c with K-SEQ >= c optimum: 1 - b^k, 1 + b + ... + b^(k-1) = k (k b / (k-1))^(k-1); from below."""
    if k <= 2:
        return Fraction(1) if k == 1 else Fraction(8, 9)
    low, high = 0, 2**PRECISION
    while high - low > 1:
        middle = (low + high) // 2
        b = Fraction(middle, 2**PRECISION)
        fits = sum(b**i for i in range(k)) >= k * (b * k / (k - 1)) ** (k - 1)
        low, high = (middle, high) if fits else (low, middle)
    return 1 - Fraction(high, 2**PRECISION) ** k
