"""Verifying a chain or a tree as a whole: a rejected leaf may still leave its parent accepted.

Block verification (Sun et al., arXiv 2403.10444, algorithm 2) accepts the longest prefix of a chain that passes; it is
optimal for chains. Traversal verification (Weng et al., arXiv 2505.12398, algorithm 1) carries it over to trees: leaves
first, left to right. Both promise the joint distribution of all tokens, not a distribution at each node;
`trees.loop_distribution` checks it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spechub_lp._array.ops import accept_probability, normalize, one_hot, positive, total, without
from spechub_lp.drafts import IID, DraftPolicy, WithoutReplacement
from spechub_lp.errors import SpecHubError
from spechub_lp.trees.drafted import Drafted, Outcome, pick
from spechub_lp.typing import Array


@dataclass(frozen=True)
class Traversal:
    """Leaves first: accept the whole path to the first leaf, or drop the leaf and pass what it leaves to its parent.

    Each node has a target `p`, a draft distribution `q` and a weight `w`, which is 1 at the root and min(1, w p(x) /
    q(x)) at a child x.

    1. Take the leftmost leaf. Accept the path to it with probability w; the token behind it is drawn from its p.
    2. Else drop it. With s = sum (w p - q)+ at its parent, the parent's p becomes (w p - q)+ / s and its w becomes
       s / (s + 1 - w); drafts without replacement lose the leaf's token from q. Go on with 1.
    3. At the root w stays 1, so that a token always comes out.
    """

    drafts: DraftPolicy = field(default_factory=WithoutReplacement)
    """How siblings are drawn: without replacement or iid."""
    name = "traversal"

    def policy(self, k: int) -> DraftPolicy:
        return IID() if k == 1 else self.drafts

    def outcomes(self, tree: Drafted) -> Iterator[Outcome]:
        """Every end and its weights, given the drafted tree."""
        left = tree.p[0][0] * 0 + 1
        for node, distribution, weight in self._leaves(tree):
            yield Outcome(node, left * weight * distribution)
            left = left * (1 - weight)

    def draw(self, tree: Drafted, u: Sequence[float]) -> tuple[int, int]:
        """(last node of the accepted path, token behind it) from two uniforms: one chooses the end, one the token."""
        at = u[0]
        for node, distribution, weight in self._leaves(tree):
            if at < weight or node == 0:
                return node, pick(distribution, u[1])
            at = (at - weight) / (1 - weight)  # what is left of u is uniform again
        raise AssertionError("the root accepts")

    def _leaves(self, tree: Drafted) -> Iterator[tuple[int, Array, Any]]:
        """The leaves in the order in which they are tried: (node, its target distribution [V] by then, weight to
        accept)."""
        p, q = list(tree.p), list(tree.q)
        children = [list(c) for c in tree.children]
        whole = p[0][0] * 0 + 1
        weight: dict[int, Any] = {0: whole}
        node = 0
        while True:
            while children[node]:  # down to the leftmost leaf
                child = children[node][0]
                x = tree.tokens[child]
                weight[child] = accept_probability(weight[node] * p[node][x : x + 1], q[node][x : x + 1])[0]
                node = child
            yield node, p[node], weight[node]
            if node == 0:
                return
            parent = tree.parents[node]
            children[parent].pop(0)
            need = positive(weight[parent] * p[parent] - q[parent])
            mass = total(need)[0]
            if parent:
                rest = mass + 1 - weight[parent]
                weight[parent] = mass / rest if rest > 0 else whole * 0
            p[parent] = normalize(need[None], p[parent][None])[0]
            if isinstance(self.drafts, WithoutReplacement):
                q[parent] = _drop(q[parent], tree.tokens[node])
            node = parent


@dataclass(frozen=True)
class Block:
    """Block verification of a chain, as published: every prefix is tried, the longest that passes is kept.

    With w_0 = 1, w_i = min(1, w_(i-1) p(x_i) / q(x_i)) and s_i = sum (w_i p - q)+ after the i-th token,

    1. prefix i of a chain of n passes with probability h_i = s_i / (s_i + 1 - w_i), and h_n = w_n;
    2. keep the longest prefix i that passed (none: i = 0);
    3. draw the next token from (w_i p - q)+, normalized; behind the whole chain from p.
    """

    name = "block"

    def policy(self, k: int) -> DraftPolicy:
        if k != 1:
            raise SpecHubError(f"block verification takes chains; a node has {k} children (use traversal)")
        return IID()

    def outcomes(self, tree: Drafted) -> Iterator[Outcome]:
        """Every end and its weights, given the drafted chain."""
        whole = tree.p[0][0] * 0 + 1
        weight, passes, distributions = whole, [whole], []
        for node in range(len(tree.parents)):
            p, q = tree.p[node], tree.q[node]
            if node:
                x, before = tree.tokens[node], node - 1
                weight = accept_probability(weight * tree.p[before][x : x + 1], tree.q[before][x : x + 1])[0]
            if not tree.children[node]:
                distributions.append(p)
                passes.append(weight)
            else:
                need = positive(weight * p - q)
                mass = total(need)[0]
                distributions.append(normalize(need[None], p[None])[0])
                rest = mass + 1 - weight
                passes.append((mass / rest if rest > 0 else whole * 0) if node else whole)
        left = whole
        for node in range(len(tree.parents) - 1, -1, -1):
            yield Outcome(node, left * passes[node + 1] * distributions[node])
            left = left * (1 - passes[node + 1])

    def draw(self, tree: Drafted, u: Sequence[float]) -> tuple[int, int]:
        """(last node of the accepted path, token behind it) from two uniforms."""
        ends = list(self.outcomes(tree))
        chosen = ends[pick([float(end.weights.sum()) for end in ends], u[0])]
        return chosen.node, pick(chosen.weights, u[1])


def _drop(q: Array, token: int) -> Array:
    """q [V] without a token; where nothing is left, the most likely token again, as the draft policy does."""
    return normalize(without(q[None], np.asarray([[token]])), one_hot(q[None], q[None].argmax(axis=-1)))[0]
