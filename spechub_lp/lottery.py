"""Border's preparation: for each row of (p, q) an order of the tokens, the law of the chosen draft, and the lottery over
nested ironings that makes it; then which draft a tuple chooses, O(k log k) a tuple whatever the vocabulary."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp.ironing import Ironing, iron, wanted
from spechub_lp.otm.prefix import best_draft
from spechub_lp.rows import columns, normalise, positive, share
from spechub_lp.tuples import as_float64

Array = Any

FAINTEST = 1e-307
"""A float q below this is taken for 0: its reciprocal may overflow. Such a token is drafted with that probability."""

WINDOW = 32


@dataclass(frozen=True)
class Lottery:
    """What Border knows of rows (p, q) before it sees drafts. Rationals, or float64 whatever the dtype of p and q."""

    rank: Array
    """[B, V] place of each token by p/q falling; tokens that q cannot draft come last."""
    death: Array
    """[B, V] level at which the boundary before the token of that rank dies."""
    ahead: Array
    """[B, V] integral from that level to 1 of q(better blocks) / q(own block)."""
    law: Array
    """[B, V] b: the law of the chosen draft, by token, as this lottery makes it (not as it was wanted)."""
    p: Array
    """[B, V] the target, divided by its sum."""
    q: Array
    """[B, V] the draft law, divided by its sum."""
    trees: tuple[Ironing, ...]
    """[B] the nested ironings, by rank."""

    def served(self) -> Array:
        """[B] sum of min(p, b), the acceptance."""
        xp = array_namespace(self.p)
        return xp.sum(self.p - positive(self.p - self.law), axis=-1)


def prepare(policy: Any, p: Array, q: Array, k: int) -> Lottery:
    """Sort, cut, hold p/q between two levels, iron: O(V log V) a row. p, q [B, V] or [1, V]; any namespace.

    The rows are worked on one at a time by the CPU, in rationals or in float64.
    """
    xp, rows = array_namespace(p, q), max(p.shape[0], q.shape[0])
    targets, drafts = (normalise(as_float64(a)) for a in (p, q))
    targets, drafts = (np.broadcast_to(a, (rows, a.shape[1])) for a in (targets, drafts))
    done = [_row(policy, a, b, k) for a, b in zip(targets, drafts, strict=True)]
    *tables, trees = zip(*done, strict=True)
    arrays = [np.stack(table) for table in (*tables, targets, drafts)]
    if p.dtype != object:
        arrays = [xp.asarray(a, device=device(p)) for a in arrays]
    return Lottery(*arrays, trees)


def _row(policy: Any, p: Array, q: Array, k: int) -> tuple[Array, Array, Array, Array, Ironing]:
    order, n = falling(p, q)
    best_first = order[:n]
    f = best_draft(policy, q[best_first], k)
    tree = iron(q[best_first], f, wanted(p[best_first], q[best_first], f))
    rank = np.empty(len(q), dtype=np.int64)
    rank[order] = np.arange(len(q))
    death, ahead, law = q * 0 + 1, q * 0, q * 0
    death[:n], ahead[:n] = tree.death, tree.ahead
    law[best_first] = tree.density * q[best_first]
    return rank, death, ahead, law, tree


def falling(p: Array, q: Array) -> tuple[Array, int]:
    """Tokens [V] by p/q falling, those that q cannot draft last, and how many it can."""
    drafted = q > (0 if q.dtype == object else FAINTEST)
    can, cannot = np.flatnonzero(drafted), np.flatnonzero(~drafted)
    ratio = p[can] / q[can]
    if q.dtype == object:
        can = np.asarray(sorted(range(len(can)), key=lambda i: -ratio[i]), dtype=np.int64)[...]
        can = np.flatnonzero(drafted)[can]
    else:
        can = can[np.argsort(-ratio)]
    return np.concatenate((can, cannot)), len(can)


def by_block(death: Array, rank: Array) -> tuple[Array, Array]:
    """For drafts of the given ranks [B, k] (rows of `death` [B, V] or [1, V]): the drafts by rank [B, k], and the level
    [B, k] up to which the s + 1 best of them are not all in one block; 0 for the best alone."""
    xp = array_namespace(rank)
    order = xp.argsort(rank, axis=-1, stable=True)
    ranks = xp.take_along_axis(rank, order, axis=-1)
    highest = Highest(death)
    apart = [highest(ranks[:, 0], ranks[:, 0])]
    for s in range(1, rank.shape[1]):
        gap = highest(ranks[:, s - 1], ranks[:, s])
        apart.append(xp.where(gap > apart[-1], gap, apart[-1]))
    return order, columns(*apart)


def earliest(order: Array, apart: Array) -> Array:
    """Probability [B, k] that each draft is the earliest drawn of the best block that was hit, over all levels."""
    xp = array_namespace(order)
    k = order.shape[1]
    slot = xp.arange(k, device=device(order))[None, :]
    first, choose = order[:, 0], apart * 0
    for s in range(k):
        first = xp.where(order[:, s] < first, order[:, s], first)
        until = apart[:, s + 1] if s + 1 < k else apart[:, 0] * 0 + 1
        choose = xp.where(slot == first[:, None], choose + (until - apart[:, s])[:, None], choose)
    return choose


class Highest:
    """Maximum of a[b, i + 1 : j + 1] for any i <= j, in O(1) after O(V): windows of 32 at both ends, and a table of
    powers of two over the blocks of 32 between them. 0 for an empty range, so a >= 0."""

    def __init__(self, a: Array):
        xp = array_namespace(a)
        self.a, self.size = a, a.shape[1]
        blocks = self.size // WINDOW
        level = xp.max(xp.reshape(a[:, : blocks * WINDOW], (a.shape[0], blocks, WINDOW)), axis=-1) if blocks else a
        self.levels = [level]
        while 2 ** len(self.levels) <= blocks:
            half = 2 ** (len(self.levels) - 1)
            left, right = level[:, :-half], level[:, half:]
            level = xp.where(left > right, left, right)
            self.levels.append(level)

    def __call__(self, i: Array, j: Array) -> Array:
        xp = array_namespace(i)
        lo, hi = i + 1, j + 1
        steps = xp.arange(min(WINDOW, self.size), device=device(i))[None, :]
        at = xp.concat([lo[:, None] + steps, hi[:, None] - 1 - steps], axis=1)
        inside = (at >= lo[:, None]) & (at < hi[:, None])
        seen = _take(self.a, xp.where(inside, at, 0))
        best = xp.max(xp.where(inside, seen, seen * 0), axis=-1)
        first, end = (lo + WINDOW - 1) // WINDOW, hi // WINDOW
        for power, level in enumerate(self.levels):
            count = end - first
            fits = (count >= 2**power) & (count < 2 ** (power + 1))
            if self.size < WINDOW or not bool(xp.any(fits)):
                continue
            ends = columns(xp.where(fits, first, 0), xp.where(fits, end - 2**power, 0))
            seen = xp.max(_take(level, ends), axis=-1)
            best = xp.where(fits & (seen > best), seen, best)
        return best


def _take(a: Array, at: Array) -> Array:
    """a[b, at[b]]: [B, V] or [1, V], [B, m] -> [B, m]."""
    xp = array_namespace(a)
    return a[0][at] if a.shape[0] == 1 else xp.take_along_axis(a, at, axis=-1)


def kept(lottery: Lottery) -> tuple[Array, Array]:
    """Naive verification of the chosen draft against its own law: the probability [B, V] to keep each token, and
    the law [B, V] of the output when it is refused."""
    return share(lottery.p, lottery.law), normalise(positive(lottery.p - lottery.law))
