"""Brute force against optimum, exact and the closed forms, on random rational instances, all policies and rules."""

import random
from fractions import Fraction
from typing import Any

import numpy as np
import oracle

from spechub_lp import certificate, exact, optimum, samplers
from spechub_lp._array.rational import rational_row
from spechub_lp.coupling import plain
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError
from validation.torture import Checks, Doing, brute

SECONDS, MEMORY = 120, 4 << 30

WIDEST = {1: 5, 2: 5, 3: 4, 4: 3}
OPTIMAL = {"lp_table", "spechub", "greedy_hubs", "border", "border_wor", "border_adaptive", "border_tempered"}
WITNESSED = ("naive", "nss", "rrs", "rrsw", "kseq", "spechub", "greedy_hubs", "border", "border_wor")


def trial(seed: int) -> Checks:
    rng = random.Random(seed)
    k = rng.choice((1, 2, 2, 3, 3, 4))
    size = rng.randint(1, WIDEST[k])
    p, q = brute.random_pair(rng, size)
    case = f"k = {k}, p = {' '.join(map(str, p))}, q = {' '.join(map(str, q))}"
    for policy in brute.POLICIES:
        if policy == "hub" and k != 2:
            continue
        rows = tuple(brute.random_distribution(rng, size) for _ in range(k)) if policy == "product" else q
        yield Doing(f"{policy}, {case}")
        distribution = brute.draft_distribution(policy, rows, k)
        best, sets = brute.optimum(p, distribution)
        for method in ("highs", "flow"):
            found = optimum(p, rows, k, policy, method=method)
            yield _same(found.alpha, best, f"optimum by {method}, {policy}, {case}")
            yield None if found.H in sets else f"H = {sorted(found.H)} is not optimal: {policy}, {case}"
        proof = found.certificate()
        yield _same(certificate.check(proof).alpha, best, f"certificate, {policy}, {case}")
    for sampler in _rules(k):
        yield Doing(f"{sampler.name}, {sampler.drafts.name}, {case}")
        yield from _rule(sampler, p, _rows_for(sampler, q, size, k, rng), k, case)


def _rules(k: int) -> list[Any]:
    rules = []
    for name in [s.name for s in (*samplers.ALL, *samplers.VARIANTS)]:
        try:
            sampler = samplers.by_name(name, k)
        except SpecHubError:
            continue
        rules += [sampler.with_drafts(policy) for policy in sampler.own if policy.takes(k)]
    return rules


def _rows_for(sampler: Any, q: Any, size: int, k: int, rng: random.Random) -> Any:
    return tuple(brute.random_distribution(rng, size) for _ in range(k)) if sampler.drafts.different_drafters else q


def _rule(sampler: Any, p: Any, q: Any, k: int, case: str) -> Checks:
    name = f"{sampler.name} with {sampler.drafts.name} drafts"
    coupling = exact(sampler, p, q)
    distribution = _draft_distribution(sampler.drafts, q, k)
    yield _same(
        dict(zip(coupling.drafts, coupling.mass, strict=True)), distribution, f"draft distribution of {name}, {case}"
    )
    output, accepted = [Fraction(0)] * len(p), Fraction(0)
    joint: dict[oracle.Outcome, Fraction] = {}
    for x, mass, accept, residual in zip(
        coupling.drafts, coupling.mass, coupling.accept, coupling.residual, strict=True
    ):
        given = [*zip(x, map(plain, accept), strict=True), *enumerate(map(plain, residual))]
        if min(share for _, share in given) < 0 or sum(share for _, share in given) != 1:
            yield f"{name}: the verdict on {x} is no distribution, {case}"
        accepted += mass * sum(map(plain, accept))
        for y, share in given:
            output[y] += mass * share
            if share:
                joint[x, y] = joint.get((x, y), Fraction(0)) + mass * share
    yield _same(tuple(output), tuple(p), f"output of {name}, {case}")
    yield _same(coupling.acceptance, accepted, f"acceptance of {name}, {case}")
    best, _ = brute.optimum(p, distribution)
    if accepted > best:
        yield f"{name} accepts {accepted}, the optimum is {best}, {case}"
    if sampler.name in OPTIMAL or (sampler.name == "naive" and k == 1):
        yield _same(accepted, best, f"{name} against the optimum, {case}")
    if sampler.name != "nss" or sampler.drafts.name == "iid":
        rows = rational_row(p), rational_row(q)
        closed = sampler.acceptance(*rows)
        if closed is not None:
            yield _same(plain(np.asarray(closed)[0]), accepted, f"closed form of {name}, {case}")
    if sampler.name in WITNESSED and sampler.drafts.name == sampler.own[0].name:
        own = {} if sampler.name == "spechub" else {"k": k}
        witness = oracle.witness(oracle.program(type(sampler)) or "", p=list(p), q=list(q), **own)
        yield _same(joint, witness, f"joint distribution, {name}, {case}")


def _draft_distribution(policy: DraftPolicy, q: Any, k: int) -> brute.Q:
    if policy.name == "adaptive":
        return brute.draft_distribution("greedy" if max(q) >= Fraction(1, 2) else "without_replacement", q, k)
    if policy.name == "tempered":
        raised = [m * m for m in q]
        return brute.draft_distribution("without_replacement", tuple(m / sum(raised) for m in raised), k)
    return brute.draft_distribution(policy.name, q, k)


def _same(found: Any, right: Any, what: str) -> str | None:
    if found == right:
        return None
    return f"{what}: {str(found)[:80]} is not {str(right)[:80]}"
