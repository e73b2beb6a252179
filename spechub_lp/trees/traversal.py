"""Traversal verification: leaves first, left to right; a rejected leaf may still leave its parent accepted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spechub_lp._array.ops import accept_probability, normalize, one_hot, positive, total, without
from spechub_lp.drafts import IID, DraftPolicy, WithoutReplacement
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

    Examples
    --------
    >>> from spechub_lp.trees import exact_call, full, tabular
    >>> model = tabular(lambda context: (["1/3", "2/3"], ["2/3", "1/3"]))
    >>> exact_call(model, full(2, 1), Traversal()).is_lossless
    True
    """

    drafts: DraftPolicy = field(default_factory=WithoutReplacement)
    """How siblings are drawn: without replacement or iid."""
    name = "traversal"

    def policy(self, k: int) -> DraftPolicy:
        """How k siblings are drawn: as `drafts` says, and a single one from q."""
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
        """The leaves in the order in which they are tried: node, its target distribution [V] by then, its weight."""
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
            residual = positive(weight[parent] * p[parent] - q[parent])
            mass = total(residual)[0]
            if parent:
                rest = mass + 1 - weight[parent]
                weight[parent] = mass / rest if rest > 0 else whole * 0
            p[parent] = normalize(residual[None], p[parent][None])[0]
            if isinstance(self.drafts, WithoutReplacement):
                q[parent] = _drop(q[parent], tree.tokens[node])
            node = parent


def _drop(q: Array, token: int) -> Array:
    """q [V] without a token; where nothing is left, the most likely token again, as the draft policy does."""
    return normalize(without(q[None], np.asarray([[token]])), one_hot(q[None], q[None].argmax(axis=-1)))[0]
