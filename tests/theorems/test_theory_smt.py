"""z3 and cvc5 prove T3, T4, T8, half of T21, refute the false neighbours, and say so when a hypothesis is void."""

from collections.abc import Iterable
from fractions import Fraction

import pytest
from _pytest.mark import ParameterSet

from spechub_lp.theorems.instances import family
from spechub_lp.theorems.quantities import max_acceptance

pytest.importorskip("z3")
pytest.importorskip("cvc5")
from theory import smt


def _asked(queries: Iterable[smt.Query]) -> list[ParameterSet]:
    return [pytest.param(q, s, id=f"{q.name} {s}") for q in queries for s in q.solvers]


@pytest.mark.parametrize(("query", "solver"), _asked(q for q in smt.queries(4) if q.tokens < 4))
def test_proved_up_to_three_tokens(query: smt.Query, solver: str) -> None:
    assert smt.ask(query, solver).result == "proved"


@pytest.mark.slow
@pytest.mark.parametrize(("query", "solver"), _asked(q for q in smt.queries(5) if q.tokens >= 4))
def test_proved_for_four_and_five_tokens(query: smt.Query, solver: str) -> None:
    assert smt.ask(query, solver, limit=120.0).result == "proved"


@pytest.mark.parametrize(("query", "solver"), _asked(smt.twins()))
def test_false_neighbours_are_refuted_with_a_model(query: smt.Query, solver: str) -> None:
    answer = smt.ask(query, solver)
    assert answer.result == "refuted"
    assert "p0" in answer.model


@pytest.mark.parametrize("solver", smt.SOLVERS)
def test_a_void_hypothesis_proves_nothing(solver: str) -> None:
    """q(a) < 1/2 cannot be met with two tokens; with three it can, and the claim is false."""
    assert smt.ask(smt.below_half(2), solver).result == "vacuous"
    assert smt.ask(smt.below_half(3), solver).result == "refuted"


def test_running_out_of_time_is_not_a_proof() -> None:
    hard = smt.inside_border(5, plain=True)
    answer = smt.ask(hard, "z3", limit=0.2)
    assert answer.result == "undecided"
    assert answer.limit == 0.2


@pytest.mark.parametrize("k", [2, 3])
def test_the_script_means_what_the_certified_optima_mean(k: int) -> None:
    """At rational distributions the script's `hub < alpha*_iid` is the order of the two optima."""
    seen = set()
    for instance in family(64, seed=8, tokens=(k + 1,)):
        order = sorted(range(len(instance.q)), key=lambda y: -instance.q[y])
        p, q = (tuple(distribution[y] for y in order) for distribution in (instance.p, instance.q))
        if sum(q[: k - 1]) == 1:  # h is not defined; the pages leave this case out
            continue
        below = max_acceptance(p, q, k, "greedy") < max_acceptance(p, q, k, "iid")
        assert smt.is_below_at(p, q, k) == below
        seen.add(below)
    assert seen == {True, False}


def test_a_model_is_a_counterexample() -> None:
    """z3's rational model of the moved border, checked by the optima."""
    z3 = pytest.importorskip("z3")
    query = smt.twins()[1]
    solver = z3.Solver()
    solver.from_string(query.hypotheses + query.negations[0])
    assert str(solver.check()) == "sat"
    found = {str(v): Fraction(str(solver.model()[v])) for v in solver.model()}
    p, q = ([found[f"{name}{y}"] for y in range(3)] for name in "pq")
    assert max_acceptance(p, q, 2, "hub") < max_acceptance(p, q, 2, "iid")
