"""`cut` against rational arithmetic: every policy, dtype and kind of row, with the claimed error as the bound."""

import random
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cmp_to_key
from typing import Any

import numpy as np

from spechub_lp import cut
from spechub_lp.errors import SpecHubError
from validation.torture import Checks, Doing, brute, rows

SECONDS, MEMORY = 120, 4 << 30
DIGITS = 80
"""Decimal digits where rationals would grow without end; the claimed errors are far above."""
PLAIN = ("counts", "logits", "hot logits", "uniform", "few values", "zeros", "ties an ulp apart", "tops an ulp apart")
"""Kinds of rows that must be answered, not rejected, in float64 and float32 for up to four drafts."""


def trial(seed: int) -> Checks:
    rng = random.Random(seed)
    kind, dtype, library = rng.choice(rows.KINDS), rng.choice(rows.DTYPES), rng.choice(("numpy", "torch"))
    if rng.random() < 0.25:
        yield from _classes(rng)
        return
    small = rng.random() < 0.5
    size = rng.randint(1, 6) if small else rng.choice((7, 47, 48, 49, 64, 127, 128, 200, 333, 1000, 2000))
    p, q = (rows.cast(a, dtype, library) for a in rows.pair(rng, kind, size))
    where = f"{kind}, {dtype} of {library}, V = {size}"
    for policy in ("iid", "without_replacement", "hub", "greedy", "top_k"):
        for k in (2,) if policy == "hub" else sorted({1, 2, rng.choice((3, 4)), rng.choice((5, 8, 16, 24, 48))}):
            if policy == "without_replacement" and k > 2 and (not small or size**k > 7000):
                continue
            yield Doing(f"{policy}, k = {k}, {where}")
            yield from _compare(p, q, k, policy, rng.random() < 0.3, where, kind in PLAIN and k <= 4)


def _compare(p: Any, q: Any, k: int, policy: str, sort: bool, where: str, must: bool) -> Checks:
    what = f"cut, {policy}, k = {k}{', sort' if sort else ''}, {where}"
    try:
        found = cut(p, q, k, policy, sort=sort)
    except SpecHubError as error:
        must = must and str(p.dtype).removeprefix("torch.") in ("float64", "float32")
        yield f"{what}: rejected: {error}" if must else None
        return
    alpha, within = rows.scalar(found.alpha), rows.scalar(found.error)
    right, value = _right(rows.whole(p), rows.whole(q), k, policy)
    if not abs(Fraction(alpha) - right) <= Fraction(within):
        yield f"{what}: alpha {alpha!r} +- {within:.2g}; exact {float(right)!r}, off by {float(alpha - right):.2g}"
        return
    H = [bool(b) for b in np.asarray(found.H)[0]]
    of_set = value(H)
    ok = of_set is None or abs(Fraction(alpha) - of_set) <= Fraction(within)
    yield None if ok else f"{what}: alpha {alpha!r} +- {within:.2g}; 1 + p(H) - Q(H) of its H is {float(of_set)!r}"


def _right(p: list[int], q: list[int], k: int, policy: str) -> tuple[Any, Any]:
    """(the optimum, H -> 1 + p(H) - Q(H) or None)."""
    P, S, V = sum(p), sum(q), len(p)

    def covered(H: Sequence[bool]) -> Fraction:
        return Fraction(sum(w for w, b in zip(p, H, strict=True) if b), P)

    if policy == "iid":

        def inside(H: Sequence[bool]) -> Fraction:
            return Fraction(sum(w for w, b in zip(q, H, strict=True) if b), S) ** k

        return _prefixes(p, q, k), lambda H: 1 + covered(H) - inside(H)
    if policy == "without_replacement" and k == 2 and V > 6:
        return _pairs(p, q), lambda H: None
    if policy == "without_replacement":
        if k == 1:
            return _prefixes(p, q, 1), lambda H: None
        a, b = ([Fraction(w, total) for w in row] for row, total in ((p, P), (q, S)))
        distribution = brute.draft_distribution(policy, tuple(b), k)

        def held(H: Sequence[bool]) -> Fraction:
            return sum((m for x, m in distribution.items() if all(H[y] for y in x)), Fraction(0))

        return brute.optimum(a, distribution)[0], lambda H: 1 + covered(H) - held(H)
    support = sum(w > 0 for w in q)
    n = 1 if policy == "hub" else min(support, k if policy == "top_k" else k - 1)
    tops = sorted(range(V), key=lambda y: (-q[y], y))[:n]
    rest = S - sum(q[y] for y in tops)
    alpha = Fraction(sum(p[y] for y in tops), P)
    if rest and policy != "top_k":
        alpha += sum((min(Fraction(p[y], P), Fraction(q[y], rest)) for y in range(V) if y not in tops), Fraction(0))

    def value(H: list[bool]) -> Fraction:
        hit = Fraction(all(H[y] for y in tops))
        if rest and policy != "top_k":
            hit *= Fraction(sum(q[y] for y in range(V) if H[y] and y not in tops), rest)
        return 1 + covered(H) - hit

    return alpha, value


