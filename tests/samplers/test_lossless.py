"""Every rule keeps the target distribution with its own drafts, as an equality of rationals; wrong pairs are told
apart."""

from fractions import Fraction as F
from itertools import product

import numpy as np
import pytest
from every import own_pairs
from hypothesis import given

from spechub_lp import exact, optimum, reference, samplers
from spechub_lp._array.rational import rational_row
from spechub_lp.samplers.base import Sampler
from spechub_lp.testing.strategies import pairs
from spechub_lp.theorems.instances import BOUNDARY
from spechub_lp.typing import Distribution

DEGENERATE = [
    *((instance.p, instance.q) for instance in BOUNDARY),
    (("0", "1"), ("1", "0")),
    (("1/4", "1/4", "1/4", "1/4"), ("1/4", "1/4", "1/4", "1/4")),
    ((F(1, 10**30), 1 - F(1, 10**30)), (1 - F(1, 10**30), F(1, 10**30))),
]


@pytest.mark.parametrize("sampler", own_pairs(1, 2, 3))
@given(pq=pairs())
def test_every_rule_is_lossless_with_its_own_drafts_beats_no_optimum_and_accepts_as_its_closed_form_says(
    sampler: Sampler, pq: tuple[Distribution, Distribution]
) -> None:
    coupling = exact(sampler, *pq)  # dear: three properties of one coupling
    assert coupling.is_lossless, coupling.output_distribution
    assert coupling.output_distribution == pq[0]
    assert all(type(v) is F for v in (coupling.acceptance, coupling.membership, coupling.distance, *coupling.mass))
    assert coupling.acceptance <= coupling.membership <= optimum(*pq, sampler.k, sampler.drafts).alpha
    if sampler.drafts == type(sampler)(k=sampler.k).drafts:
        closed = sampler.acceptance(rational_row(pq[0]), rational_row(pq[1]))
        assert closed is None or closed[0] == coupling.acceptance


@pytest.mark.parametrize("sampler", own_pairs(1, 2, 3))
@pytest.mark.parametrize(("p", "q"), DEGENERATE)
def test_degenerate_distributions(sampler: Sampler, p: Distribution, q: Distribution) -> None:
    assert exact(sampler, p, q).is_lossless


@pytest.mark.parametrize("sampler", own_pairs(1, 2, 3))
def test_no_probability_of_a_verdict_is_negative_in_floats(sampler: Sampler) -> None:
    """Rows as at low temperature, down to 1e-150: what is 0 or 1 in numbers may be a rounding beside it."""
    rng = np.random.default_rng(3)
    for power, tokens in product((1, 3, 10, 40), (3, 4, 5)):
        for _ in range(8):
            p, q = rng.dirichlet([0.5] * tokens, 2) ** power
            found = reference(sampler, p / p.sum(), q / q.sum())
            assert min(found.accept.min(), found.residual.min()) >= 0, (p, q)


@pytest.mark.parametrize("name", ["spechub", "greedy_hubs", "lp_table", "two_step"])
@given(pq=pairs())
def test_optimal_rules_reach_the_optimum(name: str, pq: tuple[Distribution, Distribution]) -> None:
    sampler = samplers.by_name(name)
    assert exact(sampler, *pq).acceptance == optimum(*pq, 2, sampler.drafts).alpha


@given(pq=pairs())
def test_same_distribution_accepts_always(pq: tuple[Distribution, Distribution]) -> None:
    for sampler in samplers.ALL:
        if sampler.name != "nss":
            assert exact(sampler, pq[0], pq[0]).acceptance == 1, sampler.name


def test_rounds_and_membership_differ_where_a_residual_draw_hits_another_draft() -> None:
    coupling = exact(samplers.by_name("naive", 2), ["1/2", "1/2"], ["3/4", "1/4"])
    assert (coupling.acceptance, coupling.membership) == (F(3, 4), F(13, 16))


def test_a_wrong_pair_looks_better_and_is_biased() -> None:
    p, q = ["0.4", "0.3", "0.2", "0.1"], ["0.1", "0.2", "0.3", "0.4"]
    right = exact(samplers.by_name("rrsw"), p, q)
    wrong = exact(samplers.by_name("rrs").with_drafts("without_replacement"), p, q)
    assert (right.acceptance, right.distance) == (F(107, 140), 0)
    assert (wrong.acceptance, wrong.distance) == (F(111, 140), F(17, 392))
    assert not wrong.is_lossless


@pytest.mark.parametrize(
    ("rule", "policy"),
    [
        ("rrs", "without_replacement"), ("rrs", "hub"), ("rrs", "top_k"), ("rrs", "greedy"),
        ("rrsw", "hub"), ("rrsw", "top_k"), ("kseq", "without_replacement"), ("kseq", "top_k"),
        ("spechub", "iid"), ("spechub", "without_replacement"), ("greedy_hubs", "iid"), ("naive", "top_k"),
    ],
)  # fmt: skip
def test_wrong_pairs_are_told(rule: str, policy: str) -> None:
    wrong = samplers.by_name(rule).with_drafts(policy)
    assert not wrong.is_own_pair
    distributions = [("2/5 3/10 1/5 1/10", "1/10 1/5 3/10 2/5"), ("1/10 1/5 3/10 2/5", "1/5 3/10 1/4 1/4")]
    couplings = [exact(wrong, p.split(), q.split()) for p, q in distributions]
    assert any(c.distance > 0 for c in couplings)
    assert all(c.is_lossless == (c.distance == 0) for c in couplings)


@given(pq=pairs(tokens=4))
def test_relabelling_tokens_changes_nothing_away_from_ties(pq: tuple[Distribution, Distribution]) -> None:
    p, q = pq
    order = [2, 0, 3, 1]
    for sampler in samplers.ALL:
        if len(set(q)) == len(q):
            moved = exact(sampler, [p[y] for y in order], [q[y] for y in order])
            assert moved.acceptance == exact(sampler, p, q).acceptance, sampler.name


def test_naive_wastes_further_drafts() -> None:
    p, q = ["1/2", "1/2", "0"], ["1/4", "1/4", "1/2"]
    assert exact(samplers.by_name("naive", 3), p, q).acceptance == exact(samplers.by_name("naive", 1), p, q).acceptance


def test_product_drafts_of_different_drafters() -> None:
    p, q = ["1/2", "1/3", "1/6"], [["1/3", "1/3", "1/3"], ["0", "1/2", "1/2"]]
    for name in ("rrs", "nss", "lp_table", "two_step", "naive"):
        assert exact(samplers.by_name(name).with_drafts("product"), p, q).is_lossless
    assert not exact(samplers.by_name("kseq").with_drafts("product"), p, q).is_lossless
