"""Theorems of trees (theory/trees) as exact checks, on trees whose every context has the same p and q."""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from spechub_lp._array.rational import rational_row
from spechub_lp.drafts import IID, DraftPolicy, WithoutReplacement
from spechub_lp.optimum.solve import optimum
from spechub_lp.samplers.border import preparation
from spechub_lp.samplers.border.merge_tree import best_density, fairest_density
from spechub_lp.trees.decoding import exact_call
from spechub_lp.trees.drafted import Drafted, Model, Outcome, tabular
from spechub_lp.trees.node_by_node import NodeByNode
from spechub_lp.trees.optimum import tree_optimum
from spechub_lp.trees.path import Block, BorderPath
from spechub_lp.trees.shape import Shape, chain, full, levels

Distribution = Sequence[Fraction]


class GreedyBlock:
    """Accept prefixes of a chain by the ratios of whole paths: biased, unless later calls have other targets.

    Case k = 1 of arXiv 2604.25925, as its public reviews quote it; with P and Q the probabilities of the path so far, a
    prefix passes with s / (s + (Q - P)+), s = sum (P p - Q q)+, the whole path with min(1, P / Q).

    Examples
    --------
    >>> half = (Fraction(1, 2), Fraction(1, 2))
    >>> exact_call(everywhere(half, (Fraction(1, 4), Fraction(3, 4))), chain(2), GreedyBlock()).is_lossless
    False
    """

    name = "greedy_block"

    def policy(self, k: int) -> DraftPolicy:
        """One draft at every node."""
        return IID()

    def outcomes(self, tree: Drafted) -> Iterator[Outcome]:
        """Every end and its weights, given the drafted chain."""
        one = tree.p[0][0] * 0 + 1
        target, draft, last = [one], [one], len(tree.parents) - 1
        for node in range(1, last + 1):
            x = int(tree.tokens[node])
            target.append(target[-1] * tree.p[node - 1][x])
            draft.append(draft[-1] * tree.q[node - 1][x])
        left = one
        for node in range(last, -1, -1):
            residual = np.maximum(target[node] * tree.p[node] - draft[node] * tree.q[node], 0 * one)
            s, over = residual.sum(), max(draft[node] - target[node], 0 * one)
            passes = min(one, target[node] / draft[node]) if node == last else s / (s + over) if s else one
            residual = residual / s if node < last and s else tree.p[node]
            yield Outcome(node, left * passes * residual)
            left = left * (1 - passes)


def everywhere(p: Distribution, q: Distribution) -> Model:
    """Return the pair of models that says p and q after every context.

    Parameters
    ----------
    p, q : [V]
        Target and draft distribution.

    Returns
    -------
    Model
        context -> (p, q) as rationals.

    Examples
    --------
    >>> everywhere([Fraction(1)], [Fraction(1)])((0, 0))[0].tolist()
    [mpq(1,1)]
    """
    return tabular(lambda _: (p, q))


def first_child_deeper(k: int) -> Shape:
    """Return k children, the first of which has a child of its own.

    Parameters
    ----------
    k
        Number of children.

    Returns
    -------
    Shape
        k + 1 drafts.

    Examples
    --------
    >>> first_child_deeper(2).parents
    [-1, 0, 0, 1]
    """
    return Shape((chain(1), *[Shape()] * (k - 1)))


def lossless_calls_are_seen(p: Distribution, q: Distribution, k: int) -> bool:
    """T16, on a rule that is lossless and on one that is not."""
    pair = everywhere(p, q)
    calls = [exact_call(pair, chain(2), rule) for rule in (Block(), GreedyBlock())]
    return calls[0].is_lossless and all(call.is_lossless == (call.distance(3) == 0) for call in calls)


def tree_programs_agree(p: Distribution, q: Distribution, k: int) -> bool:
    """T17: one level is the optimum of a node, one child is block verification; `tree_optimum` checks the duality."""
    pair = everywhere(p, q)
    block = exact_call(pair, chain(2), Block()).value
    node = optimum(p, q, k, "without_replacement").alpha
    return tree_optimum(pair, full(k, 1)).value == node and tree_optimum(pair, chain(2)).value == block


def path_is_between(p: Distribution, q: Distribution, k: int, rule: Any = BorderPath) -> bool:
    """T18: lossless, not below Border node by node, not above the optimum."""
    pair = everywhere(p, q)
    for shape in (first_child_deeper(k), levels(2, 1)):
        call = exact_call(pair, shape, rule(IID()))
        nodes = exact_call(pair, shape, NodeByNode("border")).value
        if not (call.is_lossless and nodes <= call.value <= tree_optimum(pair, shape, "iid").value):
            return False
    return True


GAINS: tuple[Callable[[Any], Any], ...] = (
    lambda r: min(r, 1),
    lambda r: min(r, 1) + min(r, 2),
    lambda r: min(r, 1) + min(r, 4) / 8,
)
"""Concave, and linear up to 1."""


def gained(p: Distribution, q: Distribution, k: int, policy: DraftPolicy, density: Any) -> list[Any]:
    """Return sum p G(b/p) for each G of GAINS, b made by a density.

    Parameters
    ----------
    p, q : [V]
        Target and draft distribution.
    k
        Number of drafts.
    policy : DraftPolicy
        iid or without_replacement.
    density
        `best_density` or `fairest_density`.

    Returns
    -------
    list
        One rational for each G.

    Examples
    --------
    >>> half = (Fraction(1, 2), Fraction(1, 2))
    >>> [str(value) for value in gained(half, half, 2, IID(), fairest_density)]
    ['1', '2', '9/8']
    """
    b = preparation.prepare(policy, rational_row(p), rational_row(q), k, density).distribution[0]
    return [sum(a * gain(c / a) for a, c in zip(rational_row(p)[0], b, strict=True) if a) for gain in GAINS]


def fairest_is_best(p: Distribution, q: Distribution, k: int) -> bool:
    """T19, against Border's own b."""
    return all(
        fair >= own
        for policy in (IID(), WithoutReplacement())
        for fair, own in zip(
            *(gained(p, q, k, policy, density) for density in (fairest_density, best_density)), strict=True
        )
    )
