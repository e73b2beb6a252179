"""The optimum of a whole vocabulary equals the certified one, its set proves it, and bad rows are named."""

import tracemalloc
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from rows_of_all_kinds import random_distributions
from torch.utils._python_dispatch import TorchDispatchMode

from spechub_lp import acceptance, distributions, optimum
from spechub_lp._array.rational import rational_row
from spechub_lp.drafts._different import optimal_tokens
from spechub_lp.errors import InvalidDistribution, SpecHubError
from spechub_lp.optimum import bucket_scan
from spechub_lp.optimum.full_vocabulary import cut
from spechub_lp.samplers import by_name
from spechub_lp.testing import strategies
from spechub_lp.theorems.different_drafters import drafters
from spechub_lp.typing import Distribution

POLICIES = ("iid", "without_replacement", "hub", "greedy", "top_k")


@settings(deadline=None, max_examples=40)
@given(pqk=strategies.instances(max_tokens=5, drafts=(1, 2, 3, 4)))
@pytest.mark.parametrize("drafts", POLICIES)
def test_equals_the_certified_optimum(drafts: str, pqk: tuple[Distribution, Distribution, int]) -> None:
    p, q, k = pqk
    if drafts == "hub" and k != 2:
        return
    alpha = float(optimum(p, q, k, drafts).alpha)
    floats = [np.asarray([float(w) for w in distribution]) for distribution in (p, q)]
    if drafts == "iid" or (drafts == "without_replacement" and k == 2):
        H = np.zeros(len(p), dtype=bool)
        covered, inside, *_ = bucket_scan.prefix_by_buckets(floats[0], floats[1], k, drafts == "iid", H)
        assert 1 + covered - inside == pytest.approx(alpha, abs=1e-14)
        assert covered == pytest.approx(floats[0][H].sum(), abs=1e-15)
    for a, b in (floats, [torch.asarray(row) for row in floats]):
        for sort in (False, True):
            found = cut(a, b, k, drafts, sort=sort)
            assert abs(float(found.alpha[0]) - alpha) <= float(found.error[0])
            assert float(found.error[0]) < 2e-11


@pytest.mark.parametrize("drafts", POLICIES)
@pytest.mark.parametrize("k", [2, 3])
def test_buckets_sort_torch_and_float32_agree(drafts: str, k: int) -> None:
    if drafts == "hub" and k != 2:
        return
    p, q = random_distributions(5000, 1, rows=3)
    ours = cut(p, q, k, drafts)
    plain = cut(p, q, k, drafts, sort=True, memory=10**6)
    theirs = cut(torch.asarray(p), torch.asarray(q), k, drafts, sort=True)
    single = cut(p.astype(np.float32), q.astype(np.float32), k, drafts)
    assert np.abs(ours.alpha - plain.alpha).max() < 1e-12
    assert np.abs(ours.alpha - np.asarray(theirs.alpha)).max() < 1e-12
    assert np.abs(ours.alpha - single.alpha).max() < 1e-6
    one_by_one = [cut(a, b, k, drafts).alpha[0] for a, b in zip(p, q, strict=True)]
    assert ours.alpha.tolist() == one_by_one


@pytest.mark.parametrize("drafts", ["iid", "without_replacement"])
def test_the_value_is_the_value_of_its_set(drafts: str) -> None:
    p, q = random_distributions(2000, 3)
    found = cut(p, q, 2, drafts)
    H = found.H[0]
    inside = q[0][H].sum() ** 2
    if drafts == "without_replacement":
        inside = (q[0][H] * (q[0][H].sum() - q[0][H]) / (1 - q[0][H])).sum()
    assert found.alpha[0] == pytest.approx(1 + p[0][H].sum() - inside, abs=float(found.error[0]))
    assert found.error[0] < 1e-13
    smaller = np.delete(np.flatnonzero(H), 0)
    assert 1 + p[0][smaller].sum() - q[0][smaller].sum() ** 2 > cut(p, q, 2).alpha[0]


