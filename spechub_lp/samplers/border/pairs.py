"""Choose between two drafts of two drafters with a given distribution b, without iteration (T20).

If x, draft 1, is chosen with probability r_1(x) and y, draft 2, with r_2(y), then b = q_1 r_1 + q_2 r_2. A choice that
looks at both drafts exists for r_1 and r_2 if and only if (Gale and Ryser, for two distributions)

    phi(X) + psi(Y) >= X Y   for all X, Y in [0, 1],

where phi cumulates r_1 over q_1, the smallest first, and psi cumulates r_2 over q_2.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from spechub_lp.samplers.border.merge_tree import MergeTree, merge
from spechub_lp.typing import NumpyArray

SPLITS = 8
"""How often b is split anew between the drafters before the set of pairs is cut in two."""


@dataclass(frozen=True)
class PairChoice:
    """Choose draft x of drafter 1 or y of drafter 2.

    Row x of the table of choices takes the columns of the smallest r_2, as many as r_1(x) says. A mixture over nested
    partitions of the columns then makes the column sums what r_2 says, and leaves the rows as they are.

    Examples
    --------
    >>> q = np.array([[0.5, 0.5], [0.25, 0.75]])
    >>> choice = split(q, np.array([0.5, 0.5]))
    >>> [[round(float(choice.first(x, y)), 3) for y in (0, 1)] for x in (0, 1)]
    [[0.417, 0.75], [0.25, 0.45]]
    """

    r: NumpyArray
    """[n] r_1."""
    rank: NumpyArray
    """[n] place of each token among the columns, by rising r_2; tokens that drafter 2 cannot draft are no columns."""
    edge: NumpyArray
    """[m + 1] q_2, cumulated over the columns."""
    merged: MergeTree
    """The mixture over nested partitions of the m columns."""

    def first(self, x: int, y: int) -> Any:
        """Compute the probability that x is chosen and not y."""
        merged, path = self.merged, [int(self.merged.leaf[self.rank[y]])]
        while (up := self._parents[path[-1]]) >= 0:
            path.append(up)
        left, right = self.edge[merged.first[path]], self.edge[merged.end[path]]
        r, nil, whole = self.r[x], self.r[:1] * 0, self.r[:1] * 0 + 1
        levels = np.append(merged.formed[path[1:]], whole) - merged.formed[path]
        shares = np.minimum(np.maximum((r - left) / (right - left), nil), whole)
        return (levels * shares).sum()

    @cached_property
    def _parents(self) -> list[int]:
        parents: list[int] = self.merged.parent.tolist()
        return parents


def split(q: NumpyArray, b: NumpyArray, slack: float = 0) -> PairChoice | None:
    """Find a choice between two drafts whose token has the distribution b.

    1. Split b between the drafters where the line q_1(y) r_1 + q_2(y) r_2 = b(y) of each token meets one rising curve
       from (0, 0) to (1, 1): a straight one at first.
    2. If phi(X) + psi(Y) < X Y somewhere, take the curve through the masses (q_2(H), q_1(H)) of the sets H that the
       old curve meets first, one after the other, and split again.

    Parameters
    ----------
    q : [2, n]
        The drafters' distributions, in rationals or float64.
    b : [n]
        Distribution of the chosen draft, with b(A) <= 1 - (1 - q_1(A)) (1 - q_2(A)) for all A.
    slack
        How far sums may be off.

    Returns
    -------
    PairChoice or None
        None where `SPLITS` curves do not do.

    Examples
    --------
    >>> split(np.array([[0.5, 0.5], [0.25, 0.75]]), np.array([0.9, 0.1])) is None  # no choice has this b
    True
    """
    nil = b[0] * 0
    curve = np.array([[nil, nil + 1], [nil, nil + 1]])
    for _ in range(SPLITS):
        r = _meet(curve, q, b)
        choice = _table(q, r, slack)
        if choice is not None:
            return choice
        curve = _masses(q, r)
    return None


def _meet(curve: NumpyArray, q: NumpyArray, b: NumpyArray) -> NumpyArray:
    """[2, n] where the line q_1 r_1 + q_2 r_2 = b of each token meets a rising polygon [2, m]."""
    low, high = np.zeros(len(b), dtype=np.int64), np.full(len(b), curve.shape[1] - 1)
    while (high - low > 1).any():
        middle = (low + high) // 2
        below = (q * curve[:, middle]).sum(axis=0) <= b
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    start, end = curve[:, low], curve[:, high]
    climb = (q * (end - start)).sum(axis=0)
    way = (b - (q * start).sum(axis=0)) / np.where(climb > 0, climb, climb + 1)
    way = np.minimum(np.maximum(way, way * 0), way * 0 + 1)
    return np.asarray(start + way * (end - start))


def _masses(q: NumpyArray, r: NumpyArray) -> NumpyArray:
    """[2, m] the points (q_2(H), q_1(H)), H the tokens at or below a point of the curve that r lies on."""
    along = r.sum(axis=0)
    order = np.argsort(along, kind="stable")
    points = np.cumsum(q[::-1, order], axis=1)
    last = np.append(along[order][1:] > along[order][:-1], [True])
    points = np.concatenate([points[:, :1] * 0, points[:, last]], axis=1)
    points[:, -1] = points[:, -1] * 0 + 1
    return points


def _table(q: NumpyArray, r: NumpyArray, slack: float) -> PairChoice | None:
    """The choice with these r_1 and r_2 [2, n], if there is one."""
    rows = np.argsort(r[0], kind="stable")
    columns = np.argsort(r[1], kind="stable")
    columns = columns[q[1, columns] > 0]
    edge = np.append(q[1, :1] * 0, np.cumsum(q[1, columns]))
    height, mass = r[0, rows], q[0, rows]
    at = np.searchsorted(height, edge, side="right")
    held, over = (np.append(mass[:1] * 0, np.cumsum(a)) for a in (mass * height, mass))
    F = held[at] + edge * (over[-1] - over[at])  # what the rows fill of the columns up to an edge
    density = 1 - r[1, columns]
    B = np.append(edge[:1] * 0, np.cumsum(q[1, columns] * density))
    if (B > F + slack).any() or abs(B[-1] - F[-1]) > slack:
        return None
    rank = np.full(len(r[0]), -1)
    rank[columns] = np.arange(len(columns))
    return PairChoice(r[0], rank, edge, merge(q[1, columns], np.diff(F), density))
