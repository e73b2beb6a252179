"""How often recursive rejection without replacement (RRSw) rejects all of its k drafts, given p and q.

Write E(g) = E_g(p, q) = sum_y (p(y) - g q(y))+, the hockey-stick divergence. After j rejections the residual is
(p - g_j q)+ / E(g_j), whatever was drafted, with

    g_0 = 0,    g_(j+1) = g_j + E(g_j) / (1 - q(x_1) - ... - q(x_j)),

because a rejected token has no residual: taking it out of q changes only the scale of the proposal. So

    Pr[draft j+1 is rejected | x_1..x_j]  =  E(g_(j+1)) / E(g_j)
    Pr[it is x, and rejected | x_1..x_j]  =  s q(x) - [(p - g_j q)+(x) - (p - g_(j+1) q)+(x)] / E(g_j),

s = 1 / (1 - q(x_1) - ... - q(x_j)).

The drafts matter through the sum of their q alone. Tokens are put into classes of equal or similar q; all but the last
draft run over the classes, each standing at its mean q, and E is a binary search in sums of the tokens sorted by p/q.
The error is of second order in the width of a class; with a class for each token there is none.

What is left of q is the sum over the classes of what is left of each, never 1 less what was drafted: at a low
temperature one draft may hold all of q but 1e-30, and the next one all of that but 1e-30 again.
"""

from collections.abc import Iterable, Iterator
from math import ceil, log
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp._array.convert import as_float64
from spechub_lp._array.ops import others
from spechub_lp.drafts._best_draft import falling, scaled
from spechub_lp.typing import Array

CLASSES = {1: 128, 2: 512, 3: 128, 4: 48}
"""Classes of tokens in float rows, by k; half of them for the heaviest tokens, one each. Worst error on 15 rows of
SmolLM2 (V = 49,152) at T = 0.3, 1 and 2: below 1e-13 with two drafts, 1e-9 with three, 1e-8 with four."""
WIDEST = {1: 1.2, 2: 1.2, 3: 1.2, 4: 1.4}
"""Largest over least q of a class, by k; a row of many scales gets more classes than usual."""
FAINT = 1e-5
"""Float tokens of smaller q, over what all but the k - 1 heaviest hold, are one class: whatever was drafted, they
change the scale of the next proposal by no more than this."""
NEGLIGIBLE = 1e-14
"""Probability of the draft tuples of float rows that are left out, for each draft."""
ROUNDING = 1e-15
"""An E(g) of floats below this is 0. Drafts that lead to such a g are rejected with no more probability than that."""


def all_rejected(p: Array, q: Array, k: int) -> Array:
    """Compute Pr[all k drafts are rejected]; the rows are worked on one at a time on the CPU.

    Parameters
    ----------
    p, q : [B, V] or [1, V]
        Target and draft distributions of any array library, in rationals or floats.
    k
        Number of drafts, a key of CLASSES.

    Returns
    -------
    [B]
        The probabilities, in rationals or float64.

    Examples
    --------
    >>> p, q = np.array([[0.0, 0.2, 0.8]]), np.array([[0.6, 0.3, 0.1]])
    >>> all_rejected(p, q, 2).round(4).tolist()
    [0.5357]
    """
    xp, rows = array_namespace(p), max(p.shape[0], q.shape[0])
    targets, drafts = (np.broadcast_to(as_float64(a), (rows, a.shape[1])) for a in (p, q))
    out = np.asarray([_row(target, draft, k) for target, draft in zip(targets, drafts, strict=True)])
    return out if out.dtype == object else xp.asarray(out, dtype=p.dtype, device=device(p))


def _row(p: Array, q: Array, k: int) -> Any:
    order, n = falling(p, q)
    never, p, q = p[order[n:]].sum() + p[0] * 0, p[order[:n]], scaled(q)[order[:n]]
    if not n:
        return never
    tokens = _Tokens(p, q, never, _classes(q, k))
    weight, g, lost = p[:1] * 0 + 1, p[:1] * 0, p[0] * 0
    held, moment, count = tokens.held[None], tokens.moment[None], tokens.count[None]
    left = held.sum(axis=1)
    for later in range(k - 2, -1, -1):
        before = tokens.hockey_stick(g)
        after = g + _over(before, left)
        mass, sized = tokens.rejected(g, after, before, (_over(a, left[:, None]) for a in (held, moment)))
        lost += weight[(before > 0) & ~(left > 0)].sum()  # q is used up: the same token is drafted again, and rejected
        likely = weight[:, None] * mass
        floor = 0 if p.dtype == object else NEGLIGIBLE / max(1, likely.shape[0] * likely.shape[1])
        state, at = np.nonzero((likely > floor) & (before > 0)[:, None] & (count > 0))
        value = tokens.within(at, sized[state, at] / mass[state, at])
        rest = tokens.rest(at, held[state, at] - value, count[state, at] - 1)
        weight, g, left = likely[state, at], after[state], others(held)[state, at] + rest
        if later:
            here = np.arange(len(at))
            held, moment, count = (a[state] for a in (held, moment, count))
            held[here, at] = rest
            moment[here, at] = np.maximum(moment[here, at] - value * (value / tokens.most[at]), rest * 0)
            count[here, at] -= 1
    before = tokens.hockey_stick(g)
    return lost + (weight * _over(tokens.hockey_stick(g + _over(before, left)), before)).sum()


