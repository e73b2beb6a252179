"""The program in a rule's docstring has the rule's joint distribution of drafts and output, as rationals."""

from fractions import Fraction as F
from typing import Any

import oracle
import pytest
import wrong_samplers
from hypothesis import given

from spechub_lp import exact, optimum, samplers
from spechub_lp._array.rational import rational_row
from spechub_lp.coupling import Coupling, plain
from spechub_lp.errors import SpecHubError
from spechub_lp.samplers.base import Sampler
from spechub_lp.testing.strategies import pairs
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


def arguments(sampler: Sampler, p: Distribution, q: Distribution) -> dict[str, Any]:
    """What the program of a rule is given."""
    if sampler.name == "spechub":
        return {"p": p, "q": q}
    if isinstance(sampler, samplers.KSeq):
        return {"p": p, "q": q, "k": sampler.k, "rho": plain(sampler.discount(rational_row(p), rational_row(q))[0, 0])}
    if sampler.name not in ("lp_table", "two_step"):
        return {"p": p, "q": q, "k": sampler.k}
    best = optimum(p, q, sampler.k, sampler.drafts)
    tuples = [tuple(x) for x in best.tuples.tolist()]
    Q = dict(zip(tuples, map(plain, best.weights), strict=True))
    accept = {x: list(map(plain, row)) for x, row in zip(tuples, best.accept, strict=True)}
    if sampler.name == "lp_table":
        return {"p": p, "Q": Q, "S": {x: [Q[x] * a for a in accept[x]] for x in Q}}
    rest = {x: (1 - sum(accept[x])) / len(set(x)) for x in Q}
    beta = {x: [a + rest[x] * (x.index(x[j]) == j) for j, a in enumerate(accept[x])] for x in Q}
    return {"p": p, "Q": Q, "beta": beta}


def test_rules_have_programs() -> None:
    assert RULES.keys() == {rule.name for rule in samplers.ALL} - {"border_wor"}


@pytest.mark.parametrize(("name", "k"), [(name, k) for name in RULES for k in (1, 2, 3) if sampler_or_none(name, k)])
@given(pq=pairs(max_tokens=4))
def test_the_program_is_the_rule(name: str, k: int, pq: tuple[Distribution, Distribution]) -> None:
    sampler = samplers.by_name(name, k)
    assert joint(exact(sampler, *pq)) == oracle.witness(PROGRAMS[name], **arguments(sampler, *pq))


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
