"""The counterexample hunter: the simplest rational distribution pair that refutes a statement.

Simplest: the larger of the two common denominators is smallest, then the other, then lexicographic order. Up to the
denominator asked for the search is exhaustive over all p and all falling q (relabelling tokens changes nothing), zeros
included; floats look, rationals decide, also where floats see a tie. Beyond it, a seeded hill climb in floats; what it
finds is rounded to the smallest denominator that still refutes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np

from spechub_lp import certificate, samplers
from spechub_lp._array.rational import RATIONAL
from spechub_lp._util.io import write_json
from spechub_lp.errors import SpecHubError
from spechub_lp.optimum.solve import optimum
from spechub_lp.typing import Array, Distribution
from theory.statement import OTM, Statement
from theory.values import Batch, proved, sorted_by_q

LOOKS_TIED = 1e-6
"""Float slack below which rationals decide. Far above rounding; K-SEQ's bisection leaves 1e-7."""
ROUNDINGS = (*range(1, 401), *(10**n for n in range(3, 10)))
"""Denominators to which a float counterexample is rounded, in turn."""
LIGHTEST = 1e-8
"""What a climber adds to every entry: 1 - q must keep its digits."""


@dataclass(frozen=True)
class Found:
    """A distribution pair at which the statement fails, proved in rationals."""

    p: Distribution
    q: Distribution
    k: int
    values: dict[str, tuple[Fraction, Fraction]]
    """Bounds of each value in the statement; equal unless it is K-SEQ's."""
    minimal: bool
    """Whether the exhaustive search found it: then no pair with smaller denominators refutes the statement."""


@dataclass
class Hunt:
    """What was looked at and what was found."""

    statement: str
    tokens: int
    k: int
    exhausted: int = 0
    """Every pair with common denominators up to this was checked (none when 0)."""
    pairs: int = 0
    """Distribution pairs that the exhaustive search met and that satisfy the conditions."""
    ties: int = 0
    """Of these, the ones that floats could not tell from equality and rationals decided."""
    undecided: int = 0
    """Ties that K-SEQ's bounds leave open: at most 2e-7 wide."""
    climbed: int = 0
    """Distribution pairs that the hill climb looked at, in floats."""
    seed: int = 0
    smallest_slack: float = field(default=float("inf"))
    """The slack, in rationals, of the best distribution pair of the hill climb; 0 is a tie."""
    found: Found | None = None


def hunt(
    statement: Statement, tokens: int = 3, k: int = 2, denominator: int = 12, climbs: int = 256, steps: int = 300,
    seed: int = 0,
) -> Hunt:  # fmt: skip
    """Exhaust the small denominators, then climb."""
    result = Hunt(statement.text, tokens, k, seed=seed)
    result.found = _exhaust(statement, result, denominator)
    if result.found is None and climbs:
        result.found = _climb(statement, result, climbs, steps)
    return result


def distributions_over(tokens: int, denominator: int, falling: bool = False) -> Array:
    """Every distribution whose common denominator is exactly this, as whole numbers [N, V]."""
    return _distributions_over(tokens, denominator, falling)


@lru_cache(maxsize=256)
def _distributions_over(tokens: int, denominator: int, falling: bool) -> Array:
    rows = [w for w in _parts(denominator, tokens, denominator if falling else None) if gcd(*w) == 1]
    return np.asarray(rows, dtype=np.int64).reshape(-1, tokens)


def _parts(total: int, count: int, most: int | None) -> Iterator[tuple[int, ...]]:
    """Ways to write total as count ordered parts >= 0; falling, with parts at most `most`, when that is given."""
    if count == 1:
        if most is None or total <= most:
            yield (total,)
        return
    for first in range(total if most is None else min(total, most), -1, -1):
        yield from ((first, *rest) for rest in _parts(total - first, count - 1, None if most is None else first))


