"""The race of three and more drafts without replacement, with light tokens known by sums of their powers alone."""

import weakref
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
import torch

from spechub_lp.drafts import WithoutReplacement
from spechub_lp.kernels import border, race
from spechub_lp.kernels.classes import sums_behind
from spechub_lp.kernels.hand_over import hand_over
from spechub_lp.kernels.node import verify
from spechub_lp.kernels.race import Heavy, Race
from spechub_lp.samplers.border import preparation
from spechub_lp.samplers.border.selection import Row
from spechub_lp.sampling import draw_drafts

SPREADS = [(0.01, 900), (0.3, 60), (1.0, 600), (100.0, 70), (1e6, 99), (1e6, 120)]


def race_of(q: torch.Tensor, most: int) -> Race:
    """Rows whose tokens are places in their own order."""
    heavy = Heavy.of(q, most)
    return Race.of(heavy, heavy.token, sums_behind(heavy.powers(q)), q.sum(dim=1, keepdim=True), most)


def rows(spread: float, tokens: int, batch: int = 3) -> torch.Tensor:
    """q [B, tokens], from a few tokens that hold nearly all to all alike."""
    q = torch.from_numpy(np.random.default_rng(1).dirichlet([spread] * tokens, batch)).clamp_min(1e-300)
    return q / q.sum(dim=1, keepdim=True)


