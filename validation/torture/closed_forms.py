"""Acceptance in closed form on float rows against the definition in rationals; on wide rows for most rules."""

import random
from decimal import Decimal, localcontext
from fractions import Fraction
from math import lcm
from typing import Any

import oracle

from spechub_lp import samplers
from spechub_lp.errors import SpecHubError
from validation.torture import Checks, Doing, cuts, rows

SECONDS, MEMORY = 120, 4 << 30

EPS = {"float64": 2.0**-53, "float32": 2.0**-24, "bfloat16": 2.0**-8, "float16": 2.0**-11}
FORMS = (
    "naive", "nss", "rrs", "rrsw", "kseq", "spechub", "greedy_hubs", "border", "border_wor",
)  # fmt: skip
PROMISED = {"rrsw": 1e-8, "border_wor": 1e-10, "kseq": 2e-6}
"""What is allowed beside rounding: classes of tokens, a quadrature, a bisection."""


def trial(seed: int) -> Checks:
    rng = random.Random(seed)
    kind, dtype, library = rng.choice(rows.KINDS), rng.choice(rows.DTYPES), rng.choice(("numpy", "torch"))
    k = rng.choice((1, 2, 2, 3, 4))
    size = rng.choice((rng.randint(1, 5 if k < 4 else 4), 50, 200))
    p, q = (rows.cast(a, dtype, library)[None] for a in rows.pair(rng, kind, size))
    a, b = (rows.fractions(row[0]) for row in (p, q))
    for name in FORMS:
        what = f"{name}, k = {k}, {kind}, {dtype} of {library}, V = {size}"
        yield Doing(what)
        try:
            sampler = samplers.by_name(name, k)
        except SpecHubError:
            continue
        if size**k > 1000 and not (
            name in ("naive", "nss", "rrs", "kseq", "spechub", "greedy_hubs", "border") or k < 3
        ):
            continue
        try:
            found = sampler.acceptance(p, q)
        except SpecHubError as error:
            yield f"{what}: rejected: {error}" if kind in cuts.PLAIN and dtype in ("float64", "float32") else None
            continue
        right = acceptance(name, a, b, k)
        allowed = PROMISED.get(name, 0.0) + 16 * k * (size + 8) * EPS[dtype]
        value = rows.scalar(found)
        ok = abs(Fraction(value) - Fraction(right)) <= allowed if value == value else False
        yield None if ok else f"{what}: {value!r}; exact {float(right)!r}, allowed {allowed:.1g}"


def acceptance(name: str, p: Any, q: Any, k: int) -> Any:
    """By definition, as a rational or close to one."""
    whole_p, whole_q = rows_of(p), rows_of(q)
    if name == "naive":
        return sum(map(min, p, q))
    if name == "nss":
        return sum((a * (1 - (1 - b) ** k) for a, b in zip(p, q, strict=True)), Fraction(0))
    if name == "border":
        return cuts._right(whole_p, whole_q, k, "iid")[0]
    if name == "border_wor":
        return cuts._right(whole_p, whole_q, k, "without_replacement")[0]
    if name in ("spechub", "greedy_hubs"):
        return cuts._right(whole_p, whole_q, k, "hub" if name == "spechub" else "greedy")[0]
    if name == "kseq":
        return _kseq(p, q, k)
    if name == "rrs":
        return _rrs(p, q, k)
    if k == 1:
        return sum(map(min, p, q))
    return _rrsw(p, q) if k == 2 else _by_oracle(p, q, k)


def rows_of(distribution: Any) -> list[int]:
    """The distribution as whole numbers over one scale."""
    scale = lcm(*(m.denominator for m in distribution))
    return [int(m * scale) for m in distribution]


def _rrs(p: Any, q: Any, k: int) -> Decimal:
    with localcontext() as context:
        context.prec, context.Emin = 60, -(10**6)
        residual, proposal, rejected = [_decimal(m) for m in p], [_decimal(m) for m in q], Decimal(1)
        for _ in range(k):
            rejected *= max(Decimal(0), 1 - sum(map(min, residual, proposal)))
            rest = [max(Decimal(0), a - b) for a, b in zip(residual, proposal, strict=True)]
            if not sum(rest):
                break
            mass = sum(rest)
            residual = [m / mass for m in rest]
        return 1 - rejected


def _rrsw(p: Any, q: Any) -> Decimal:
    """Two drafts, by the first one."""
    with localcontext() as context:
        context.prec, context.Emin = 60, -(10**6)
        p, q = [_decimal(m) for m in p], [_decimal(m) for m in q]
        rest = [max(Decimal(0), a - b) for a, b in zip(p, q, strict=True)]
        accepted, missed = sum(map(min, p, q), Decimal(0)), sum(rest, Decimal(0))
        if not missed:
            return Decimal(1)
        residual = [m / missed for m in rest]
        for x, (a, b) in enumerate(zip(p, q, strict=True)):
            if b > a:
                left = sum(m for y, m in enumerate(q) if y != x)
                if left:
                    accepted += (b - a) * sum(
                        min(m, r / left) for y, (m, r) in enumerate(zip(residual, q, strict=True)) if y != x
                    )
        return accepted


def _kseq(p: Any, q: Any, k: int) -> Decimal:
    with localcontext() as context:
        context.prec, context.Emin = 40, -(10**6)
        p, q = [_decimal(m) for m in p], [_decimal(m) for m in q]

        def beta(rho: Decimal) -> Decimal:
            return sum((min(a / rho, b) for a, b in zip(p, q, strict=True)), Decimal(0))

        low, high = Decimal(1), Decimal(k)
        if 1 - (1 - beta(low)) ** k <= beta(low):
            high = low
        for _ in range(60 if high > low else 0):
            middle = (low + high) / 2
            fits = 1 - (1 - beta(middle)) ** k <= middle * beta(middle)
            low, high = (low, middle) if fits else (middle, high)
        return 1 - (1 - beta(high)) ** k


def _by_oracle(p: Any, q: Any, k: int) -> Fraction:
    distribution = oracle.joint_distribution(lambda choose: _marked(p, q, choose, k))
    return sum((m for (_, accepted), m in distribution.items() if accepted), Fraction(0))


def _marked(p: Any, q: Any, choose: Any, k: int) -> Any:
    """rrsw of the witness, with whether a draft was accepted in the place of the output."""
    drafts: tuple[int, ...] = ()
    for _ in range(k):
        drafts += (choose(oracle.without(q, drafts)),)
    residual = list(p)
    for j, x in enumerate(drafts):
        now = oracle.without(q, drafts[:j])
        if oracle.flip(choose, residual[x] / now[x]):
            return drafts, 1
        rest = [max(Fraction(0), a - b) for a, b in zip(residual, now, strict=True)]
        residual = oracle.normalized(rest) if sum(rest) else residual
    return drafts, 0


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)
