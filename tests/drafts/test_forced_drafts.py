"""Drafts without replacement, any number of them, from any float row: subnormal tokens count where they are forced.

The stated errors are held against rationals on rows of every kind, and against closed forms at large vocabularies."""

from fractions import Fraction
from functools import partial
from itertools import product
from math import comb

import numpy as np
import pytest
from every import closed_form
from rows_of_all_kinds import rows

from spechub_lp import cut, distributions, reference
from spechub_lp._array.rational import rational_row
from spechub_lp._util.recent import Recent, size
from spechub_lp.drafts import WithoutReplacement
from spechub_lp.drafts._best_draft import QUADRATURE, best_draft_error, falling, per_octave, scaled
from spechub_lp.errors import SpecHubError
from spechub_lp.optimum.subsets import over_prefixes
from spechub_lp.samplers.border.selection import Row
from spechub_lp.samplers.border.without_replacement import BorderWor

WOR = WithoutReplacement()


def pairs(seed: int, most: int = 6) -> list[tuple[np.ndarray, np.ndarray, int]]:
    """(p, q, k): each kind of row as q, beside some kind as p."""
    rng = np.random.default_rng(seed)
    tokens = int(rng.integers(2, most + 1))
    targets = list(rows(rng, tokens))
    return [(targets[rng.integers(len(targets))], q, int(rng.integers(3, 6))) for q in rows(rng, tokens)]


def best(p: np.ndarray, q: np.ndarray, k: int) -> float:
    target, draft = (rational_row(distribution) for distribution in distributions.pair(p, q))
    return float(over_prefixes(target[0], draft, WOR, k)[0])


@pytest.mark.parametrize("seed", range(4))
def test_the_cut_keeps_its_stated_error_on_every_kind_of_row(seed: int) -> None:
    for p, q, k in pairs(seed):
        found = cut(p, q, k, "without_replacement")
        assert abs(found.alpha[0] - best(p, q, k)) <= found.error[0] < 2e-12, (p, q, k)


@pytest.mark.parametrize("seed", range(3))
def test_the_closed_form_of_every_set_in_floats(seed: int) -> None:
    rng = np.random.default_rng(seed)
    H = np.array(list(product([False, True], repeat=4)))
    for q in rows(rng, 4):
        exact = rational_row(distributions.parse(q))
        for k in (2, 3, 4):
            right = np.asarray(WOR.prob_all_in(exact, H, k), dtype=float)
            assert WOR.prob_all_in(np.repeat((q / q.sum())[None], 16, axis=0), H, k) == pytest.approx(
                right, abs=1e-6
            ), (
                q,
                k,
            )
            if abs(q.sum() - 1) < 1e-12:
                assert WOR.prob_all_in(np.repeat(q[None], 16, axis=0), H, k) == pytest.approx(right, abs=1e-13), (q, k)


@pytest.mark.parametrize("seed", range(4))
def test_border_is_optimal_and_unbiased_on_every_kind_of_row(seed: int) -> None:
    for p, q, k in pairs(seed, most=4):
        p, k = p / p.sum(), min(k, 4)
        sampler, optimum = BorderWor(k=k), best(p, q, k)
        assert closed_form(sampler, p[None], q[None])[0] == pytest.approx(optimum, abs=1e-12), (p, q, k)
        distribution = reference(sampler, p, q)
        assert distribution.distance < 1e-12, (p, q, k)
        assert distribution.acceptance == pytest.approx(optimum, abs=1e-12), (p, q, k)


