"""A path chosen by Border and verified as a block: lossless, never below Border node by node, below the optimum."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from tabular_models import model

from spechub_lp import tree_optimum
from spechub_lp._array.rational import rational_row
from spechub_lp.drafts import IID, DraftPolicy, WithoutReplacement
from spechub_lp.errors import SpecHubError
from spechub_lp.samplers.border import preparation
from spechub_lp.samplers.border.merge_tree import best_density, fairest_density
from spechub_lp.theorems.instances import family
from spechub_lp.theorems.trees import GreedyBlock
from spechub_lp.trees import (
    Block,
    BorderPath,
    Drafted,
    GreedyPaths,
    NodeByNode,
    Outcome,
    Shape,
    chain,
    exact_call,
    full,
    loop_distribution,
    paths,
    target_distribution,
)
from spechub_lp.trees.path import Choice, Place

LOPSIDED = Shape((Shape((Shape(),)), Shape(), Shape((Shape(), Shape()))))
POLICIES = (WithoutReplacement(), IID())
CASES = [(3, full(2, 2)), (2, LOPSIDED), (3, Shape((Shape((Shape(),)), Shape())))]
NODE = {"without_replacement": NodeByNode("border_wor"), "iid": NodeByNode("border")}


def settings(policy: DraftPolicy) -> Iterator[BorderPath]:
    yield BorderPath(policy)
    yield BorderPath(policy, sub_target=False)
    yield BorderPath(policy, fairest=False)
    yield BorderPath(policy, fairest=False, sub_target=False)
    if policy == IID():
        yield BorderPath(policy, pooled=False)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.name)
@pytest.mark.parametrize("case", range(len(CASES)))
def test_it_is_lossless_and_between_border_and_the_optimum(case: int, policy: DraftPolicy) -> None:
    vocabulary, shape = CASES[case]
    pair = model(vocabulary, 1)
    below, above = exact_call(pair, shape, NODE[policy.name]).value, tree_optimum(pair, shape, policy).value
    for rule in settings(policy):
        call = exact_call(pair, shape, rule)
        assert call.is_lossless, rule
        assert below <= call.value <= above, rule


def test_equal_siblings_that_are_pooled_accept_more() -> None:
    pair = model(2, 3)
    pooled, apart = (exact_call(pair, full(2, 2), BorderPath(IID(), pooled=p)).value for p in (True, False))
    assert pooled > apart


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.name)
def test_a_chain_is_block_verification(policy: DraftPolicy) -> None:
    for seed in range(3):
        pair = model(3, seed)
        calls = [exact_call(pair, chain(3), rule) for rule in (BorderPath(policy), Block())]
        assert calls[0].value == calls[1].value
        assert {end: mass for end, mass in calls[0].ends.items() if mass} == calls[1].ends


def test_a_whole_loop_has_the_targets_distribution() -> None:
    pair = model(2, 1)
    for policy in POLICIES:
        loop = loop_distribution(pair, full(2, 2), BorderPath(policy), 4)
        assert {tokens: mass for tokens, mass in loop.items() if mass} == target_distribution(pair, 4)


@dataclass(frozen=True)
class WrongB(BorderPath):
    """Takes q for the distribution of the chosen token."""

    def choice(self, tree: Drafted, place: Place, w: Any) -> Choice:
        return Choice(tree.q[place[0]], super().choice(tree, place, w).children)


@dataclass(frozen=True)
class LooksBelow(BorderPath):
    """Prefers the child with fewer different grandchildren, which b does not know."""

    def choice(self, tree: Drafted, place: Place, w: Any) -> Choice:
        b, children = super().choice(tree, place, w)
        seen = [len({int(tree.tokens[x]) for node in c for x in tree.children[node]}) for c, _ in children]
        best = min(range(len(children)), key=lambda j: seen[j])
        return Choice(b, [(c, w * 0 + (j == best)) for j, (c, _) in enumerate(children)])


@pytest.mark.parametrize("rule", [WrongB(IID()), LooksBelow(IID())], ids=lambda r: type(r).__name__)
def test_a_choice_whose_distribution_is_another_is_seen(rule: BorderPath) -> None:
    assert not exact_call(model(3, 1), full(2, 2), rule).is_lossless


def wide(arrays: Callable[[Any], Any], depth: int = 3, seed: int = 0) -> tuple[Drafted, list[list[float]]]:
    """A drafted tree 2^depth over 50 tokens, and uniforms."""
    rng = np.random.default_rng(seed)
    parents = full(2, depth).parents
    p, q = (rng.dirichlet(np.full(50, 0.3), size=len(parents)) for _ in range(2))
    p = 0.5 * p + 0.5 * q
    tokens = [0, *(int(rng.choice(50, p=q[parent])) for parent in parents[1:])]
    return Drafted(parents, tokens, arrays(p), arrays(q)), rng.random((40, depth + 2)).tolist()


def test_torch_and_numpy_draw_the_same() -> None:
    for policy in POLICIES:
        drawn = []
        for arrays in (np.asarray, torch.asarray):
            tree, uniforms = wide(arrays)
            drawn.append([BorderPath(policy).draw(tree, u) for u in uniforms])
        assert drawn[0] == drawn[1]


def test_only_the_chosen_path_is_worked_on() -> None:
    class Seen(list[Any]):
        def __getitem__(self, node: Any) -> Any:
            nodes.add(node)
            return super().__getitem__(node)

    tree, uniforms = wide(lambda a: Seen(list(a)), depth=5)
    for u in uniforms[:10]:
        nodes: set[int] = set()
        node, _ = BorderPath().draw(tree, u)
        assert len(nodes) <= 6
        assert node in nodes


def test_draws_follow_the_outcomes() -> None:
    tree, _ = wide(np.asarray, depth=2)
    for rule in (BorderPath(), BorderPath(IID())):
        expected: dict[int, float] = {}
        for outcome in rule.outcomes(tree):
            expected[outcome.node] = expected.get(outcome.node, 0) + float(outcome.weights.sum())
        assert sum(expected.values()) == pytest.approx(1)
        grid = (np.arange(6) + 0.5) / 6
        ends = [rule.draw(tree, [a, 0.5, b, c])[0] for a in grid for b in grid for c in grid]
        for node in {*ends, *expected}:
            assert abs(ends.count(node) / 216 - expected.get(node, 0)) < 0.16


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: p.name)
def test_the_fairest_b_accepts_one_draft_as_often_as_borders(policy: DraftPolicy) -> None:
    for number, instance in enumerate(family(40, seed=3)):
        k, row, draft = 2 + number % 2, rational_row(instance.p), rational_row(instance.q)
        made = [preparation.prepare(policy, row, draft, k, density) for density in (fairest_density, best_density)]
        assert made[0].acceptance[0] == made[1].acceptance[0]
        assert sum(made[0].distribution[0]) == 1


def test_the_greedy_choice_among_whole_paths_is_lossless_and_below_border() -> None:
    for seed, k, depth in ((1, 2, 2), (3, 3, 2), (2, 2, 3)):
        pair, shape = model(2, seed), paths(k, depth)
        greedy, border = (exact_call(pair, shape, rule) for rule in (GreedyPaths(), BorderPath(IID())))
        assert greedy.is_lossless
        assert greedy.value <= border.value
    one = exact_call(model(3, 1), paths(1, 3), GreedyPaths())
    assert one.value == exact_call(model(3, 1), chain(3), Block()).value
    with pytest.raises(SpecHubError, match="part at the root alone"):
        exact_call(model(2, 1), full(2, 2), GreedyPaths())


@dataclass(frozen=True)
class PrunedByToken(NodeByNode):
    """Drops the less likely of the drafted siblings first, then verifies as if the others had been drafted."""

    def outcomes(self, tree: Drafted) -> Iterator[Outcome]:
        worst = min(tree.children[0], key=lambda child: tree.q[0][tree.tokens[child]])
        keep = [node for node in range(len(tree.parents)) if node != worst]
        parents, tokens = [-1, *[0] * (len(keep) - 1)], [tree.tokens[n] for n in keep]
        left = Drafted(parents, tokens, [tree.p[n] for n in keep], [tree.q[n] for n in keep])
        for outcome in super().outcomes(left):
            yield Outcome(keep[outcome.node], outcome.weights)


def test_pruning_that_looks_at_drawn_tokens_is_biased() -> None:
    call = exact_call(model(3, 3), full(3, 1), PrunedByToken("rrsw"))
    assert not call.is_lossless
    assert call.distance(1) > 0


def test_greedy_block_verification_needs_other_targets_in_later_calls() -> None:
    """It accepts more than any verifier whose later calls start from the target, so such a loop is biased."""
    biased = 0
    for seed in range(3):
        pair = model(3, seed)
        call, best = exact_call(pair, chain(2), GreedyBlock()), tree_optimum(pair, chain(2)).value
        assert call.is_lossless == (call.distance(3) == 0)
        assert call.is_lossless or call.value >= best
        biased += not call.is_lossless and call.value > best
    assert biased
