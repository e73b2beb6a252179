"""Choose one of k different drafters' drafts with a given distribution b: a tree of sets, opened where it is walked.

The distributions b of a chosen draft are those with b(A) <= f(A) for every set A and b(all) = f(all) (T20). Start at
the one that takes all drafts alike and go through b, as far as this holds: at the end f(A) = b(A) for some set A, so
drafts in A go first, and A and the others are two smaller problems.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp._array.convert import as_numpy
from spechub_lp._array.equality import equal_fields
from spechub_lp.samplers.border import pairs
from spechub_lp.samplers.border.hits import Hits, best_chosen, by_row, judged
from spechub_lp.samplers.border.pairs import PairChoice
from spechub_lp.typing import Array, BoolArray, NumpyArray


class Cut(NamedTuple):
    """Say how a set of tokens is cut in two.

    Examples
    --------
    >>> Cut(0.5, np.array([True, False]), None, None).alike
    0.5
    """

    alike: Any
    """Probability that all drafts are taken alike and the cut is not made."""
    first: BoolArray
    """[n] the tokens that go first where it is."""
    better: "SetTree | None"
    worse: "SetTree | None"


@dataclass(frozen=True, eq=False)
class SetTree:
    """Choose among the drafts that hit a set of tokens, no better one being hit, so that the chosen has distribution b.

    Examples
    --------
    >>> tree = SetTree(Hits(np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]), np.zeros(3)), np.array([0.75, 0.25]))
    >>> [round(float(chance), 3) for chance in tree.choose([0, 1, 1])]
    [0.778, 0.111, 0.111]
    """

    hits: Hits
    b: NumpyArray
    """[n] distribution of the chosen token; it sums to f(all)."""
    first: BoolArray | None = None
    """[n] tokens A with b(A) = f(A), where such are known: they go first."""

    def choose(self, x: Sequence[int]) -> list[Any]:
        """Return the probability to choose each draft; x [k] are tokens of the set, or -1 for what is worse."""
        tree, nil = self, self.b[0] * 0
        share, chances = nil + 1, [nil] * len(x)
        while True:
            at = [j for j, y in enumerate(x) if y >= 0]
            if len({x[j] for j in at}) == 1:
                chances[at[0]] += share
                return chances
            if tree.pair is not None:
                first = tree.pair.first(x[0], x[1])
                return [have + share * more for have, more in zip(chances, (first, 1 - first), strict=True)]
            alike, first, better, worse = tree.cut or Cut(nil + 1, np.ones(0, dtype=bool), None, None)
            for j in at:
                chances[j] += share * alike / len(at)
            within = better is not None and any(first[x[j]] for j in at)
            below = better if within else worse
            if below is None:
                return chances
            place = np.cumsum(first == within) - 1
            x = [int(place[y]) if y >= 0 and first[y] == within else -1 for y in x]
            share, tree = share * (1 - alike), below

    @cached_property
    def pair(self) -> PairChoice | None:
        """The choice between two drafts without cuts, where there is one."""
        mass = self.hits.q.sum(axis=1)
        if len(mass) != 2 or not (mass > 0).all() or self.first is not None:
            return None
        alone = self.hits.missed[::-1] @ self.hits.q
        both = (self.b - alone) / (mass[0] * mass[1])
        return pairs.split(self.hits.q / mass[:, None], np.maximum(both, both * 0), self.hits.slack)

    @cached_property
    def cut(self) -> Cut | None:
        """The cut in two; None where all drafts are taken alike."""
        even = self.hits.evenly
        if self.first is not None:
            return self._parts(even[0] * 0, self.first, self.b)
        way = self.b - even
        if abs(way).sum() <= 8 * self.hits.slack:
            return None
        over: BoolArray | None = way > 0
        A = over
        while over is not None:
            A = over
            far = (self.hits.any(A) - even[A].sum()) / way[A].sum()
            b = even + far * way
            over = self.hits.broken(b)
            over = None if over is None or over.all() or not way[over].sum() > 0 else over
        assert A is not None
        if A.all() or not A.any():  # b is that of all alike but for rounding
            return None
        return self._parts(1 - 1 / max(far, far * 0 + 1), A, b)  # below 1 by rounding alone

    def _parts(self, alike: Any, A: BoolArray, b: NumpyArray) -> Cut:
        better, worse = SetTree(self.hits.inside(A), b[A]), SetTree(self.hits.behind(A), b[~A])
        return Cut(alike, A, better, worse)


@dataclass(frozen=True)
class Chosen:
    """What the rule knows of rows (p, q) before it sees drafts.

    Examples
    --------
    >>> q = [np.array([[0.75, 0.25]]), np.array([[0.25, 0.75]])]
    >>> prepare(np.array([[0.875, 0.125]]), q).acceptance.round(4).tolist()
    [0.9375]
    """

    trees: list[SetTree]
    """[B] how one draft is chosen."""
    accept: Array
    """[B, V] min(1, p/b), the probability to accept a chosen token."""
    residual: Array
    """[B, V] (p - b)+ divided by its sum."""
    acceptance: Array
    """[B] sum of min(p, b)."""

    __eq__ = equal_fields

    def choose(self, x: Array) -> Array:
        """Return the probability [B, k] to choose each draft of x [B, k]."""
        rows = as_numpy(x).tolist()
        trees = self.trees * (len(rows) if len(self.trees) == 1 else 1)
        table = np.empty(x.shape, dtype=trees[0].b.dtype if trees else np.float64)
        for place, (tree, row) in enumerate(zip(trees, rows, strict=True)):
            table[place] = tree.choose(row)
        return table if table.dtype == object else array_namespace(x).asarray(table, device=device(x))


def prepare(p: Array, q: Sequence[Array]) -> Chosen:
    """Find the best b of each row, on the CPU, in rationals or in float64; the trees open as drafts ask for them.

    Parameters
    ----------
    p : [B, V] or [1, V]
        Target distributions, of any array library.
    q : k of [B, V] or [1, V]
        The drafters' distributions.

    Returns
    -------
    Chosen
        B rows.

    Examples
    --------
    >>> q = [np.array([[0.75, 0.25]]), np.array([[0.25, 0.75]])]
    >>> prepare(np.array([[0.875, 0.125]]), q).choose(np.array([[0, 1]])).tolist()
    [[1.0, 0.0]]
    """
    target, drafts = by_row(p, q)
    done = [best_chosen(row, each) for row, each in zip(target, drafts, strict=True)]
    trees = [_root(first, b, each) for (first, b), each in zip(done, drafts, strict=True)]
    b = np.stack([b for _, b in done]) if done else target
    return Chosen(trees, *judged(p, target, b))


def _root(first: BoolArray, b: NumpyArray, q: NumpyArray) -> SetTree:
    return SetTree(Hits(q, q[:, 0] * 0), b, first if first.any() and not first.all() else None)
