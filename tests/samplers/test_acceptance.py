"""What a closed form of acceptance says of a pair of rule and drafts is what the pair accepts, or nothing."""

from fractions import Fraction as F

import numpy as np
import pytest
import torch
from every import closed_form, every_pair, own_pairs

from spechub_lp import distributions, draw, exact, samplers
from spechub_lp._array.rational import rational_row
from spechub_lp.drafts import IID
from spechub_lp.errors import SpecHubError
from spechub_lp.samplers.base import Sampler
from spechub_lp.theorems.instances import family
from spechub_lp.typing import Array, Distribution

FAMILY = [(i.p, i.q) for i in family(44, seed=3, tokens=(2, 3, 4))] + [((F(1),), (F(1),))]
FALLING = ["4/10", "3/10", "2/10", "1/10"]
K_SEQ_GRID = F(1, 10**6)


@pytest.mark.parametrize("sampler", every_pair(1, 2, 3))
def test_acceptance_is_exact_or_none(sampler: Sampler) -> None:
    for p, q in FAMILY[:: 1 if sampler.k < 3 else 3]:
        closed = sampler.acceptance(rational_row(p), rational_row(q))
        assert closed is None or closed[0] == exact(sampler, p, q).acceptance, (p, q)


@pytest.mark.parametrize("name", ["naive", "nss", "rrs"])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_acceptance_of_different_drafters(name: str, k: int) -> None:
    sampler = samplers.by_name(name, k).with_drafts("product")
    for p, q in FAMILY[:24]:
        rows = [q, *[p, p[::-1]][: k - 1]]
        assert closed_form(sampler, rational_row(p), rational_row(rows))[0] == exact(sampler, p, rows).acceptance, (
            p,
            rows,
        )


@pytest.mark.parametrize("sampler", own_pairs(1, 2, 3))
def test_own_pairs_without_a_closed_form_are_known(sampler: Sampler) -> None:
    p, q = rational_row(FALLING), rational_row(FALLING[::-1])
    unknown = sampler.name in ("lp_table", "two_step") or (
        sampler.name == "nss" and sampler.drafts.name == "without_replacement" and sampler.k > 2
    )
    assert (sampler.acceptance(p, q) is None) == unknown


@pytest.mark.parametrize(
    ("policy", "accepts"),
    [
        ("iid", F(7, 20)), ("without_replacement", F(151, 360)), ("top_k", F(3, 10)), ("greedy", F(11, 30)),
        ("hub", F(11, 30)), ("product", F(7, 20)),
    ],
)  # fmt: skip
def test_target_only_knows_every_policy(policy: str, accepts: F) -> None:
    sampler = samplers.NSS().with_drafts(policy)
    assert exact(sampler, FALLING, FALLING[::-1]).acceptance == accepts
    assert closed_form(sampler, rational_row(FALLING), rational_row(FALLING[::-1]))[0] == accepts


def test_a_mismatched_pair_has_no_closed_form() -> None:
    for rule in samplers.ALL:
        for policy in ("iid", "without_replacement", "top_k", "product"):
            pair = rule.with_drafts(policy)
            q = rational_row(FALLING[::-1])
            if policy not in {own.name for own in rule.own}:
                assert not pair.is_own_pair
                assert pair.acceptance(rational_row(FALLING), q) is None


def test_own_drafts_are_known_by_their_class_and_not_by_a_name() -> None:
    class Other(IID):
        def draft(self, q: Array, x: Array, k: int) -> Array:
            return q * 0 + 1 / q.shape[1]

    stranger = samplers.RRS(drafts=Other())
    assert not stranger.is_own_pair
    assert stranger.acceptance(np.array([[0.5, 0.5]]), np.array([[0.5, 0.5]])) is None


def test_acceptance_wants_the_drafts_that_it_is_told() -> None:
    p, q = np.array([[0.5, 0.5]]), np.array([[[0.5, 0.5], [0.25, 0.75]]])
    with pytest.raises(SpecHubError, match="drafts='product'"):
        samplers.RRS().acceptance(p, q)
    assert closed_form(samplers.RRS().with_drafts("product"), p, q).shape == (1,)


@pytest.mark.parametrize("sampler", every_pair(1, 2, 3))
def test_float_closed_forms_agree_with_exact_ones_where_one_token_is_all(sampler: Sampler) -> None:
    """1 - q of the top token cancels; a distribution a rounding away from one-hot has a closed form all the same."""
    tiny = F(1, 2**60)
    for p, q in ([(1 - tiny, tiny, F(0)), (1 - 3 * tiny, tiny, 2 * tiny)], [(tiny, 1 - tiny), (1 - tiny, tiny)]):
        for dtype in (torch.float64, torch.float32):
            rows = (torch.tensor([[float(m) for m in distribution]], dtype=dtype) for distribution in (p, q))
            closed = sampler.acceptance(*rows)
            if closed is not None:
                assert closed.dtype in (dtype, torch.float64)
                assert abs(float(closed[0]) - float(exact(sampler, p, q).acceptance)) < 1e-6


@pytest.mark.parametrize(
    "rows", [((0.5, 0.5, 0, 0), (0, 0, 0, 1)), ((F(1, 2), F(1, 2), F(0)), (F(0), F(1, 2), F(1, 2)))]
)
@pytest.mark.parametrize("tokens", [1, 2, 3, 9])
def test_restrict_keeps_distributions_distributions(rows: tuple[Distribution, Distribution], tokens: int) -> None:
    small = distributions.restrict(rows, tokens)
    assert all(sum(distribution) == 1 and len(distribution) == min(tokens, len(rows[0])) for distribution in small)
    assert small == distributions.restrict([np.asarray(row, dtype=float) for row in rows], tokens)


def test_restrict_a_distribution_with_nothing_on_the_kept_tokens() -> None:
    assert distributions.restrict(((1.0, 0, 0, 0), (0, 0.25, 0.25, 0.5)), 1) == ((F(1),), (F(1),))
    assert distributions.restrict(((0.4, 0.35, 0.25, 0, 0), (0, 0, 0.2, 0.4, 0.4)), 2)[1] == (F(0), F(1))
    assert distributions.restrict(((0.5, 0.5, 0, 0), (0, 0, 0.45, 0.55)), 1) == ((F(1),), (F(1),))
    assert distributions.restrict(((0.5, 0.5, 0, 0, 0), (0, 0, 0.3, 0.3, 0.4)), 2)[1] == (F(1, 2), F(1, 2))


def test_exact_acceptance_is_what_draws_accept() -> None:
    """The old number of this pair was that of its rule's own drafts: .72 for .793."""
    pair: Sampler = samplers.RRS().with_drafts("without_replacement")
    distribution = exact(pair, FALLING, FALLING[::-1])
    u = np.random.default_rng(0).random((20_000, 3))
    p, q = ([float(F(m)) for m in row] for row in (FALLING, FALLING[::-1]))
    assert abs((draw(pair, p, q, u).slots >= 0).mean() - float(distribution.acceptance)) < 0.015
