"""The definitions as code, in Fractions, by enumeration. Nothing of spechub_lp is imported here."""

import random
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import Any

Distribution = Sequence[Fraction]
Q = dict[tuple[int, ...], Fraction]

POLICIES = ("iid", "without_replacement", "hub", "greedy", "top_k", "product")


def draft_distribution(policy: str, q: Any, k: int) -> Q:
    """Pr[drafts are x] for every tuple of positive probability; q is a distribution, or k distributions for product
    drafts."""
    several = isinstance(q[0], (tuple, list))
    size = len(q[0] if several else q)
    distribution: Q = {}
    for x in product(range(size), repeat=k):
        mass = Fraction(1)
        for j, y in enumerate(x):
            mass *= _next(policy, q[j] if several else q, x[:j], k)[y]
            if not mass:
                break
        if mass:
            distribution[x] = mass
    return distribution


def _next(policy: str, q: Distribution, before: tuple[int, ...], k: int) -> Distribution:
    size, hub = len(q), q.index(max(q)) if isinstance(q, (list, tuple)) else 0
    rest = [Fraction(0) if y in before else m for y, m in enumerate(q)]
    mass = sum(rest)
    left = [m / mass for m in rest] if mass else [Fraction(y == hub) for y in range(size)]
    top = left.index(max(left))
    surely = [Fraction(y == top) for y in range(size)]
    if policy in ("iid", "product"):
        return q
    if policy == "without_replacement":
        return left
    if policy == "hub":
        if not before:
            return q
        return left if before[0] == hub else [Fraction(y == hub) for y in range(size)]
    if policy == "greedy":
        return left if len(before) == k - 1 else surely
    return surely


def optimum(p: Distribution, distribution: Q) -> tuple[Fraction, set[frozenset[int]]]:
    """min over all token sets H of 1 + p(H) - Q(H), and every H that reaches it."""
    best, where = Fraction(2), set[frozenset[int]]()
    drafted = [(frozenset(x), mass) for x, mass in distribution.items()]
    for bits in range(2 ** len(p)):
        H = frozenset(y for y in range(len(p)) if bits >> y & 1)
        value = 1 + sum((p[y] for y in H), Fraction(0)) - sum((m for x, m in drafted if x <= H), Fraction(0))
        if value < best:
            best, where = value, set()
        if value == best:
            where.add(H)
    return best, where


def without_replacement_inside(
    weights: Sequence[Any], counts: Sequence[int], inside: Sequence[int], k: int, one: Any
) -> Any:
    """Q(H) of k drafts without replacement where tokens come in classes: weights[c] each, counts[c] of them,
    inside[c] in H. A sum over how many of each class were drafted, in the arithmetic of `one`."""
    total = sum((w * n for w, n in zip(weights, counts, strict=True)), one * 0)
    states = {(0,) * len(counts): one}
    for _ in range(k):
        after: dict[tuple[int, ...], Any] = {}
        for drawn, mass in states.items():
            left = total - sum((w * n for w, n in zip(weights, drawn, strict=True)), one * 0)
            for c, weight in enumerate(weights):
                if inside[c] > drawn[c]:
                    to = (*drawn[:c], drawn[c] + 1, *drawn[c + 1 :])
                    after[to] = after.get(to, one * 0) + mass * weight * (inside[c] - drawn[c]) / left
        states = after
    return sum(states.values(), one * 0)


def random_distribution(rng: random.Random, size: int) -> tuple[Fraction, ...]:
    """A distribution whose shape is drawn too: plain, with zeros, tied, peaked, one-hot, of large denominators."""
    shape = rng.randrange(7)
    if shape == 0:
        weights = [rng.randrange(1, 13) for _ in range(size)]
    elif shape == 1:
        weights = [rng.choice((0, 0, 1, 2, 5)) for _ in range(size)]
    elif shape == 2:
        weights = [rng.choice((1, 1, 2)) for _ in range(size)]
    elif shape == 3:
        weights = [rng.choice((1, 10, 1000, 10**6, 10**18)) for _ in range(size)]
    elif shape == 4:
        weights = [int(y == rng.randrange(size)) for y in range(size)]
    elif shape == 5:
        weights = [rng.randrange(2**52) for _ in range(size)]
    else:
        weights = [10**9 + rng.randrange(3) for _ in range(size)]
    if not any(weights):
        weights[rng.randrange(size)] = 1
    return tuple(Fraction(w, sum(weights)) for w in weights)


def random_pair(rng: random.Random, size: int) -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    p, q = random_distribution(rng, size), random_distribution(rng, size)
    turn = rng.random()
    if turn < 0.1:
        return q, q
    if turn < 0.2:  # p/q tied on many tokens
        p = tuple(m * rng.choice((1, 2)) for m in q)
        return tuple(m / sum(p) for m in p), q
    return p, q