def test_peaked_rows_do_not_cancel() -> None:
    """1 - q(a) = 1e-12 would cost four digits of Q(H) if it were a difference."""
    q = np.asarray([1 - 3e-12, 1e-12, 2e-12])
    p = np.asarray([0.0, 0.0, 1.0])
    for sort in (False, True):
        assert cut(p, q, 2, "without_replacement", sort=sort).alpha[0] == pytest.approx(2 / 3, abs=1e-4)
    exact = np.asarray([1 - 2.0**-40, 2.0**-42, 3 * 2.0**-42])
    for sort in (False, True):
        found = cut(p, exact, 2, "without_replacement", sort=sort)
        assert abs(found.alpha[0] - 0.75) < 1e-12


def test_rows_of_logits_with_zeros_ties_and_subnormal_tails() -> None:
    rng = np.random.default_rng(0)
    logits = np.round(rng.normal(size=(2, 4000)) * 4)
    logits[:, rng.random(4000) < 0.3] = -np.inf
    logits[0, :50] = logits[0].max() - 655
    p, q = distributions.from_logits(logits[:1], temperature=0.9), distributions.from_logits(logits[1:], top_k=200)
    assert 0 < p[0, :50].max() < 2.3e-308
    for drafts in POLICIES:
        buckets, plain = cut(p, q, 2, drafts), cut(p, q, 2, drafts, sort=True)
        assert abs(buckets.alpha - plain.alpha).max() < 1e-12
        flipped = cut(q, p, 2, drafts), cut(q, p, 2, drafts, sort=True)
        assert abs(flipped[0].alpha - flipped[1].alpha).max() < 1e-12


@pytest.mark.parametrize(("drafts", "k"), [("iid", 2), ("iid", 3), ("without_replacement", 2)])
@pytest.mark.parametrize("sort", [False, True])
def test_ratios_that_tie_are_taken_together(drafts: str, k: int, sort: bool) -> None:
    """A prefix that ended among tokens of one p/q was completed with the others, the hub too: alpha was up to 2."""
    rng = np.random.default_rng(12)
    z = np.float16(4 * rng.standard_normal((400, 60))).astype(float)
    w = z + rng.choice([0, 0.5, -0.25, 1], z.shape)
    p, q = (np.exp((a - a.max(axis=1, keepdims=True)) / 0.3) for a in (z, w))
    p, q = (a / a.sum(axis=1, keepdims=True) for a in (p, q))
    found = cut(p, q, k, drafts, sort=sort)
    assert (found.alpha <= 1 + found.error).all()
    accepted = acceptance(by_name("border" if drafts == "iid" else "border_wor", k), p, q).value
    assert found.alpha == pytest.approx(accepted, abs=1e-11)


@pytest.mark.parametrize("sort", [False, True])
def test_a_bad_row_is_named(sort: bool) -> None:
    p, q = random_distributions(600, 2, rows=3)
    p[1, 17] = np.nan
    with pytest.raises(InvalidDistribution, match=r"p\[17\] = nan .*index \[1, 17\]"):
        cut(p, q, sort=sort)
    with pytest.raises(InvalidDistribution, match=r"q sums to .* \(row 2\)"):
        cut(q, np.concatenate([q[:2], q[2:] * 2]), sort=sort)
    with pytest.raises(InvalidDistribution, match="is not a probability"):
        cut(q, q * -1, sort=sort)
    with pytest.raises(SpecHubError, match="shape"):
        cut(q, q[:, :-1], sort=sort)


@settings(deadline=None, max_examples=60)
@given(pqk=strategies.instances(max_tokens=5, drafts=(1, 2, 3, 4)))
def test_different_drafters_reach_the_certified_optimum(pqk: tuple[Distribution, Distribution, int]) -> None:
    p, q, k = pqk
    rows = drafters(q, k)
    alpha = optimum(p, rows, k, "product").alpha
    exactly = optimal_tokens(rational_row(p)[0], rational_row(rows)[0])
    inside = [y for y, held in enumerate(exactly) if held]
    assert alpha == 1 + sum(p[y] for y in inside) - prod(sum(row[y] for y in inside) for row in rows)
    target, drafts = np.asarray([*map(float, p)]), np.asarray([[*map(float, row)] for row in rows])
    for a, b in ((target, drafts), (target, drafts[None]), (torch.asarray(target), torch.asarray(drafts))):
        found = cut(a, b, k, "product")
        assert abs(float(found.alpha[0]) - float(alpha)) <= float(found.error[0]) < 1e-11


