"""Ties broken by the luck of the children's children: lossless, and where that is proved never below BorderPath."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from gmpy2 import mpq
from tabular_models import model

from spechub_lp import tree_optimum
from spechub_lp.drafts import IID, DraftPolicy, WithoutReplacement
from spechub_lp.trees import (
    BorderPath,
    Drafted,
    LookAhead,
    NodeByNode,
    Shape,
    chain,
    exact_call,
    full,
    levels,
    loop_distribution,
    several,
    target_distribution,
)
from spechub_lp.trees.luck import Known, Site
from spechub_lp.trees.path import Place

POLICIES = (WithoutReplacement(), IID())
NODE = {"without_replacement": NodeByNode("border_wor"), "iid": NodeByNode("border")}
CASES = [
    (3, levels(2, 1), 1),
    (3, levels(2, 1), 5),
    (3, full(2, 2), 1),
    (2, levels(2, 2, 1), 3),
    (3, levels(2, 1, 1), 1),
]
FAVOUR, SHARES, DENSITY, TO = Site._favour, Site._shares, Site._density, Site._to


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.name)
@pytest.mark.parametrize("case", range(len(CASES)))
def test_it_is_lossless_and_between_border_and_the_optimum(case: int, policy: DraftPolicy) -> None:
    vocabulary, shape, seed = CASES[case]
    pair = model(vocabulary, seed)
    call = exact_call(pair, shape, LookAhead(policy))
    assert call.is_lossless
    assert exact_call(pair, shape, NODE[policy.name]).value <= call.value <= tree_optimum(pair, shape, policy).value


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.name)
def test_with_two_levels_it_never_accepts_less_than_without_the_look(policy: DraftPolicy) -> None:
    ahead = 0
    for seed in range(1, 5):
        pair, shape = model(3, seed), levels(2, 1)
        look, path = (exact_call(pair, shape, rule(policy)) for rule in (LookAhead, BorderPath))
        assert look.is_lossless
        assert look.value >= path.value
        ahead += look.value > path.value
    assert ahead >= 2


def test_a_whole_loop_has_the_targets_distribution() -> None:
    pair = model(3, 1)
    loop = loop_distribution(pair, levels(2, 1), LookAhead(), 3)
    assert {tokens: mass for tokens, mass in loop.items() if mass} == target_distribution(pair, 3)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.name)
def test_three_children_are_looked_below_too(policy: DraftPolicy) -> None:
    pair, shape = model(3, 3), levels(3, 1)
    look, path = (exact_call(pair, shape, rule(policy)) for rule in (LookAhead, BorderPath))
    assert look.is_lossless
    assert path.value < look.value <= tree_optimum(pair, shape, policy).value


def narrow(*tokens: int) -> Any:
    """A random pair of models of four tokens; at each level q can draft the first so many, behind token 1 one less."""
    pair = model(4, 8)

    def distributions(context: tuple[int, ...]) -> Any:
        p, _ = pair(context)
        q = np.array([mpq(1 + (3 * y + sum(context)) % 5) for y in range(4)], dtype=object)
        q[max(tokens[len(context)] - (context == (1,)), 1) :] = mpq(0)
        return p, q / q.sum()

    return distributions


def test_siblings_that_are_not_the_whole_vocabulary_are_remembered() -> None:
    look, path = (exact_call(narrow(4, 2, 1), levels(3, 1), rule()) for rule in (LookAhead, BorderPath))
    assert look.is_lossless
    assert path.value < look.value


def test_three_children_of_which_the_block_is_known() -> None:
    assert exact_call(narrow(2, 4, 1, 1), levels(2, 3, 1), LookAhead()).is_lossless


def halved(site: Site, place: Place, *favour: Any) -> Known:
    return TO(site, place, *(often / 2 for often in favour))


@pytest.mark.parametrize(
    ("where", "part", "wrong"),
    [
        (Site, "_to", halved),
        (several, "_layers", lambda chances: [(len(chances), chances[0] / chances[0])]),
        (several, "_likely", lambda site, drawn: site.q[drawn[0]]),
    ],
    ids=["favour", "layers", "orders"],
)
def test_a_wrong_choice_of_three_is_seen(where: Any, part: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(where, part, wrong)
    assert not exact_call(narrow(4, 2, 1), levels(3, 1), LookAhead()).is_lossless


def test_the_luckiest_of_three_is_found() -> None:
    own = np.array([[0.0, 0.25], [0.25, 1.0]])
    others = [(np.array([[0.0, 0.5], [0.5, 1.0]]), np.array([0.25, 0.75])), (np.array([[0.0, 1.0]]), np.array([1.0]))]
    u = (np.arange(20_000) + 0.5) / 20_000
    above = (1 - np.where(u < 0.5, u / 2, 0.25 + (u - 0.5) * 1.5)) * (1 - u)
    np.testing.assert_allclose(several.before(own, others), [above[:5000].mean(), above[5000:].mean()], atol=1e-7)


def not_in_a_block(site: Site, block: int | None, rank: int, others: Any) -> Any:
    shares = SHARES(site, block, rank, others)
    return shares if block is None else shares * 2 / 3


@pytest.mark.parametrize(
    ("part", "wrong", "vocabulary", "shape", "seed"),
    [
        ("_favour", lambda site, block, rank: FAVOUR(site, block, rank) / 2, 3, levels(2, 1), 1),
        ("_favour", lambda site, block, rank: site.q[0] / site.q[0], 3, levels(2, 1), 1),
        ("luck", lambda site, blocks: site.hit[[[0, -1]] * len(blocks)], 3, levels(2, 1), 1),
        ("_shares", lambda *given: SHARES(*given) * 2 / 3, 3, levels(2, 1), 1),
        ("_shares", not_in_a_block, 2, levels(2, 2, 1), 3),
        ("_density", lambda *given: DENSITY(*given) * 2, 2, levels(2, 2, 1), 3),
    ],
)
def test_a_distribution_that_is_not_that_of_the_choice_is_seen(
    part: str, wrong: Any, vocabulary: int, shape: Shape, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Site, part, wrong)
    calls = [exact_call(model(vocabulary, seed), shape, LookAhead(policy)) for policy in POLICIES]
    assert not all(call.is_lossless for call in calls)


@pytest.mark.parametrize("shape", [chain(3), levels(3, 1), full(2, 1), Shape((Shape((Shape(),)), Shape()))])
def test_where_luck_cannot_decide_it_is_border_on_a_path(shape: Shape) -> None:
    for policy in POLICIES:
        look, path = (exact_call(model(2, 1), shape, rule(policy)) for rule in (LookAhead, BorderPath))
        assert {end: mass for end, mass in look.ends.items() if mass} == {
            end: mass for end, mass in path.ends.items() if mass
        }


def wide(arrays: Callable[[Any], Any], depth: int, k: int = 2) -> tuple[Drafted, list[list[float]]]:
    """A drafted tree k^depth over 50 tokens, siblings different, and uniforms."""
    rng = np.random.default_rng(3)
    parents = full(k, depth).parents
    p, q = (rng.dirichlet(np.full(50, 0.3), size=len(parents)) for _ in range(2))
    p = 0.5 * p + 0.5 * q
    tokens = [0]
    for parent in range(len(parents) // k):
        tokens += rng.choice(50, size=k, replace=False, p=q[parent]).tolist()
    return Drafted(parents, tokens, arrays(p), arrays(q)), rng.random((8, depth + 2)).tolist()


@pytest.mark.parametrize(("k", "depth"), [(2, 3), (3, 3), (5, 2)])
def test_torch_and_numpy_draw_the_same(k: int, depth: int) -> None:
    for policy in POLICIES:
        drawn = []
        for arrays in (np.asarray, torch.asarray):
            tree, uniforms = wide(arrays, depth, k)
            drawn.append([LookAhead(policy).draw(tree, u) for u in uniforms])
        assert drawn[0] == drawn[1]


def three() -> Drafted:
    """A drafted tree "3, then 1" over four tokens."""
    p, q = (np.random.default_rng(seed).dirichlet(np.full(4, 2.0), size=7) for seed in (1, 2))
    return Drafted([-1, 0, 0, 0, 1, 2, 3], [0, 0, 1, 2, 3, 1, 0], p, q)


def test_draws_follow_the_outcomes() -> None:
    for tree, rule in (
        (wide(np.asarray, 2)[0], LookAhead()),
        (wide(np.asarray, 2)[0], LookAhead(IID())),
        (three(), LookAhead()),
        (wide(np.asarray, 2, 3)[0], LookAhead()),
    ):
        expected: dict[int, float] = {}
        for outcome in rule.outcomes(tree):
            expected[outcome.node] = expected.get(outcome.node, 0) + float(outcome.weights.sum())
        assert sum(expected.values()) == pytest.approx(1)
        uniforms = np.random.default_rng(1).random((160, 4)).tolist()
        ends = [rule.draw(tree, u)[0] for u in uniforms]
        for node in {*ends, *expected}:
            assert abs(ends.count(node) / len(ends) - expected.get(node, 0)) < 0.16


def test_only_the_chosen_path_and_its_siblings_are_worked_on() -> None:
    class Seen(list[Any]):
        def __getitem__(self, node: Any) -> Any:
            nodes.add(node)
            return super().__getitem__(node)

    tree, uniforms = wide(lambda a: Seen(list(a)), 4)
    for u in uniforms:
        nodes: set[int] = set()
        node, _ = LookAhead().draw(tree, u)
        assert node in nodes
        assert len(nodes) <= 1 + 2 * 4
