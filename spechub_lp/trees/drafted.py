"""A shape filled with tokens, and where its verification ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spechub_lp.sampling import inverse_cdf
from spechub_lp.typing import Array

Tokens = tuple[int, ...]


Model = Callable[[Tokens], tuple[Array, Array]]
"""context -> (target distribution [V], draft distribution [V])."""


@dataclass(frozen=True)
class Drafted:
    """A shape filled with tokens, and the distributions at its nodes. Node 0 is the root; parents come before
    children."""

    parents: Sequence[int]
    """[N] parent of each node; -1 for the root."""
    tokens: Sequence[int]
    """[N] token of each node; the root's is of no use."""
    p: Array | Sequence[Array]
    """[N, V] target distribution after each node."""
    q: Array | Sequence[Array]
    """[N, V] draft distribution after each node, from which its children were drawn."""

    @cached_property
    def children(self) -> list[list[int]]:
        out: list[list[int]] = [[] for _ in self.parents]
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                out[parent].append(node)
        return out

    def path(self, node: int) -> Tokens:
        """The tokens from below the root down to a node."""
        out: list[int] = []
        while node:
            out.append(int(self.tokens[node]))
            node = self.parents[node]
        return tuple(reversed(out))


@dataclass(frozen=True)
class Outcome:
    """The path to `node` is accepted and one more token is drawn."""

    node: int
    weights: Array
    """[V] probability of this end and that last token; over all outcomes of a drafted tree they sum to 1."""


def pick(weights: Array | Sequence[float], u: float) -> int:
    """The cell that u in [0, 1] falls into when weights [C], of any sum, are laid end to end."""
    return int(inverse_cdf(np.asarray(weights, dtype=np.float64)[None], np.asarray([u]))[0])
