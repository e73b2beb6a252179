"""Border is lossless and reaches the certified optimum, as equalities; in floats its bias is rounding, nothing more."""

import re
import subprocess
import sys
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from every import closed_form
from hypothesis import given, settings
from places import ROOT
from rows_of_all_kinds import random_distributions

from spechub_lp import cut, exact, optimum, reference, samplers
from spechub_lp._array.rational import rational_row
from spechub_lp.drafts import IID, DraftPolicy, WithoutReplacement
from spechub_lp.drafts._best_draft import best_draft_error, falling
from spechub_lp.drafts.adaptive import Adaptive
from spechub_lp.drafts.tempered import Tempered
from spechub_lp.instance import enumerate_drafts
from spechub_lp.samplers.base import Sampler
from spechub_lp.samplers.border.adaptive import BorderAdaptive
from spechub_lp.samplers.border.bucketed import BorderBucketed
from spechub_lp.samplers.border.iid import Border
from spechub_lp.samplers.border.merge_tree import best_density, merge
from spechub_lp.samplers.border.preparation import RangeMaximum
from spechub_lp.samplers.border.selection import walk
from spechub_lp.samplers.border.tempered import BorderTempered
from spechub_lp.samplers.border.without_replacement import BorderWor
from spechub_lp.testing import strategies
from spechub_lp.typing import Distribution

EPS = {torch.float64: 2.0**-53, torch.float32: 2.0**-24}


def drawn(q: np.ndarray, k: int, n: int, seed: int) -> np.ndarray:
    """n tuples [n, k] of drafts without replacement."""
    rng = np.random.default_rng(seed)
    return np.argsort(rng.exponential(size=(n, len(q))) / q, axis=1)[:, :k].copy()


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(pqk=strategies.instances(max_tokens=5, drafts=(1, 2, 3, 4)))
@pytest.mark.parametrize("rule", [Border, BorderWor])
def test_lossless_and_optimal(rule: type[Sampler], pqk: tuple[Distribution, Distribution, int]) -> None:
    p, q, k = pqk
    sampler = rule(k=k)
    distribution, best = exact(sampler, p, q), optimum(p, q, k, sampler.drafts)
    assert distribution.is_lossless
    assert distribution.acceptance == best.alpha == distribution.membership
    assert closed_form(sampler, rational_row(p), rational_row(q))[0] == best.alpha


@settings(deadline=None, max_examples=60)
@given(pq=strategies.pairs(max_tokens=4))
@pytest.mark.parametrize(
    "sampler",
    [
        Border(k=3),
        BorderWor(),
        BorderWor(k=3),
        BorderAdaptive(),
        BorderAdaptive(k=3, drafts=Adaptive(Fraction(1, 3))),
        BorderTempered(),
        BorderTempered(k=3, drafts=Tempered(3)),
    ],
    ids=lambda s: f"{s.name}-{s.k}",
)
def test_optimal_for_its_drafts(sampler: Sampler, pq: tuple[Distribution, Distribution]) -> None:
    distribution = exact(sampler, *pq)
    assert distribution.is_lossless
    assert distribution.acceptance == optimum(*pq, sampler.k, sampler.drafts).alpha


@settings(deadline=None, max_examples=40)
@given(pqk=strategies.instances(max_tokens=5, drafts=(2, 3)))
def test_bucketed_is_lossless_and_below_the_optimum(pqk: tuple[Distribution, Distribution, int]) -> None:
    p, q, k = pqk
    for levels, octaves in ((3, 1), (128, 8)):
        distribution = exact(BorderBucketed(k=k, levels=levels, octaves=octaves), p, q)
        assert distribution.is_lossless
        assert distribution.acceptance <= optimum(p, q, k).alpha


@pytest.mark.parametrize(("rule", "k"), [(Border, 2), (Border, 3), (BorderWor, 2), (BorderWor, 3)])
def test_the_chosen_distribution_is_b(rule: type[Border], k: int) -> None:
    """The distribution that the drafts are verified against is the distribution of the choice, token by token."""
    p, q = (rational_row([Fraction(w, 20) for w in row]) for row in ((1, 5, 2, 8, 4), (6, 2, 9, 2, 1)))
    sampler = rule(k=k)
    prepared = sampler.prepare(p, q)
    x, mass = enumerate_drafts(sampler.drafts, q, k)
    distribution = p[0] * 0
    np.add.at(distribution, x, mass[:, None] * sampler.choose(prepared, x))
    assert distribution.tolist() == prepared.distribution[0].tolist()


@pytest.mark.parametrize("rule", [Border, BorderWor, BorderTempered])
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("v", [2, 8])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_bias_is_rounding(rule: type[Sampler], k: int, v: int, dtype: torch.dtype) -> None:
    for seed in range(3):
        p, q = (torch.asarray(a, dtype=dtype) for a in random_distributions(v, seed))
        p, q = p / p.sum(), q / q.sum()
        distribution = reference(rule(k=k), p[0], q[0])
        assert distribution.distance <= 64 * EPS[dtype]
        assert distribution.acceptance == pytest.approx(float(closed_form(rule(k=k), p, q)[0]), abs=64 * EPS[dtype])


