"""Draft policies: their distributions, their closed forms of Q(H), and what they do when the support of q runs out."""

from fractions import Fraction
from fractions import Fraction as F
from itertools import product
from typing import Any

import numpy as np
import pytest
from every import policies
from hypothesis import given
from hypothesis import strategies as st

from spechub_lp import drafts
from spechub_lp._array.rational import rational_row
from spechub_lp.certificate import draft_distribution
from spechub_lp.coupling import plain
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError, TooLarge, UnknownName
from spechub_lp.instance import enumerate_drafts
from spechub_lp.testing.strategies import distributions
from spechub_lp.typing import Distribution


def distribution_of(policy: DraftPolicy, q: Any, k: int) -> dict[tuple[int, ...], Fraction]:
    x, mass = enumerate_drafts(policy, rational_row(q), k)
    return dict(zip(map(tuple, x.tolist()), map(plain, mass), strict=True))


@pytest.mark.parametrize(
    ("policy", "k"), [pytest.param(p, k, id=f"{p.name}-{k}") for k in (1, 2, 3) for p in policies(k)]
)
@given(q=distributions())
def test_closed_form_of_Q_on_every_set(policy: DraftPolicy, k: int, q: Distribution) -> None:
    Q = distribution_of(policy, q, k)
    assert sum(Q.values()) == 1
    H = np.array(list(product([False, True], repeat=len(q))))
    inside = policy.prob_all_in(rational_row(q), H, k)
    for mask, closed in zip(H, inside, strict=True):
        assert plain(closed) == sum(m for x, m in Q.items() if all(mask[y] for y in x))


@pytest.mark.parametrize(
    ("policy", "k"), [pytest.param(p, k, id=f"{p.name}-{k}") for k in (1, 2, 3) for p in policies(k)]
)
@given(q=distributions())
def test_enumeration_agrees_with_the_checker_of_certificates(policy: DraftPolicy, k: int, q: Distribution) -> None:
    Q, distribution = distribution_of(policy, q, k), draft_distribution(policy.name, q, k)
    for x in product(range(len(q)), repeat=k):
        assert distribution(x) == Q.get(x, 0)


@given(q1=distributions(3), q2=distributions(3))
def test_different_drafters(q1: Distribution, q2: Distribution) -> None:
    Q = distribution_of(drafts.by_name("product"), (q1, q2), 2)
    assert Q == {(i, j): q1[i] * q2[j] for i in range(3) for j in range(3) if q1[i] * q2[j]}
    H = np.array([[True, True, False]])
    assert plain(drafts.by_name("product").prob_all_in(rational_row((q1, q2)), H, 2)[0]) == sum(q1[:2]) * sum(q2[:2])


def test_distributions_worked_by_hand() -> None:
    q = (F(3, 5), F(3, 10), F(1, 10))
    hub = distribution_of(drafts.by_name("hub"), q, 2)
    assert hub == {(1, 0): F(3, 10), (2, 0): F(1, 10), (0, 1): F(9, 20), (0, 2): F(3, 20)}
    wor = distribution_of(drafts.by_name("without_replacement"), q, 2)
    assert wor[0, 1] == F(3, 5) * F(3, 10) / F(2, 5)
    assert distribution_of(drafts.by_name("top_k"), q, 2) == {(0, 1): 1}
    assert distribution_of(drafts.by_name("greedy"), q, 3) == {(0, 1, 2): 1}


@pytest.mark.parametrize("policy", [p for p in policies(3) if not isinstance(p, drafts.IID | drafts.Product)])
def test_a_support_that_runs_out_repeats_the_most_likely_token(policy: DraftPolicy) -> None:
    assert set(distribution_of(policy, (F(0), F(1), F(0)), 3)) == {(1, 1, 1)}
    last = {x[2] for x in distribution_of(policy, (F(1, 3), F(2, 3)), 3)}
    assert last == {1}


def test_hub_without_a_second_token_drafts_the_hub_twice() -> None:
    assert distribution_of(drafts.by_name("hub"), (F(0), F(1)), 2) == {(1, 1): 1}


@given(q=st.sampled_from([(F(1, 4),) * 4, (F(1, 3), F(1, 3), F(1, 3), F(0))]))
def test_ties_go_to_the_lowest_index(q: Distribution) -> None:
    assert {x[1] for x in distribution_of(drafts.by_name("hub"), q, 2) if x[0] != 0} == {0}
    assert distribution_of(drafts.by_name("top_k"), q, 2) == {(0, 1): 1}


def test_float_distributions_give_float64_masses() -> None:
    x, mass = enumerate_drafts(drafts.by_name("without_replacement"), np.array([[0.5, 0.3, 0.2]], dtype=np.float32), 2)
    assert mass.dtype == np.float64
    assert abs(mass.sum() - 1) < 1e-15
    assert (x[:, 0] != x[:, 1]).all()


def test_bad_requests() -> None:
    with pytest.raises(UnknownName, match=r"unknown draft policy 'idd'\. Did you mean 'iid'\?"):
        drafts.by_name("idd")
    with pytest.raises(SpecHubError, match=r"hub drafts come in pairs; k = 3 \(use drafts='greedy'"):
        enumerate_drafts(drafts.by_name("hub"), rational_row((F(1, 2), F(1, 2))), 3)
    with pytest.raises(SpecHubError, match="k = 0; it must be at least 1"):
        enumerate_drafts(drafts.by_name("iid"), rational_row((F(1),)), 0)
    with pytest.raises(SpecHubError, match="iid drafts come from one distribution"):
        enumerate_drafts(drafts.by_name("iid"), rational_row(((F(1),), (F(1),))), 2)
    with pytest.raises(SpecHubError, match=r"k = 3.* 2"):
        enumerate_drafts(drafts.by_name("product"), rational_row(((F(1),), (F(1),))), 3)
    with pytest.raises(TooLarge, match=r"V\^k = 101\^3 = 1,030,301 draft tuples are too many"):
        enumerate_drafts(drafts.by_name("iid"), rational_row((F(1, 101),) * 101), 3)
