"""A whole decoding loop over token trees has the target's joint distribution, as rationals, whatever the shape and the
rule."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pytest
from _pytest.mark import ParameterSet
from tabular_models import model

from spechub_lp import drafts
from spechub_lp.errors import SpecHubError
from spechub_lp.samplers.base import Sampler
from spechub_lp.trees.decoding import (
    every_drafted,
    exact_call,
    loop_distribution,
    step_distribution,
    target_distribution,
    tokens_per_call,
)
from spechub_lp.trees.drafted import Drafted, Outcome, pick, tabular
from spechub_lp.trees.node_by_node import NodeByNode
from spechub_lp.trees.path import Block, BorderPath
from spechub_lp.trees.shape import Shape, best_shape, chain, full, levels, paths
from spechub_lp.trees.traversal import Traversal
from spechub_lp.typing import Array

SHAPES = {
    "chain 2": chain(2),
    "chain 3": chain(3),
    "2^2": full(2, 2),
    "2^1": full(2, 1),
    "first child deeper": Shape((Shape((Shape(),)), Shape())),
    "last child wider": Shape((Shape(), Shape((Shape(), Shape())))),
}
NODE_RULES = ("nss", "rrs", "rrsw", "spechub", "greedy_hubs", "border", "border_wor")


def without_zeros(distribution: dict[tuple[int, ...], Any]) -> dict[tuple[int, ...], Any]:
    return {tokens: mass for tokens, mass in distribution.items() if mass}


def every_rule() -> Iterator[ParameterSet]:
    for name, shape in SHAPES.items():
        rules: list[NodeByNode | Traversal | Block] = [
            *map(NodeByNode, NODE_RULES),
            Traversal(),
            Traversal(drafts.IID()),
        ]
        rules += [Block()] if name.startswith("chain") else []
        rules += [NodeByNode("kseq")] if name in ("chain 2", "2^1") else []
        for rule in rules:
            policy = f"-{rule.drafts.name}" if isinstance(rule, Traversal) else ""
            yield pytest.param(shape, rule, id=f"{name}-{rule.name}{policy}")


@pytest.mark.parametrize(("shape", "rule"), list(every_rule()))
def test_a_decoding_loop_has_the_targets_joint_distribution(shape: Shape, rule: Any) -> None:
    """Three tokens need two or three calls, so what one call leaves behind would show in the joint distribution."""
    for seed in range(2):
        pair = model(3 if shape.size < 5 else 2, seed)
        assert without_zeros(loop_distribution(pair, shape, rule, 3)) == target_distribution(pair, 3)
        step = step_distribution(pair, (), shape, rule)
        assert sum(step.values()) == 1
        assert 1 <= tokens_per_call(step) <= 1 + shape.depth


@dataclass(frozen=True)
class WrongDrafts(NodeByNode):
    """The rule of RRS fed with drafts without replacement."""

    def rule(self, k: int) -> Sampler:
        return super().rule(k).with_drafts("without_replacement")


@dataclass(frozen=True)
class Greedy(Traversal):
    """Traversal that forgets to lower the parent's weight after a rejected leaf."""

    def _leaves(self, tree: Drafted) -> Iterator[tuple[int, Array, Any]]:
        for node, distribution, _ in super()._leaves(tree):
            yield node, distribution, tree.p[0][0] * 0 + 1
            return


@dataclass(frozen=True)
class OneUniform(Block):
    """Block verification that draws the last token from p at every end."""

    def outcomes(self, tree: Drafted) -> Iterator[Outcome]:
        for outcome in super().outcomes(tree):
            yield type(outcome)(outcome.node, outcome.weights.sum() * tree.p[outcome.node])


@pytest.mark.parametrize(
    ("shape", "rule"), [(SHAPES["2^1"], WrongDrafts("rrs")), (chain(2), Greedy()), (chain(2), OneUniform())]
)
def test_wrong_verification_is_seen_in_the_joint_distribution(shape: Shape, rule: Any) -> None:
    pair = model(3 if shape.size < 5 else 2, 0)
    assert without_zeros(loop_distribution(pair, shape, rule, 3)) != target_distribution(pair, 3)