@pytest.mark.parametrize(("rule", "allowed"), [(Border, 1e-7), (BorderWor, 2e-3)])
@pytest.mark.parametrize("k", [2, 3])
def test_bfloat16(rule: type[Sampler], allowed: float, k: int) -> None:
    """p that sums to 1 in bfloat16 comes out up to float32 rounding from iid drafts. Drafts without replacement are
    drawn from distributions that bfloat16 rounds anew after each draft, by up to 2^-9 each; that much shows, and no
    more."""
    p = torch.asarray([9, 1, 3, 2, 1], dtype=torch.bfloat16) / 16
    q = torch.asarray([2, 6, 1, 5, 2], dtype=torch.bfloat16) / 16
    assert reference(rule(k=k), p, q).distance <= allowed


@pytest.mark.parametrize("name", ["border", "border_wor"])
@pytest.mark.parametrize("k", [2, 3])
def test_numpy_and_torch_choose_alike(name: str, k: int) -> None:
    p, q = random_distributions(300, 5, rows=2)
    x = np.concatenate([drawn(row, k, 1, 1) for row in q])
    sampler = samplers.by_name(name, k)
    ours = sampler.verify(p, q, x)
    theirs = sampler.verify(torch.asarray(p), torch.asarray(q), torch.asarray(x))
    assert np.abs(ours.accept - np.asarray(theirs.accept)).max() < 1e-14
    assert np.abs(ours.residual - np.asarray(theirs.residual)).max() < 1e-14


def test_degenerate_floats_pass_without_warnings() -> None:
    tiny = 5e-324
    distributions = [
        [1.0, 0.0, 0.0],
        [0.0, 1.0, 0.0],
        [0.5, 0.5, 0.0],
        [1.0, tiny, tiny],
        [1 - 2e-300, 1e-300, 1e-300],
        [tiny, 1.0, 1e-200],
    ]
    for p, q, k in product(distributions, distributions, (1, 2, 3)):
        for rule in (Border, BorderWor, BorderBucketed):
            distribution = reference(rule(k=k), np.asarray(p), np.asarray(q))
            assert distribution.distance < 1e-15
            assert (distribution.accept >= 0).all()
            assert (distribution.residual >= 0).all()


@pytest.mark.parametrize("seed", [5349, 19388])
def test_tails_whose_ratios_differ_by_rounding_alone(seed: int) -> None:
    """Logits of float16 at T = .3: merged blocks came out equal, the better one an ulp below, and were divided by 0."""
    rng = np.random.default_rng(seed)
    z = np.float16(4 * rng.standard_normal(400)).astype(float)
    w = z + rng.choice([0, 0.5, -0.25, 1], 400)
    p, q = (np.exp((a - a.max()) / 0.3) for a in (z, w))
    p, q = p / p.sum(), q / q.sum()
    order, n = falling(p, q)
    p, q = p[order[:n]], q[order[:n]]
    f = WithoutReplacement().best_draft(q, 2)
    distribution = merge(q, f, best_density(p, q, f)).density * q
    assert np.minimum(p, distribution).sum() == pytest.approx(cut(p, q, 2, "without_replacement").alpha[0], abs=1e-12)


@settings(deadline=None, max_examples=60)
@given(q=strategies.distributions(max_tokens=6))
@pytest.mark.parametrize("policy", [IID(), WithoutReplacement()], ids=lambda p: p.name)
def test_best_draft_in_floats(policy: DraftPolicy, q: Distribution) -> None:
    """Its stated error: every entry and every running sum, over its own size."""
    support = np.asarray([w for w in rational_row(q)[0] if w > 0])
    for k in (1, 2, 3, 4):
        right, floats = policy.best_draft(support, k), policy.best_draft(support.astype(float), k)
        assert right.sum() == 1
        raced = k > 2 and isinstance(policy, WithoutReplacement)
        allowed = best_draft_error(support.astype(float), k) if raced else 1e-14
        for ours, exactly in ((floats, right), (np.cumsum(floats), np.cumsum(right))):
            theirs = np.asarray(exactly, dtype=float)
            assert (np.abs(ours - theirs) <= allowed * theirs + 1e-300).all()


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 3, 4])
def test_full_vocabulary_without_replacement(k: int) -> None:
    """At V = 3,000 the choice is a distribution, the acceptance is the cut, and the distribution of the best draft sums
    to 1."""
    from spechub_lp.optimum.full_vocabulary import cut

    p, q = random_distributions(3000, 7)
    sampler = BorderWor(k=k)
    prepared = sampler.prepare(p, q)
    choose = sampler.choose(prepared, drawn(q[0], k, 20, 3))
    assert (choose >= 0).all()
    assert np.abs(choose.sum(axis=1) - 1).max() < 1e-12
    assert prepared.acceptance[0] == pytest.approx(cut(p, q, k, "without_replacement").alpha[0], abs=1e-11)
    assert prepared.distribution.sum() == pytest.approx(1, abs=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [Border, BorderWor])