def _exhaust(statement: Statement, result: Hunt, denominator: int) -> Found | None:
    for larger in range(1, denominator + 1):
        shapes = {(small, larger) for small in range(1, larger + 1)} | {(larger, small) for small in range(1, larger)}
        for over_p, over_q in sorted(shapes, key=lambda s: (sum(s), s)):
            P = distributions_over(result.tokens, over_p)
            for q in distributions_over(result.tokens, over_q, falling=True):
                at = _first_refuted(statement, result, P, over_p, q[None], over_q)
                if at is not None:
                    p_distribution = tuple(Fraction(int(m), over_p) for m in P[at])
                    found: Found | None = prove(
                        statement, p_distribution, tuple(Fraction(int(m), over_q) for m in q), result.k, True
                    )
                    return found
        result.exhausted = larger
    return None


def _first_refuted(statement: Statement, result: Hunt, P: Array, over_p: int, q: Array, over_q: int) -> int | None:
    looked = Batch(P / over_p, q / over_q, result.k)
    near = _indices(statement.slack(looked, looked.number) < LOOKS_TIED, len(P))
    met = np.broadcast_to(statement.met(looked, looked.number), len(P))
    if statement.where:  # a condition such as q(a) > 1/2 is decided in rationals
        exact = Batch(_rational(P, over_p), _rational(q, over_q), result.k)
        met = np.broadcast_to(statement.met(exact, exact.number), len(P))
        near = near[met[near]]
    result.pairs += int(met.sum())
    result.ties += len(near)
    if not len(near):
        return None
    decided = Batch(_rational(P[near], over_p), _rational(q, over_q), result.k)
    slack = np.broadcast_to(statement.slack(decided, decided.number), len(near))
    bad = np.flatnonzero(statement.refuted(slack))
    if "kseq" in statement.names:
        result.undecided += int(((slack >= 0) & (slack < 2e-7) & (slack != 0)).sum())
    return int(near[bad[0]]) if len(bad) else None


def _indices(mask: Array, length: int) -> Array:
    return np.flatnonzero(np.broadcast_to(mask, length))


def _rational(whole: Array, over: int) -> Array:
    found: Array = np.vectorize(lambda m: RATIONAL(int(m), over), otypes=[object])(whole)
    return found


def _climb(statement: Statement, result: Hunt, climbs: int, steps: int) -> Found | None:
    """Many climbers at once. Each multiplies some entries of p and q by random factors, sometimes to 0, and keeps a
    step that lowers the slack and meets the conditions."""
    rng = np.random.default_rng(result.seed)
    V = result.tokens

    def sharp(count: int) -> Array:
        weights = rng.gamma(rng.choice([0.1, 0.3, 1.0, 3.0], size=(count, 1)), size=(count, V)) + 1e-12
        found: Array = weights / weights.sum(axis=1, keepdims=True)
        return found

    def look(p: Array, q: Array) -> tuple[Array, Array, Array]:
        p, q = sorted_by_q(p, q)
        batch = Batch(p, q, result.k)
        slack = np.broadcast_to(statement.slack(batch, batch.number), len(p)).copy()
        slack[~np.broadcast_to(statement.met(batch, batch.number), len(p))] = np.inf
        result.climbed += len(p)
        return slack, p, q

    best, p, q = look(sharp(climbs), sharp(climbs))
    for step in range(steps):
        size = 2.0 * 0.985**step
        factor = np.exp(size * rng.standard_normal((2, climbs, V)) * (rng.random((2, climbs, V)) < 0.6))
        factor[rng.random((2, climbs, V)) < 0.01] = 0
        fresh = [distribution * f + LIGHTEST for distribution, f in zip((p, q), factor, strict=True)]
        slack, *distributions = look(
            *[distribution / distribution.sum(axis=1, keepdims=True) for distribution in fresh]
        )
        better = slack < best
        best = np.where(better, slack, best)
        p, q = (np.where(better[:, None], new, old) for new, old in zip(distributions, (p, q), strict=True))
    for n in np.argsort(best)[:8]:
        slack = _exact_slack(statement, p[n], q[n], result.k)
        result.smallest_slack = min(result.smallest_slack, float(slack))
        if statement.refuted(slack) and (found := simplify(statement, p[n], q[n], result.k)):
            return found
    return None