@pytest.mark.parametrize(("tokens", "k"), [(60, 3), (60, 24), (60, 59), (2000, 3), (2000, 8), (2000, 48), (400, 100)])
def test_many_drafts_of_an_even_distribution(tokens: int, k: int) -> None:
    """Every running sum is C(h, k) / C(V, k), to the stated error of its own size."""
    q = np.full(tokens, 1 / tokens)
    missed, bound = np.cumsum(WOR.best_draft(q, k)[::-1]), best_draft_error(q, k)
    assert bound < 2e-12
    for h in range(k, tokens + 1, max(1, tokens // 50)):
        right = Fraction(comb(h, k), comb(tokens, k))
        if right > 1e-290:
            assert abs(Fraction(missed[h - 1]) - right) <= bound * right


@pytest.mark.parametrize("k", [8, 24, 48])
def test_many_drafts_are_not_said_to_accept_less_than_they_do(k: int) -> None:
    q, p = np.full(1000, 1 / 1000), np.arange(1, 1001) / 500_500
    found = cut(p, q, k, "without_replacement")
    assert abs(found.alpha[0] - 1) <= found.error[0] < 1e-11  # p(H) >= Q(H) for every prefix
    assert closed_form(BorderWor(k=k), p[None], q[None])[0] == pytest.approx(1, abs=1e-12)


def test_forced_drafts_behind_heavy_tokens_at_a_large_vocabulary() -> None:
    """Two tokens hold all that float64 can see; the third draft is even among 3,000 subnormal ones."""
    q = np.full(3002, 1e-310)
    q[:2] = 0.5
    p = np.concatenate(([0, 0], np.arange(3000)))
    p, n = p / p.sum(), 3000
    right = 1 - sum(max(m - 1 / n, 0) for m in p[2:])
    found = cut(p, q, 3, "without_replacement")
    assert abs(found.alpha[0] - right) <= found.error[0] < 1e-11
    assert closed_form(BorderWor(k=3), p[None], q[None])[0] == pytest.approx(right, abs=1e-12)


@pytest.mark.parametrize("k", range(3, 200, 7))
def test_the_nodes_are_as_many_as_the_bound_asks_for(k: int) -> None:
    step, angles = np.log(2) / per_octave(k), np.linspace(1e-3, np.pi / 2 - 1e-3, 20_000)
    bounds = np.log(2) - k * np.log(np.cos(angles)) - np.log(np.expm1(2 * np.pi * angles / step))
    assert bounds.min() <= np.log(QUADRATURE)


def test_more_drafts_than_can_be_bounded_are_rejected() -> None:
    with pytest.raises(SpecHubError, match="k = 100000000 drafts without replacement are too many"):
        per_octave(10**8)


@pytest.mark.parametrize("seed", range(3))
def test_scaling_rounds_nothing_and_can_be_done_again(seed: int) -> None:
    for q in rows(np.random.default_rng(seed), 5):
        again = scaled(scaled(q))
        assert again.tolist() == scaled(q).tolist()
        ratios = {Fraction(m) / Fraction(n) for m, n in zip(again, q, strict=True) if n}
        assert len(ratios) == 1
        _, n = falling(q, q)
        assert n == np.count_nonzero(q)


def test_what_a_row_keeps_of_its_pools_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws of a row with three drafts kept an array of V numbers for each."""
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(1000), 2)
    tree = BorderWor(k=3).prepare(p[None], q[None]).trees[0]
    free = Row(tree)
    monkeypatch.setattr("spechub_lp.samplers.border.selection.MEMORY", 40_000)
    bounded = Row(tree)
    for drafts in rng.integers(0, 1000, (60, 3)).tolist():
        assert bounded.choose(drafts).tolist() == free.choose(drafts).tolist()
        assert bounded.known.bytes == size(tuple(bounded.known.kept.values())) <= 40_000
    assert len(free.known.kept) > 60


def test_what_is_recent() -> None:
    made = []

    def make(n: int) -> tuple[np.ndarray, np.ndarray]:
        made.append(n)
        return np.full(5, n), np.full(5, n)

    recent = Recent(budget=160)
    for n in (1, 2, 1, 3, 1, 2):
        assert recent(n, partial(make, n))[1][0] == n
        assert recent.bytes <= 160
    assert made == [1, 2, 3, 2]
    few = Recent(budget=1, fewest=2)
    for n in range(5):
        few(n, partial(make, n))
    assert list(few.kept) == [3, 4]