@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize("k", [3, 4, 5])
@pytest.mark.parametrize(("spread", "tokens"), SPREADS)
def test_all_drafts_are_behind_a_boundary_as_often_as_the_policy_says(
    spread: float, tokens: int, k: int, loops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    q = rows(spread, tokens)
    monkeypatch.setattr(race, "has_numba", lambda: loops)
    found = race_of(q, k).missed(k).numpy()
    for row, missed in zip(q.numpy(), found, strict=True):
        best = np.asarray(WithoutReplacement().best_draft(row, k))
        exact = np.concatenate([best[::-1].cumsum()[::-1], [0.0]])
        assert missed == pytest.approx(exact, abs=2e-10, rel=0)


@pytest.mark.parametrize("most", [3, 6])
def test_loops_prepare_the_race_that_operations_prepare(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    few = torch.tensor([[0.7, 0.3 - 1e-8, 9e-9, 1e-9, 0.0, 0.0], [1 / 6] * 6], dtype=torch.float64)
    for q in (few, *(rows(spread, tokens) for spread, tokens in SPREADS)):
        made = []
        for loops in (True, False):
            monkeypatch.setattr(race, "has_numba", lambda loops=loops: loops)
            made.append(race_of(q, most))
        for name in ("unit", "slow", "paired"):
            of_loops, of_operations = (getattr(each, name).double() for each in made)
            assert torch.allclose(of_loops, of_operations, rtol=1e-12, atol=0), name
        for name in ("share", "token", "place"):
            of_loops, of_operations = (getattr(each, name)[each.share > 0].double() for each in made)
            assert torch.allclose(of_loops, of_operations, rtol=1e-15, atol=0), name


FEW = [
    [0.3, 0.0, 0.25, 0.2, 0.15, 0.1 - 2.0**-8, 2.0**-8],
    [2.0**-30, 0.5, 2.0**-26, 2.0**-24, 0.25, 0.25 - 2.0**-24 - 2.0**-26 - 2.0**-30, 0.0],
    [2.0**-9, 0.125, 2.0**-10, 0.875 - 2.0**-8 - 2.0**-9 - 2.0**-10, 2.0**-11, 2.0**-11, 2.0**-9 + 2.0**-10],
    [0.25, 0.25, 0.125, 0.125, 0.125, 0.0625, 0.0625],
]


@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize("most", [3, 4])
@pytest.mark.parametrize("q", FEW, ids=["spread", "three_hubs", "hub", "ties"])
def test_up_to_four_drafts_are_behind_a_boundary_as_often_as_counted(
    q: list[float], most: int, loops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(race, "has_numba", lambda: loops)
    exact = [Fraction(x) for x in q]
    assert sum(exact) == 1
    rows = torch.tensor([q, q[::-1]] * most, dtype=torch.float64)
    drafts = torch.arange(2 * most)[:, None] // 2 + 1
    found = race_of(rows, most).missed(drafts)
    for row, k, missed in zip(rows.tolist(), drafts[:, 0].tolist(), found.tolist(), strict=True):
        counted = [Fraction(0)] * (len(row) + 1)
        for order in permutations([i for i, x in enumerate(row) if x], k):
            chance, left = Fraction(1), Fraction(1)
            for i in order:
                chance, left = chance * Fraction(row[i]) / left, left - Fraction(row[i])
            for boundary in range(min(order) + 1):
                counted[boundary] += chance
        assert missed == pytest.approx([float(x) for x in counted], abs=1e-12, rel=0)


@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize("left", [1e-3, 1e-4, 1e-6])
@pytest.mark.parametrize("at", [0, 40])
@pytest.mark.parametrize("k", [3, 4, 5])
def test_beside_a_hub_all_drafts_are_behind_a_boundary_as_often_as_the_policy_says(
    k: int, at: int, left: float, loops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub rings long before the race is over, and what it makes of the others must not overflow."""
    monkeypatch.setattr(race, "has_numba", lambda: loops)
    q = rows(1.0, 80, batch=1) * left
    q[0, at] = 1 - (q.sum() - q[0, at])
    best = np.asarray(WithoutReplacement().best_draft(q[0].numpy(), k))
    exact = np.concatenate([best[::-1].cumsum()[::-1], [0.0]])
    assert race_of(q, k).missed(k)[0].numpy() == pytest.approx(exact, abs=2e-10, rel=0)


def test_rows_with_fewer_drafts_than_the_batch_allows() -> None:
    q = rows(1.0, 100)
    mixed = race_of(q, 5).missed(torch.tensor([[3], [5], [4]]))
    for b, k in enumerate((3, 5, 4)):
        assert mixed[b].numpy() == pytest.approx(race_of(q, k).missed(k)[b].numpy(), abs=2e-10, rel=0)


@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize(("spread", "tokens"), [(0.3, 60), (0.3, 300), (5.0, 300)])
def test_the_walk_hands_over_as_the_exact_sampler_does(
    spread: float, tokens: int, loops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drafts in one block of the exact sampler's tree, heavy and light, at that block's level."""
    monkeypatch.setattr(race, "has_numba", lambda: loops)
    rng, k, compared = np.random.default_rng(2), 4, 0
    for q in rows(spread, tokens):
        p = torch.from_numpy(rng.dirichlet([spread] * tokens))
        exact = preparation.prepare(WithoutReplacement(), p.numpy()[None], q.numpy()[None], k)
        row, tree = Row(exact.trees[0]), exact.trees[0]
        prepared = border.prepare(p[None], q[None], k, replaced=False, sort=True)
        order = torch.argsort(torch.from_numpy(np.asarray(exact.rank))[0])
        for node in rng.choice(np.flatnonzero(tree.end - tree.first >= k), 6):
            first, end = int(tree.first[node]), int(tree.end[node])
            ranks = rng.choice(np.arange(first, end), k, replace=False, p=None)
            heavy = int(np.argmax(tree.q[first:end])) + first
            ranks = np.where(np.arange(k) == 1, heavy, ranks) if heavy not in ranks else ranks
            gone: frozenset[int] = frozenset()
            left, walked = 1.0, []
            for j, y in enumerate(ranks[:-1].tolist()):
                theta = float(row.theta(y, gone, k - 1 - j, np.asarray([first]), np.asarray([end]))[0])
                walked.append(left * (1 - theta))
                left, gone = left * theta, gone | {y}
            x, edges = order[ranks][None], (torch.tensor([first]), torch.tensor([end]))
            drafted = prepared.tokens(torch.cat([x, prepared.heaviest(*edges)], dim=1))
            assert prepared.race is not None
            found = hand_over(prepared.race, drafted, k, *edges, k)
            assert found[0].numpy() == pytest.approx([*walked, left], abs=1e-7)
            compared += walked[0] < 1 - 1e-4
    assert compared


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize(("spread", "tokens"), [(0.05, 200), (1.0, 60), (1.0, 200)])
def test_loops_choose_as_whole_row_operations_do(
    spread: float, tokens: int, sort: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, k, batch = np.random.default_rng(3), 4, 50
    q, p = rows(spread, tokens, batch), torch.from_numpy(rng.dirichlet([spread] * tokens, batch))
    x = torch.as_tensor(draw_drafts(WithoutReplacement(), q, torch.from_numpy(rng.random((batch, k)))))
    x[::3, 1] = x[::3, 0]  # as where there are fewer tokens than drafts
    level, count = torch.from_numpy(rng.random(batch)), torch.from_numpy(rng.integers(1, k + 1, (batch, 1)))
    prepared, found = border.prepare(p, q, k, replaced=False, sort=sort), []
    for loops in (True, False):
        monkeypatch.setattr(race, "has_numba", lambda loops=loops: loops)
        found += [border.choose(prepared, x, level, replaced=False, count=n) for n in (k, count)]
    for ours, whole in zip(found[:2], found[2:], strict=True):
        assert ours.numpy() == pytest.approx(whole.numpy(), abs=1e-7, rel=0)
        assert ours.sum(dim=1).numpy() == pytest.approx(1, abs=1e-12)
    assert int(((found[0] > 1e-3) & (found[0] < 1 - 1e-3)).any(dim=1).sum()) > 1


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize(("spread", "tokens"), [(0.3, 60), (0.3, 300), (5.0, 300)])
def test_the_heaviest_tokens_of_a_block_are_those_of_the_whole_row(spread: float, tokens: int, sort: bool) -> None:
    rng, k = np.random.default_rng(4), 4
    q, p = rows(spread, tokens, 40), torch.from_numpy(rng.dirichlet([spread] * tokens, 40))
    prepared = border.prepare(p, q, k, replaced=False, sort=sort)
    assert prepared.race is not None
    places = prepared.race.behind.shape[1] - 1
    first = torch.from_numpy(rng.integers(0, places, 40))
    end = torch.minimum(first + torch.from_numpy(rng.choice([0, 1, 2, 5, 50, places], 40)), torch.tensor(places))
    found = prepared.heaviest(first, end)
    place = prepared.place(torch.arange(tokens).expand(40, -1))
    for b in range(40):
        inside = (place[b] >= first[b]) & (place[b] < end[b])
        assert not inside.any() or (inside[found[b]] and q[b, found[b]] == q[b, inside].max())


def test_a_batch_is_not_kept_when_it_is_verified() -> None:
    race = race_of(rows(1.0, 60), 3)
    kept = [weakref.ref(a) for a in (race.behind, race.unit, race.missed(3))]
    del race
    assert not any(a() is not None for a in kept)


HUB = [1 - 1e-9, *([1e-9 / 99] * 99)]
DEGENERATE = [
    ([1.0], [1.0]),
    ([0.5, 0.5], [1.0, 0.0]),
    ([1.0, 0.0], [0.0, 1.0]),
    ([0.3, 0.3, 0.4], [0.3, 0.3, 0.4]),
    ([0.0, 0.0, 1.0], [0.5, 0.5, 0.0]),
    ([1e-300, 1 - 1e-9, 1e-9], [1 - 1e-9, 1e-9, 1e-300]),
    ([0.01] * 100, [0.01] * 100),
    ([0.01] * 100, [1.0, *([0.0] * 99)]),
    ([*([0.0] * 99), 1.0], [0.01] * 100),
    ([0.01] * 100, HUB),
]
"""One token, fewer tokens than drafts, disjoint supports, p = q, one-hots, ties, a hub that leaves next to nothing."""


@pytest.mark.parametrize("loops", [True, False])
@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize("k", [3, 4])
@pytest.mark.parametrize(("p", "q"), DEGENERATE, ids=range(len(DEGENERATE)))
def test_degenerate_rows_give_tokens_of_the_target(
    p: list[float], q: list[float], k: int, sort: bool, loops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(race, "has_numba", lambda: loops)
    can = [token for token, mass in enumerate(q) if mass > 0]
    x = torch.tensor([[*can, *can[:1] * k][:k]])
    target, draft = (torch.tensor([row], dtype=torch.float64) for row in (p, q))
    for u in ((0.0, 0.0, 0.0), (0.5, 0.3, 0.7), (1.0, 1.0, 1.0)):
        out = verify("border_wor", target, draft, x, torch.tensor([u], dtype=torch.float64), sort=sort)
        assert p[int(out.tokens)] > 0