def _exact_slack(statement: Statement, p: Array, q: Array, k: int) -> Any:
    """The slack at a float pair, the floats taken for the rationals they are and divided by their sum."""
    row, draft = (np.asarray([[RATIONAL(float(m)) for m in distribution]], dtype=object) for distribution in (p, q))
    batch = Batch(row / row.sum(), draft / draft.sum(), k)
    if not np.atleast_1d(statement.met(batch, batch.number)).all():
        return float("inf")
    return np.atleast_1d(statement.slack(batch, batch.number))[0]


def simplify(statement: Statement, p: Array, q: Array, k: int) -> Found | None:
    """The float pair rounded to the smallest common denominator at which it still refutes the statement."""
    for denominator in ROUNDINGS:
        distributions = [_nearest(distribution, denominator) for distribution in (p, q)]
        found: Found | None = prove(statement, distributions[0], distributions[1], k, False, or_none=True)
        if found:
            return found
    return None


def _nearest(distribution: Array, denominator: int) -> Distribution:
    """The closest distribution over this denominator: round down, then give the rest to the largest remainders."""
    scaled = np.asarray(distribution) * denominator
    whole = np.floor(scaled + 1e-9).astype(int)
    for y in np.argsort(whole - scaled, kind="stable")[: denominator - whole.sum()]:
        whole[y] += 1
    return tuple(Fraction(int(m), denominator) for m in whole)


def prove(statement: Statement, p: Distribution, q: Distribution, k: int, minimal: bool, or_none: bool = False) -> Any:
    """Recompute a counterexample from enumerated distributions and certified optima.

    Raises:
        SpecHubError: the statement is not refuted there (with or_none: returns None instead).
    """
    order = sorted(range(len(q)), key=lambda y: -q[y])
    p, q = tuple(p[y] for y in order), tuple(q[y] for y in order)

    def value(name: str) -> Any:
        return proved(name, p, q, k)

    number = Batch(np.asarray([[RATIONAL(m) for m in p]], dtype=object), np.asarray([q], dtype=object), k).number
    refuted = statement.refuted(np.atleast_1d(statement.slack(value, number))).all()
    met = np.atleast_1d(statement.met(value, number)).all()
    if not (refuted and met):
        if or_none:
            return None
        raise SpecHubError(f"{statement.text!r} is not refuted at p = {_show(p)}, q = {_show(q)}, k = {k}")
    bounds = {name: value(name) for name in statement.names}
    values = {name: (Fraction(str(low[0])), Fraction(str(high[0]))) for name, (low, high) in bounds.items()}
    return Found(p, q, k, values, minimal)


def certificates(statement: Statement, found: Found, stem: Path) -> list[Path]:
    """Write a certificate of optimality for each draft policy that the statement is about.

    `spechub-lp check-certificate` checks them. They carry p, q and k, so `recheck` needs nothing else.
    """
    written = []
    for drafts in dict.fromkeys(_policy(name, found.k) for name in statement.names):
        path = stem.with_name(f"{stem.name}.{drafts}.json")
        document = optimum(found.p, found.q, found.k, drafts).certificate()
        certificate.check(document)
        write_json(path, document)
        written.append(path)
    return written


def _policy(name: str, k: int) -> str:
    return OTM[name] if name in OTM else samplers.by_name(name, 1 if name == "naive" else k).drafts.name


def recheck(statement: Statement, file: Path) -> Found:
    """Check the certificate, take p, q and k from it, and recompute both sides of the statement there.

    Raises:
        CertificateError: the file proves nothing. SpecHubError: the statement is not refuted there.
    """
    claim = certificate.check(file)
    found: Found = prove(statement, claim.p, claim.q, claim.k, False)
    return found


def describe(found: Found) -> Sequence[str]:
    """The counterexample as lines of text."""
    lines = [f"p = {_show(found.p)}", f"q = {_show(found.q)}", f"k = {found.k}"]
    for name, (low, high) in found.values.items():
        exact = f"{low} = {float(low):.6g}"
        lines.append(f"{name} = {exact if low == high else f'between {float(low):.9g} and {float(high):.9g}'}")
    return lines


def _show(distribution: Distribution) -> str:
    return ",".join(map(str, distribution))
