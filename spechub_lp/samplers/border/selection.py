"""Earliest with hand-over: which of more than two drafts made without replacement is chosen (theory/border).

At one level, with G the best block that was hit and A the blocks before it, walk through the drafts as drawn:

    drafts after G only leave the pool
    at a draft y of G, with r draws still to come from the pool without y:
        choose y; but if a later draft is in G too, hand over with probability theta(y):
        go on with the pool without y and the block without y

    theta(y) = (q(G) - q(y)) (c - P(y)) / (q(G) R(y)),    c = P(heaviest token of G)
    P(x) = Pr[r draws from the pool without x hit A]
    R(y) = Pr[they miss A and hit G without y], drawn without y

P and R are sums of one distribution, that of the best of r draws from what is left of the pool (drafts/_best_draft.py).
It serves all levels at once, so a tuple costs O(V) for three drafts, and O(V) a node of the quadrature for more.

The blocks of one token are nested. What is summed over them is summed from the inside out, never as a difference: where
the heavy tokens have left the pool, the block may be fainter than their rounding.
"""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp._array.convert import as_float64, as_numpy
from spechub_lp._array.ops import entries, minimum, positive, ratio
from spechub_lp._util.recent import Recent
from spechub_lp.drafts import WithoutReplacement
from spechub_lp.samplers.border.merge_tree import MergeTree
from spechub_lp.samplers.border.preparation import Mixture
from spechub_lp.typing import Array

MEMORY = 16 * 2**20
"""Bytes that the distributions of one row's pools may keep, for tuples that begin alike; the oldest go first."""
FEWEST = 2
"""Distributions kept whatever they take: those of one draft and of the heaviest token of its block."""


def walk(prepared: Mixture, x: Array) -> Array:
    """Compute the probability that each draft is chosen, over all levels.

    Parameters
    ----------
    prepared
        The mixture.
    x : [B, k]
        Drafts.

    Returns
    -------
    [B, k]
        Rows sum to 1.

    Examples
    --------
    >>> from spechub_lp.samplers.border.preparation import prepare
    >>> p, q = np.array([[0.6, 0.3, 0.1]]), np.array([[0.2, 0.3, 0.5]])
    >>> walk(prepare(WithoutReplacement(), p, q, 2), np.array([[1, 2], [2, 1]])).round(3).tolist()
    [[0.933, 0.067], [0.667, 0.333]]
    """
    xp, at = array_namespace(prepared.q), device(prepared.q)
    choose = as_float64(prepared.q[:1, :1]) * np.zeros(x.shape, dtype=np.int64)
    rows = [Row(tree) for tree in prepared.trees]
    for n, drafts in enumerate(as_numpy(entries(prepared.rank, x)).tolist()):
        choose[n] = rows[n if len(rows) > 1 else 0].choose(drafts)
    return choose if choose.dtype == object else xp.asarray(choose, dtype=prepared.q.dtype, device=at)


