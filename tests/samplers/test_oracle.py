"""The program in a rule's docstring has the rule's joint distribution of drafts and output, as rationals."""

from fractions import Fraction as F
from itertools import combinations
from operator import le
from typing import Any

import oracle
import pytest
import wrong_samplers
from hypothesis import given

from spechub_lp import exact, optimum, samplers
from spechub_lp.coupling import Coupling, plain
from spechub_lp.drafts import Product
from spechub_lp.errors import SpecHubError
from spechub_lp.samplers.base import Sampler
from spechub_lp.testing.strategies import pairs
from spechub_lp.theorems.different_drafters import drafters
from spechub_lp.theorems.instances import family
from spechub_lp.typing import Distribution

PROGRAMS = {rule.name: code for rule in samplers.ALL if (code := oracle.program(type(rule)))}
RULES = {rule.name: type(rule) for rule in samplers.ALL if rule.name in PROGRAMS}


def sampler_or_none(name: str, k: int) -> Sampler | None:
    try:
        return samplers.by_name(name, k)
    except SpecHubError:
        return None  # a rule for two drafts only


def joint(coupling: Coupling) -> dict[oracle.Outcome, F]:
    """{(drafts, output): mass} of a Coupling."""
    distribution: dict[oracle.Outcome, F] = {}
    for x, mass, accept, residual in zip(
        coupling.drafts, coupling.mass, coupling.accept, coupling.residual, strict=True
    ):
        for y, part in [*zip(x, accept, strict=True), *enumerate(residual)]:
            if part:
                distribution[x, y] = distribution.get((x, y), F(0)) + mass * plain(part)
    return distribution


def solves(p: Distribution, Q: dict[tuple[int, ...], F], S: dict[tuple[int, ...], list[F]]) -> bool:
    """Whether S is a solution of lp_table's program: feasible, and with the value 1 + p(H) - Q(H) of some set H."""
    tokens = range(len(p))
    taken = [sum((m for x, row in S.items() for z, m in zip(x, row, strict=True) if z == y), F(0)) for y in tokens]
    feasible = all(0 <= m for row in S.values() for m in row) and all(sum(S[x]) <= Q[x] for x in Q)
    sets = [H for size in range(len(p) + 1) for H in combinations(tokens, size)]
    bounds = [1 + sum(p[y] for y in H) - sum(m for x, m in Q.items() if {*x} <= {*H}) for H in sets]
    return feasible and all(map(le, taken, p)) and sum(map(sum, S.values())) in bounds


def arguments(sampler: Sampler, p: Distribution, q: Distribution) -> dict[str, Any]:
    """What the program of a rule is given."""
    if sampler.name == "spechub":
        return {"p": p, "q": q}
    if sampler.name not in ("lp_table", "two_step"):
        return {"p": p, "q": q, "k": sampler.k}
    best = optimum(p, q, sampler.k, sampler.drafts)
    tuples = [tuple(x) for x in best.tuples.tolist()]
    Q = dict(zip(tuples, map(plain, best.weights), strict=True))
    accept = {x: list(map(plain, row)) for x, row in zip(tuples, best.accept, strict=True)}
    S = {x: [Q[x] * a for a in accept[x]] for x in Q}
    assert solves(p, Q, S)
    if sampler.name == "lp_table":
        return {"p": p, "Q": Q, "S": S}
    rest = {x: (1 - sum(accept[x])) / len(set(x)) for x in Q}
    beta = {x: [a + rest[x] * (x.index(x[j]) == j) for j, a in enumerate(accept[x])] for x in Q}
    return {"p": p, "Q": Q, "beta": beta}


def test_rules_have_programs() -> None:
    assert RULES.keys() == {rule.name for rule in samplers.ALL}


@pytest.mark.parametrize(("name", "k"), [(name, k) for name in RULES for k in (1, 2, 3) if sampler_or_none(name, k)])
@given(pq=pairs(max_tokens=4))
def test_the_program_is_the_rule(name: str, k: int, pq: tuple[Distribution, Distribution]) -> None:
    sampler = samplers.by_name(name, k)
    assert joint(exact(sampler, *pq)) == oracle.witness(PROGRAMS[name], **arguments(sampler, *pq))


@pytest.mark.parametrize(("k", "tokens"), [(1, 3), (2, 2), (2, 3)])
def test_the_program_of_different_drafters_is_the_rule(k: int, tokens: int) -> None:
    code = oracle.program(samplers.WeightedChoice)
    assert code is not None
    for i in family(4, seed=4, tokens=(tokens,)):
        rows = drafters(i.q, k)
        if tokens < 3 or optimum(i.p, rows, k, "product").alpha < 1:  # elsewhere all 256 rounds are gone through
            assert joint(exact(samplers.WeightedChoice(k, Product()), i.p, rows)) == oracle.witness(
                code, p=i.p, q=rows, k=k
            )


WRONG = [wrong for wrong in wrong_samplers.ALL if wrong.name in RULES and wrong.drafts in RULES[wrong.name].own]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: type(wrong).__name__)
def test_a_wrong_rule_is_not_the_program(wrong: Sampler) -> None:
    code = PROGRAMS[wrong.name]
    right = samplers.by_name(wrong.name, wrong.k)
    assert any(joint(exact(wrong, i.p, i.q)) != oracle.witness(code, **arguments(right, i.p, i.q))
               for i in family(80, seed=1, tokens=(2, 3, 4)))  # fmt: skip


@pytest.mark.parametrize(
    ("name", "p", "q", "acceptance"),
    [
        ("rrs", "0 1/5 4/5", "3/5 3/10 1/10", F(37, 100)),
        ("rrsw", "0 1/5 4/5", "3/5 3/10 1/10", F(13, 28)),
        ("spechub", "0 1/5 4/5", "3/5 3/10 1/10", F(9, 20)),
        ("lp_table", "0 1/5 4/5", "3/5 3/10 1/10", F(39, 100)),
        ("rrsw", "2/5 3/10 1/5 1/10", "1/10 1/5 3/10 2/5", F(107, 140)),
    ],
)
def test_values_worked_by_hand(name: str, p: str, q: str, acceptance: F) -> None:
    assert exact(samplers.by_name(name), p.split(), q.split()).acceptance == acceptance