def _by_ratio(p: list[int], q: list[int]) -> list[int]:
    can = [y for y in range(len(q)) if q[y]]

    def later(a: int, b: int) -> int:
        return p[a] * q[b] - p[b] * q[a]

    return sorted(can, key=cmp_to_key(later))


def _prefixes(p: list[int], q: list[int], k: int) -> Fraction:
    P, S, a, b, least, at = sum(p), sum(q), 0, 0, 0, (0, 0)
    for y in _by_ratio(p, q):
        a, b = a + p[y], b + q[y]
        if (value := a * S**k - b**k * P) < least:
            least, at = value, (a, b)
    return 1 + Fraction(at[0], P) - Fraction(at[1], S) ** k


def _pairs(p: list[int], q: list[int]) -> Fraction:
    """Two drafts without replacement, prefix by prefix: Q(H) = q(H) sum_H q/(1-q) - sum_H q^2/(1-q)."""
    P, S = sum(p), sum(q)
    if sum(w > 0 for w in q) < 2:
        y = next(i for i, w in enumerate(q) if w)
        return Fraction(p[y], P)
    with localcontext() as context:
        # q/(1-q) of the heaviest token is as large as 1/(1-q), and what is left of it below 1
        context.prec = DIGITS + 2 * len(str(S // (S - max(q))))
        context.Emin, context.Emax = -(10**6), 10**6
        least, covered, inside, over, square = Decimal(0), 0, 0, Decimal(0), Decimal(0)
        for y in _by_ratio(p, q):
            odds = Decimal(q[y]) / Decimal(S - q[y])
            covered, inside, over, square = covered + p[y], inside + q[y], over + odds, square + odds * q[y] / S
            least = min(least, Decimal(covered) / P - (Decimal(inside) / S * over - square))
        return Fraction(1 + least)


def _classes(rng: random.Random) -> Checks:
    """Many drafts without replacement at wide vocabularies: q has few values, so Q(H) is a short exact sum."""
    k = rng.choice((3, 4, 5, 6, 8, 12, 16, 24))
    kinds = 1 if k > 8 else rng.choice((1, 2, 3))
    size = rng.choice((8, 50, 200, 500 if kinds == 1 else 100))
    values = sorted(rng.sample((1, 2, 3, 7, 64, 1000, 10**6), kinds))
    of = [rng.randrange(kinds) for _ in range(size)]
    weights = [values[c] for c in of]
    shape = rng.choice(("rising", "counts", "flat", "dirichlet", "near q"))
    targets: dict[str, Callable[[int], float]] = {
        "rising": lambda y: y + 1.0,
        "counts": lambda y: float(rng.randrange(5)),
        "flat": lambda y: 1.0,
        "dirichlet": lambda y: rng.expovariate(1),
        "near q": lambda y: weights[y] * (1 + rng.random() / 4),
    }
    p = np.array([targets[shape](y) for y in range(size)])
    p = p / p.sum() if p.sum() else np.full(size, 1 / size)
    q = np.array(weights, dtype=float) / sum(weights)
    what = f"cut, without_replacement, k = {k}, V = {size}, q of {kinds} values {values}, p {shape}"
    yield Doing(what)
    try:
        found = cut(p, q, k, "without_replacement")
    except SpecHubError as error:
        yield f"{what}: rejected: {error}" if k <= 4 else None
        return
    exact_q = rows.whole(q)
    classes = sorted(set(exact_q))
    exact_p = rows.whole(p)
    with localcontext() as context:
        context.prec = DIGITS
        counts = [exact_q.count(w) for w in classes]
        least, inside, covered = Decimal(0), [0] * len(classes), 0
        if size <= k:
            least = Decimal(-1) + Decimal(sum(exact_p)) / sum(exact_p)
        for y in _by_ratio(exact_p, exact_q):
            inside[classes.index(exact_q[y])] += 1
            covered += exact_p[y]
            if sum(inside) >= k and size > k:
                Q = brute.without_replacement_inside([Decimal(w) for w in classes], counts, inside, k, Decimal(1))
                least = min(least, Decimal(covered) / sum(exact_p) - Q)
        right = Fraction(1 + least)
    alpha, within = rows.scalar(found.alpha), rows.scalar(found.error)
    ok = abs(Fraction(alpha) - right) <= Fraction(within)
    yield None if ok else f"{what}: alpha {alpha!r} +- {within:.2g}; exact {float(right)!r}"