def test_joint_verification_of_a_chain_is_never_below_the_usual_one() -> None:
    for seed in range(6):
        pair = model(3, seed)
        usual, block, traversal = (
            tokens_per_call(step_distribution(pair, (), chain(3), rule))
            for rule in (NodeByNode("rrs"), Block(), Traversal())
        )
        assert block == traversal >= usual


def test_border_is_the_best_rule_for_its_drafts_at_the_root() -> None:
    for seed in range(6):
        pair = model(4, seed)
        best = {name: tokens_per_call(step_distribution(pair, (), full(3, 1), NodeByNode(name))) for name in NODE_RULES}
        assert best["border"] >= max(best["rrs"], best["nss"])
        assert best["border_wor"] >= best["rrsw"]


@pytest.mark.parametrize("rule", [NodeByNode("rrsw"), NodeByNode("spechub"), Traversal()], ids=lambda r: r.name)
def test_drawing_follows_the_outcomes(rule: Any) -> None:
    """Uniforms on a grid: the share of each end is its probability within a grid step a level."""
    pair = model(2, 3)
    for mass, tree in list(every_drafted(pair, (), full(2, 2), rule))[:2]:
        assert mass > 0
        distribution: dict[tuple[int, int], float] = {}
        for outcome in rule.outcomes(tree):
            for token, weight in enumerate(outcome.weights):
                distribution[outcome.node, token] = distribution.get((outcome.node, token), 0) + float(weight)
        floats = type(tree)(tree.parents, tree.tokens, np.asarray(tree.p, dtype=float), np.asarray(tree.q, dtype=float))
        levels = 3 if isinstance(rule, NodeByNode) else 2
        grid = (np.arange(900 ** (1 / levels) // 1) + 0.5) / (900 ** (1 / levels) // 1)
        ends = [rule.draw(floats, u) for u in np.stack(np.meshgrid(*[grid] * levels), -1).reshape(-1, levels)]
        for end in distribution.keys() | set(ends):
            assert abs(distribution.get(end, 0) - ends.count(end) / len(ends)) < levels / len(grid), end


def test_shapes_have_the_sizes_of_the_papers() -> None:
    assert [full(2, d).size for d in range(1, 6)] == [2, 6, 14, 30, 62]
    assert [full(3, d).size for d in range(2, 5)] == [12, 39, 120]
    assert (chain(4).size, chain(4).depth) == (4, 4)
    assert full(2, 2).parents == [-1, 0, 0, 1, 1, 2, 2]
    assert Shape((Shape(), Shape((Shape(),)))).parents == [-1, 0, 0, 2]


def shapes_of(size: int) -> Iterator[Shape]:
    """Every shape of exactly `size` drafted tokens, children in any order."""
    if size == 0:
        yield Shape()
        return
    for first in range(size):
        for child in shapes_of(first):
            for rest in shapes_of(size - 1 - first):
                yield Shape((child, *rest.children))


def expected(shape: Shape, rates: dict[int, list[float]]) -> float:
    row = rates.get(len(shape.children))
    if shape.children and row is None:
        return 0.0
    return 1 + sum(rate * expected(child, rates) for rate, child in zip(row or (), shape.children, strict=True))


def test_the_best_shape_is_the_best_of_all() -> None:
    rng = random.Random(0)
    for _ in range(12):
        rates = {k: [round(rng.random() / k, 3) for _ in range(k)] for k in (1, 2, 3)}
        for size, depth in combinations_with_replacement(range(1, 6), 2):
            shape, value = best_shape(size, rates, depth)
            best = max(
                (expected(s, rates) for n in range(size + 1) for s in shapes_of(n) if s.depth <= depth), default=1.0
            )
            assert value == pytest.approx(best)
            assert expected(shape, rates) == pytest.approx(value)
            assert shape.size <= size
            assert shape.depth <= depth
    with pytest.raises(SpecHubError, match=r"rates\[2\] = \[0.5\]"):
        best_shape(3, {2: [0.5]})


def test_bad_use_is_rejected() -> None:
    with pytest.raises(SpecHubError, match="takes chains"):
        step_distribution(model(2, 0), (), full(2, 1), Block())
    (_, tree), *_ = every_drafted(model(2, 0), (), full(2, 2), NodeByNode("rrs"))
    with pytest.raises(SpecHubError, match="1 uniforms for a deeper tree"):
        [NodeByNode("rrs").draw(tree, [u]) for u in np.linspace(0, 1, 50)]
    assert pick(np.array([0.0, 1.0, 0.0]), 0.0) == 1
    assert pick(np.array([0.0, 1.0, 0.0]), 1.0) == 1


NAIVE = NodeByNode("naive")


@pytest.mark.parametrize(
    ("shape", "rule", "said"),
    [
        ("2,1", NAIVE, "is no Shape"),
        (None, NAIVE, "is no Shape"),
        ([2, 1], NAIVE, "is no Shape"),
        (chain(1), "naive", "verifier of trees"),
        (chain(1), BorderPath, "verifier of trees"),
        (chain(1), None, "verifier of trees"),
    ],
    ids=str,
)
def test_no_shape_and_no_verifier_are_named(shape: Any, rule: Any, said: str) -> None:
    model = tabular(lambda _: (["1/3", "2/3"], ["2/3", "1/3"]))
    for ask in (
        lambda: exact_call(model, shape, rule),
        lambda: step_distribution(model, (), shape, rule),
        lambda: loop_distribution(model, shape, rule, 2),
    ):
        with pytest.raises(SpecHubError, match=said):
            ask()


@pytest.mark.parametrize("length", [-1, 1.5, "2", None])
def test_lengths_and_depths_are_whole_numbers(length: Any) -> None:
    model = tabular(lambda _: (["1/3", "2/3"], ["2/3", "1/3"]))
    for ask in (
        lambda: loop_distribution(model, chain(1), NAIVE, length),
        lambda: target_distribution(model, length),
        lambda: full(2, length),
        lambda: chain(length),
    ):
        with pytest.raises(
            SpecHubError, match=re.escape(f"= {length!r}" if isinstance(length, str) else f"= {length}")
        ):
            ask()


@pytest.mark.parametrize("made", [chain, lambda n: full(2, n), lambda n: paths(2, n), lambda n: paths(2, 1, n)])
@pytest.mark.parametrize("depth", [201, 2000, 10**400, -1, None, float("nan"), "3", 2.5], ids=lambda n: str(n)[:5])
def test_a_shape_has_no_more_levels_than_can_be_walked(made: Any, depth: Any) -> None:
    with pytest.raises(SpecHubError, match=r"(depth|delay) = .*(200 at most|at least|whole number)"):
        made(depth)


def test_the_deepest_shape_can_be_walked() -> None:
    deepest = levels(*[1] * 200)
    assert (deepest.size, deepest.depth, len(deepest.parents)) == (200, 200, 201)
    with pytest.raises(SpecHubError, match="depth = 201 levels"):
        levels(*[1] * 201)


@pytest.mark.parametrize(
    ("size", "rates", "depth", "says"),
    [
        (-1, {1: [0.5]}, None, "size = -1"),
        (None, {1: [0.5]}, None, "size = None"),
        (float("nan"), {1: [0.5]}, None, "size = nan"),
        (10**400, {1: [0.5]}, None, "1,000 at most"),
        (2, {1: [0.5]}, -1, "depth = -1"),
        (2, {1: [0.5]}, "1", "depth = '1'"),
        (2, None, None, "rates = None"),
        (2, [0.5], None, "rates = "),
        (2, {1: None}, None, "must hold 1 prob"),
        (2, {1: 0.5}, None, "must hold 1 prob"),
        (2, {2: [0.5]}, None, "must hold 2 prob"),
        (2, {1: [float("nan")]}, None, "must hold 1 prob"),
        (2, {1: ["a"]}, None, "must hold 1 prob"),
        (2, {"1": [0.5]}, None, "a number of children in rates = '1'"),
    ],
)
def test_best_shape_says_what_does_not_fit(size: Any, rates: Any, depth: Any, says: str) -> None:
    with pytest.raises(SpecHubError, match=says):
        best_shape(size, rates, depth)