@pytest.mark.parametrize("tokens", [24, 3000])
@pytest.mark.parametrize("k", [2, 3])
def test_equal_drafters_are_one(tokens: int, k: int) -> None:
    """Also where many tokens tie, so that no half of a box ever decides them."""
    p, q = random_distributions(tokens, 3, rows=2)
    for target, draft in ((p, q), (q, q), (np.full_like(q, 1 / tokens), q)):
        one, several = cut(target, draft, k), cut(target, np.stack([draft] * k, axis=1), k, "product")
        assert np.abs(one.alpha - several.alpha).max() <= (one.error + several.error).max()


def test_different_drafters_need_a_row_each() -> None:
    p, q = random_distributions(10, 0, rows=3)
    with pytest.raises(SpecHubError, match="3 distributions"):
        cut(p[:1], q, 2, "product")
    with pytest.raises(SpecHubError, match=r"q has shape \(1, 3, 10\)"):
        cut(p[:1], q[None], 3, "iid")


@pytest.mark.slow
def test_memory_at_full_vocabulary() -> None:
    """One row of 151,936 tokens stays below 50 MB beside its inputs, whichever way it goes."""
    p, q = random_distributions(151_936, 0)
    for drafts in POLICIES:
        for sort in (False, True):
            cut(p, q, 2, drafts, sort=sort)
            tracemalloc.start()
            cut(p, q, 2, drafts, sort=sort)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 50e6, (drafts, sort)


def test_candidates_are_few() -> None:
    """The buckets are worth it: the scan is right with them, and wrong when the last of them is dropped."""
    p, q = random_distributions(3000, 4)
    H = np.zeros(3000, dtype=bool)
    covered, inside, *_ = bucket_scan.prefix_by_buckets(p[0], q[0], 2, True, H)
    assert 1 + covered - inside == pytest.approx(cut(p, q, 2, sort=True).alpha[0], abs=1e-13)
    assert 0 < H.sum() < 3000


@pytest.mark.parametrize("drafts", ["without_replacement", "greedy", "top_k"])
@pytest.mark.parametrize("v", [1, 3, 60])
def test_more_drafts_than_tokens_take_no_longer(drafts: str, v: int) -> None:
    p, q = (np.arange(1.0, v + 1)[:: 1 - 2 * n] / (v * (v + 1) / 2) for n in (0, 1))
    many, enough = (cut(p, q, k, drafts) for k in (10**9, v + 1))
    assert many.alpha.tolist() == enough.alpha.tolist() == pytest.approx([1.0])
    assert many.H.tolist() == enough.H.tolist()


class Operations(TorchDispatchMode):
    """The names of what is worked out; a view and the number that `where` is given are no work for a device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.names: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not function.is_view and "scalar_tensor" not in str(function):
            self.names.append(str(function))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(("drafts", "most"), [("iid", 70), ("without_replacement", 125)])
def test_a_device_is_asked_for_few_operations_and_for_no_look_at_ids(drafts: str, most: int) -> None:
    p, q = torch.softmax(torch.randn(2, 4, 1500, generator=torch.Generator().manual_seed(1)), -1)
    with Operations() as asked:
        cut(p, q, 2, drafts, sort=True, check=False)
    assert len(asked.names) <= most
    assert not any("remainder" in name for name in asked.names)
    assert sum("sort" in name for name in asked.names) == 1


@pytest.mark.parametrize("drafts", ["iid", "without_replacement", "top_k", "greedy", "hub", "product"])
def test_more_drafts_than_floats_count_are_told(drafts: str) -> None:
    with pytest.raises(SpecHubError, match=r"k = 1.* drafts are too many for floats; cut takes 2\^63 - 1"):
        cut(np.asarray([0.5, 0.5]), np.asarray([0.25, 0.75]), k=10**400, drafts=drafts)