class _Tokens:
    """The tokens of one row by falling p/q, and the sums over them, in all and by class."""

    def __init__(self, p: Array, q: Array, never: Any, kind: Array):
        self.never, self.n = never, len(q)
        self.falling = -p / q
        self.p, self.q = (_prefix(a) for a in (p, q))
        order = np.argsort(kind, kind="stable")  # lightest class first: its sums are not rounded by heavy ones
        self.keys = np.asarray(kind[order], dtype=np.int64) * (self.n + 1) + order
        starts = np.flatnonzero(np.diff(kind[order], prepend=-1))
        self.kinds = len(starts)
        self.bounds = np.append(starts, self.n)
        self.count = np.diff(self.bounds)
        self.held, self.least, self.most = (f.reduceat(q[order], starts) for f in (np.add, np.minimum, np.maximum))
        size = q / self.most[kind]
        self.sums = [_prefix(a[order]) for a in (p, q, p * size, q * size)]
        self.moment = np.add.reduceat((q * size)[order], starts)

    def hockey_stick(self, g: Array) -> Array:
        """E(g) [S] for g [S], by binary search; in floats 0 where it is below its rounding."""
        at = np.searchsorted(self.falling, -g)
        found = self.never + self.p[at] - g * self.q[at]
        result: Array = np.where(found > (0 if found.dtype == object else ROUNDING), found, found * 0)
        return result

    def rejected(self, g: Array, after: Array, before: Array, proposals: Iterable[Array]) -> Iterator[Array]:
        """Of the next draft, by class: Pr[it is in the class, and rejected] [S, kinds], and the same times its q.

        That q is over the largest q of the class. Proposals: the same two, whether the draft is rejected or not.
        """
        low = self.bounds[:-1]
        covered: list[Any] = [0, 0]  # arrays from the first step on
        for sign, level in ((1, g), (-1, after)):
            rank = np.searchsorted(self.falling, -level)
            at = np.searchsorted(self.keys, np.arange(self.kinds) * (self.n + 1) + rank[:, None])
            p, q, pq, qq = (a[at] - a[low] for a in self.sums)
            covered[0] = covered[0] + sign * (p - level[:, None] * q)
            covered[1] = covered[1] + sign * (pq - level[:, None] * qq)
        return (
            drafted - _over(accepted, before[:, None]) for drafted, accepted in zip(proposals, covered, strict=True)
        )

    def within(self, kind: Array, value: Array) -> Array:
        """A mean of a class, over its largest q, as a q between its least and its largest."""
        return np.minimum(np.maximum(value * self.most[kind], self.least[kind]), self.most[kind])

    def rest(self, kind: Array, value: Array, count: Array) -> Array:
        """What `count` tokens of a class may hold: value, within their bounds; nothing when there is none left."""
        found: Array = np.minimum(np.maximum(value, self.least[kind] * count), self.most[kind] * count)
        return found


def _classes(q: Array, k: int) -> Array:
    """[V] class of each token, lightest first, numbered without gaps."""
    n = len(q)
    most = n if q.dtype == object else CLASSES[k]
    if n <= most:
        return np.argsort(np.argsort(q, kind="stable"))
    alone = most // 2
    heavy = np.argpartition(q, n - alone)[n - alone :]
    heavy = heavy[np.argsort(q[heavy])]
    light = q.sum() if k == 1 else np.partition(q, n - k + 1)[: n - k + 1].sum()
    low, high = FAINT * light, q[heavy[0]]
    narrow = ceil(log(high / low) / log(WIDEST[k])) if high > low else 0
    edges = np.geomspace(low, high, max(most - alone, narrow)) if high > low else np.empty(0)
    kind: Array = np.searchsorted(edges, q)
    kind[heavy] = len(edges) + 1 + np.arange(alone)
    used = np.bincount(kind) > 0
    return (np.cumsum(used) - 1)[kind].astype(np.min_scalar_type(len(used)))  # of 16 bits, a stable sort is a count


def _prefix(a: Array) -> Array:
    return np.append(a[:1] * 0, np.cumsum(a))


def _over(a: Array, b: Array) -> Array:
    """a / b, and 0 where b is 0."""
    return np.where(b > 0, a / np.where(b > 0, b, b * 0 + 1), a * 0)
