"""Theorems hold, their sabotaged twins fall, and the constants on the pages are the sharp ones."""

from fractions import Fraction

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from known import known

from spechub_lp.theorems import checks, counterexamples, hockey_stick, quantities
from spechub_lp.theorems.instances import family
from spechub_lp.theorems.quantities import accepts, max_acceptance
from spechub_lp.typing import Distribution
from theory import table
from theory.sabotage import TWINS, attack

BY_ID = {theorem.id: theorem for theorem in checks.ALL}
TWIN = {twin.id: twin for twin in TWINS}


@st.composite
def distribution(draw: DrawFn, size: int) -> Distribution:
    weights = draw(st.lists(st.integers(0, 12), min_size=size, max_size=size).filter(any))
    return tuple(Fraction(w, sum(weights)) for w in weights)


@st.composite
def pairs(draw: DrawFn) -> tuple[Distribution, Distribution, int]:
    size = draw(st.integers(2, 4))
    return draw(distribution(size)), draw(distribution(size)), draw(st.sampled_from((2, 3)))


@pytest.mark.parametrize("name", BY_ID)
@given(pairs())
@settings(max_examples=15)
def test_theorem_holds(name: str, pair: tuple[Distribution, Distribution, int]) -> None:
    theorem = BY_ID[name]
    assert not theorem.applies(*pair) or theorem.holds(*pair)


def test_every_theorem_has_a_twin() -> None:
    assert set(TWIN) == set(table.PAGES)
    assert set(table.PAGES) <= set(BY_ID)


@pytest.mark.parametrize("name", TWIN)
def test_seeded_search_refutes_the_twin(name: str) -> None:
    fallen = attack(TWIN[name], 800, seed=1)
    assert fallen.refuted_by is not None
    instance, k = fallen.refuted_by
    assert not TWIN[name].holds(instance.p, instance.q, k)


@pytest.mark.parametrize("name", TWIN)
def test_the_theorem_survives_the_search_that_its_twin_does_not(name: str) -> None:
    fallen = attack(TWIN[name], 800, seed=1)
    instance, k = known(fallen.refuted_by)
    assert not BY_ID[name].applies(instance.p, instance.q, k) or BY_ID[name].holds(instance.p, instance.q, k)


@pytest.mark.slow
@pytest.mark.parametrize("name", TWIN)
def test_hypothesis_refutes_the_twin(name: str) -> None:
    twin = TWIN[name]
    p, q, k = find(
        pairs(),
        lambda pair: twin.applies(*pair) and not twin.holds(*pair),
        settings=settings(max_examples=20_000, derandomize=True, phases=[Phase.generate]),
    )
    assert sum(p) == sum(q) == 1
    assert not twin.holds(p, q, k)


def test_false_statements_have_their_counterexamples() -> None:
    for false in counterexamples.FALSE:
        left, right = false.values
        assert left < right, false.statement


# T2: the lemma behind prefixes


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("drafts", ["iid", "without_replacement"])
def test_hitting_is_concave_along_every_chain(k: int, drafts: str) -> None:
    """[f(A+d) - f(A)] / q(d) >= [f(A+d+b) - f(A+d)] / q(b) for all A, b, d; hub drafts break it."""
    for instance in family(32, seed=11, tokens=(4,)):
        assert not _convex_steps(instance.q, quantities.hit(instance.q, k, drafts))


def test_hitting_by_hub_drafts_is_not_concave() -> None:
    q = (Fraction(1, 4),) * 4
    assert _convex_steps(q, quantities.hit(q, 2, "hub"))


def _convex_steps(q: Distribution, f: dict[frozenset[int], Fraction]) -> list[tuple[frozenset[int], int, int]]:
    tokens = {y for y, m in enumerate(q) if m > 0}
    steps = ((A, b, d) for A in f for b in tokens - A for d in tokens - A - {b})
    return [(A, b, d) for A, b, d in steps if (f[A | {d}] - f[A]) / q[d] < (f[A | {d, b}] - f[A | {d}]) / q[b]]


# T10: the exact decision about an irrational root