class Row:
    """One row of (p, q), its tokens by rank; it remembers the distributions of pools that tuples have in common.

    Parameters
    ----------
    tree
        The row's merge tree.

    Examples
    --------
    >>> from spechub_lp.samplers.border.preparation import prepare
    >>> mixture = prepare(WithoutReplacement(), np.array([[0.6, 0.3, 0.1]]), np.array([[0.2, 0.3, 0.5]]), 2)
    >>> Row(mixture.trees[0]).choose([1, 2]).round(3).tolist()
    [0.933, 0.067]
    """

    def __init__(self, tree: MergeTree):
        self.tree, self.q, self.n = tree, tree.q, len(tree.q)
        self.known = Recent(MEMORY, FEWEST)

    def choose(self, drafts: list[int]) -> Array:
        """Return the probability [k] to choose each draft, given as ranks in the order drawn.

        A repeat, or a draft too faint to count, is never chosen.
        """
        counts = [rank < self.n and rank not in drafts[:j] for j, rank in enumerate(drafts)]
        if not any(counts):
            return np.where(np.arange(len(drafts)) == 0, self.q[0] * 0 + 1, self.q[0] * 0)
        first, end, lengths = self.levels(min(drafts))
        here = np.asarray([new & (first <= rank) & (rank < end) for new, rank in zip(counts, drafts, strict=True)])
        choose = []
        for j, rank in enumerate(drafts):
            left = np.where(here[j], lengths * 0, lengths)
            either = here[j] & here[j + 1 :].any(axis=0)
            if either.any():
                removed = frozenset(other for other, new in zip(drafts[:j], counts, strict=False) if new)
                theta = self.theta(rank, removed, len(drafts) - 1 - j, first[either], end[either])
                left[either] = lengths[either] * theta
            choose.append((lengths - left).sum())
            lengths = left
        return np.asarray(choose)

    def levels(self, rank: int) -> tuple[Array, Array, Array]:
        """Return the blocks [first, end) that the token is in as t runs from 0 to 1, and how long it is in each."""
        node, nodes = int(self.tree.leaf[rank]), []
        while node >= 0:
            nodes.append(node)
            node = int(self.tree.parent[node])
        formed = self.tree.formed[nodes]
        return self.tree.first[nodes], self.tree.end[nodes], np.append(formed[1:], formed[0] * 0 + 1) - formed

    def theta(self, y: int, removed: frozenset[int], r: int, first: Array, end: Array) -> Array:
        """Return the probability to hand over at draft y, in each block [first, end)."""
        best = self.best(removed | {y}, r)
        missed = nested(best, first, end)
        pool = np.copy(self.q)
        pool[list(removed)] = pool[0] * 0
        heaviest = heaviest_of(pool, first.tolist(), end.tolist())
        mass = nested(pool, first, end)
        pool[y] = pool[0] * 0
        others = nested(pool, first, end)
        hit, spread = below(best, first), missed * 0
        for x in set(heaviest):
            here = np.asarray([x == other for other in heaviest])
            spread[here] = below(self.best(removed | {x}, r), first[here]) - hit[here]
        theta = ratio(ratio(others, mass) * positive(spread), missed)
        return minimum(theta, theta * 0 + 1)

    def best(self, removed: frozenset[int], r: int) -> Array:
        """Return the distribution of the best of r draws from the pool without `removed`: [n]."""
        best: Array = self.known((removed, r), lambda: self.best_of_rest(removed, r))
        return best

    def best_of_rest(self, removed: frozenset[int], r: int) -> Array:
        """Compute what `best` returns."""
        rest, distribution = np.ones(self.n, dtype=bool), self.q * 0
        rest[list(removed)] = False
        if rest.any():
            distribution[rest] = WithoutReplacement().best_draft(self.q[rest], r)
        return distribution


def below(distribution: Array, first: Array) -> Array:
    """Sum the entries before some places.

    Parameters
    ----------
    distribution : [n]
        Entries.
    first : [m]
        Places.

    Returns
    -------
    [m]
        The sums of distribution[:first].

    Examples
    --------
    >>> below(np.array([0.5, 0.25, 0.25]), np.array([0, 2])).tolist()
    [0.0, 0.75]
    """
    return np.concatenate((distribution[:1] * 0, np.cumsum(distribution[: first.max()])))[first]


def nested(a: Array, first: Array, end: Array) -> Array:
    """Sum the entries of nested blocks, smallest first, each by adding what the block has more.

    Parameters
    ----------
    a : [n]
        Entries.
    first, end : [m]
        The blocks are a[first:end].

    Returns
    -------
    [m]
        The sums.

    Examples
    --------
    >>> nested(np.array([0.5, 0.25, 0.25]), np.array([1, 0]), np.array([2, 3])).tolist()
    [0.25, 1.0]
    """
    sums: list[Any] = []
    inner = (int(first[0]), int(first[0]))
    for start, stop in zip(first.tolist(), end.tolist(), strict=True):
        more = a[start : inner[0]].sum() + a[inner[1] : stop].sum()
        sums.append(sums[-1] + more if sums else more)
        inner = (start, stop)
    return np.asarray(sums) + a[:1] * 0


def heaviest_of(pool: Array, first: list[int], end: list[int]) -> list[int]:
    """Find the heaviest token of each of nested blocks, smallest block first.

    Parameters
    ----------
    pool : [n]
        Masses.
    first, end
        The blocks are pool[first:end].

    Returns
    -------
    list of int
        A token for each block.

    Examples
    --------
    >>> heaviest_of(np.array([0.5, 0.2, 0.3]), [1, 0], [3, 3])
    [2, 0]
    """
    heaviest, seen_from, seen_to = first[0], first[0], first[0]
    out = []
    for start, stop in zip(first, end, strict=True):
        for new_from, new_to in ((start, seen_from), (seen_to, stop)):
            if new_from < new_to:
                candidate = new_from + int(np.argmax(pool[new_from:new_to]))
                if pool[candidate] > pool[heaviest]:
                    heaviest = candidate
        seen_from, seen_to = start, stop
        out.append(heaviest)
    return out