def test_frequency_of_the_chosen_token(rule: type[Border]) -> None:
    """At V = 500, where tuples cannot be enumerated, the mean choice over 40,000 drawn pairs is b, in 10 groups of
    tokens: each within 6 standard errors (false alarm below 1e-7)."""
    p, q = random_distributions(500, 11)
    sampler, n = rule(k=2), 40_000
    rng = np.random.default_rng(2)
    x = drawn(q[0], 2, n, 4) if rule is BorderWor else rng.choice(500, size=(n, 2), p=q[0])
    prepared = sampler.prepare(p, q)
    choose = sampler.choose(prepared, x)
    group = np.arange(500) % 10
    share = np.stack([(choose * (group[x] == g)).sum(axis=1) for g in range(10)])
    want = np.bincount(group, weights=prepared.distribution[0], minlength=10)
    assert (np.abs(share.mean(axis=1) - want) <= 6 * share.std(axis=1) / n**0.5).all()


def test_tempered_distribution() -> None:
    q = rational_row(["1/2", "1/3", "1/6", "0"])
    assert Tempered(2).temper(q)[0].tolist() == [Fraction(9, 14), Fraction(4, 14), Fraction(1, 14), 0]
    faint = np.asarray([[1e-300, 3e-300, 0.0]])
    assert Tempered(2).temper(faint)[0] == pytest.approx([0.1, 0.9, 0.0])


def test_the_example_of_the_theory() -> None:
    """The fractions and the code of theory/border/README.md, section 8."""
    p, q = (rational_row(distribution) for distribution in (("3/5", "3/10", "1/10"), ("1/5", "3/10", "1/2")))
    iid, wor = Border().prepare(p, q), BorderWor().prepare(p, q)
    assert iid.distribution[0].tolist() == [Fraction(9, 25), Fraction(3, 10), Fraction(17, 50)]
    assert wor.distribution[0].tolist() == [Fraction(17, 35), Fraction(3, 10), Fraction(3, 14)]
    assert iid.merge_level.a[0].tolist() == [1, 1, Fraction(2, 5)]
    assert wor.merge_level.a[0].tolist() == [1, 1, Fraction(1, 3)]
    pairs = np.asarray([[1, 2], [2, 1]])
    assert BorderWor().choose(wor, pairs)[:, 0].tolist() == [Fraction(7, 12), Fraction(5, 12)]
    by_hand = 1 / Fraction(3) + Fraction(2, 3) * Fraction(9, 10)
    assert walk(wor, pairs).tolist() == [[by_hand, 1 - by_hand], [Fraction(2, 3), Fraction(1, 3)]]
    text = (ROOT / "theory" / "border" / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, {})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["border", "border_wor"])
def test_memory_at_full_vocabulary(name: str) -> None:
    """Preparing one row of 151,936 tokens takes less than 50 MB beside its inputs (peak of the process, second row)."""
    code = """if True:
        import resource, sys
        import numpy as np
        from spechub_lp import samplers
        rng = np.random.default_rng(0)
        q = np.exp(2 * rng.normal(size=(1, 151_936)))
        p = q * np.exp(rng.normal(size=q.shape))
        p, q = p / p.sum(), q / q.sum()
        sampler = samplers.by_name(sys.argv[1], 2)
        sampler.prepare(p[:, :1000] / p[:, :1000].sum(), q[:, :1000] / q[:, :1000].sum())  # loads what was compiled
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sampler.prepare(p, q)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000)
    """
    taken = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True, check=True)
    assert float(taken.stdout) < 50


def test_highest_of_a_range() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 5, 33, 64, 97, 1000):
        a = rng.random((1, size))
        ends = np.sort(rng.integers(0, size, size=(500, 2)), axis=1)
        i, j = ends[ends[:, 0] < ends[:, 1]].T
        if len(i):
            assert RangeMaximum(a)(i, j).tolist() == [a[0, s + 1 : e + 1].max() for s, e in zip(i, j, strict=True)]


@pytest.mark.parametrize(
    ("old", "new"),
    [("keep", "accept"), ("rest", "residual"), ("served", "acceptance"), ("death", "merge_level"), ("ahead", "odds")],
)
def test_fields_of_the_first_release_have_their_old_names_too(old: str, new: str) -> None:
    prepared = Border().prepare(*random_distributions(4, 0))
    with pytest.warns(DeprecationWarning, match=f"{old} is called {new} now"):
        assert getattr(prepared, old) is getattr(prepared, new)