@pytest.mark.parametrize("k", [2, 3, 4])
def test_kseq_decision_agrees_with_the_sampler(k: int) -> None:
    for instance in family(60, seed=4):
        p, q = instance.p, instance.q
        accepted = accepts("kseq", p, q, k)  # its root is found from above, so this is a little low
        assert hockey_stick.kseq_accepts(p, q, k, accepted)
        if accepted < 1:
            assert not hockey_stick.kseq_accepts(p, q, k, accepted + Fraction(1, 10**5))


def test_rrs_climbs_to_its_level() -> None:
    for instance in family(60, seed=5):
        for k in (1, 2, 3):
            level = hockey_stick.rrs_level(instance.p, instance.q, k)
            assert accepts("rrs", instance.p, instance.q, k) == 1 - hockey_stick.hockey_stick(
                instance.p, instance.q, level
            )


# T11, T12: shares of the optimum


def test_two_token_distributions_attain_the_sharp_shares_of_two_drafts() -> None:
    p, q = (Fraction(5, 9), Fraction(4, 9)), (Fraction(1, 3), Fraction(2, 3))
    assert max_acceptance(p, q, 2, "iid") == 1
    assert accepts("rrs", p, q, 2) == Fraction(23, 27)
    assert hockey_stick.kseq_accepts(p, q, 2, Fraction(8, 9))
    assert not hockey_stick.kseq_accepts(p, q, 2, Fraction(8, 9) + Fraction(1, 10**12))


@pytest.mark.parametrize("k", [3, 4, 5])
def test_two_token_distributions_come_near_the_sharp_shares(k: int) -> None:
    """The best two-token distribution on a grid is within 1e-4 of both shares, and none is below."""
    u = Fraction(round(10**4 * (k / (2 * k - 1)) ** (1 / (k - 1))), 10**4)
    p, q = (1 - u**k, u**k), (1 - u, u)
    best, rrs = max_acceptance(p, q, k, "iid"), accepts("rrs", p, q, k)
    assert best == 1
    assert hockey_stick.keeps_sharp_rrs_share(rrs, best, k)
    assert not hockey_stick.keeps_sharp_rrs_share(rrs - Fraction(1, 10**4), best, k)

    share = hockey_stick.sharp_kseq_share(k)
    b = float(1 - share) ** (1 / k)
    u = Fraction(round(10**4 * k * b / (k - 1)), 10**4)
    p, q = (1 - u**k, u**k), (1 - u, u)
    assert max_acceptance(p, q, k, "iid") == 1
    assert hockey_stick.kseq_accepts(p, q, k, share)
    assert not hockey_stick.kseq_accepts(p, q, k, share + Fraction(1, 10**4))


def test_shares_of_the_page() -> None:
    shown = {3: (0.8141, 0.8650), 4: (0.7968, 0.8544)}
    for k, (rrs, kseq) in shown.items():
        assert hockey_stick.keeps_sharp_rrs_share(Fraction(str(rrs + 1e-4)), Fraction(1), k)
        assert not hockey_stick.keeps_sharp_rrs_share(Fraction(str(rrs - 1e-4)), Fraction(1), k)
        assert float(hockey_stick.sharp_kseq_share(k)) == pytest.approx(kseq, abs=5e-5)
    assert 0.8264 < hockey_stick.sharp_kseq_share(100) < 0.8274
    assert all(hockey_stick.keeps_sharp_rrs_share(Fraction(3, 4), Fraction(1), k) is False for k in range(2, 30))


# The table


@pytest.mark.slow
def test_the_table_is_sound() -> None:
    lines = table.build(progress=lambda line: None)
    assert [line.id for line in lines if not line.sound] == []
    assert {line.id for line in lines} == set(table.PAGES)


def test_the_table_shows_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A false theorem and a true twin: both must show."""
    t6, twin = BY_ID["T6"], TWIN["T6"]
    monkeypatch.setattr(checks, "ALL", (checks.Theorem("T6", twin.statement, "", twin.holds),))
    monkeypatch.setattr(table, "TWINS", (checks.Theorem("T6", t6.statement, "", t6.holds),))
    monkeypatch.setattr(table, "TWIN_BUDGET", 20)
    monkeypatch.setattr(table, "smt_summary", lambda tokens, progress: {})
    (line,) = table.build()
    assert (line.held, line.twin_refuted, line.sound) == (False, False, False)
