"""Ties broken by the luck of the children's children: lossless, and where that is proved never below BorderPath."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
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
    target_distribution,
)
from spechub_lp.trees.luck import Site

POLICIES = (WithoutReplacement(), IID())
NODE = {"without_replacement": NodeByNode("border_wor"), "iid": NodeByNode("border")}
CASES = [
    (3, levels(2, 1), 1),
    (3, levels(2, 1), 5),
    (3, full(2, 2), 1),
    (2, levels(2, 2, 1), 3),
    (3, levels(2, 1, 1), 1),
]
FAVOUR, SHARES, DENSITY = Site._favour, Site._shares, Site._density


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


def wide(arrays: Callable[[Any], Any], depth: int) -> tuple[Drafted, list[list[float]]]:
    """A drafted tree 2^depth over 50 tokens, siblings different, and uniforms."""
    rng = np.random.default_rng(3)
    parents = full(2, depth).parents
    p, q = (rng.dirichlet(np.full(50, 0.3), size=len(parents)) for _ in range(2))
    p = 0.5 * p + 0.5 * q
    tokens = [0]
    for parent in range(len(parents) // 2):
        tokens += rng.choice(50, size=2, replace=False, p=q[parent]).tolist()
    return Drafted(parents, tokens, arrays(p), arrays(q)), rng.random((8, depth + 2)).tolist()


def test_torch_and_numpy_draw_the_same() -> None:
    for policy in POLICIES:
        drawn = []
        for arrays in (np.asarray, torch.asarray):
            tree, uniforms = wide(arrays, 3)
            drawn.append([LookAhead(policy).draw(tree, u) for u in uniforms])
        assert drawn[0] == drawn[1]


def test_draws_follow_the_outcomes() -> None:
    tree, _ = wide(np.asarray, 2)
    for rule in (LookAhead(), LookAhead(IID())):
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
