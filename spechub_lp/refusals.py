"""How often recursive rejection without replacement (RRSw) refuses all of its k drafts, given p and q.

Write E(c) = sum_y (p(y) - c q(y))+. After j refusals the need is (p - c_j q)+ / E(c_j), whatever was drafted, with

    c_0 = 0,    c_(j+1) = c_j + E(c_j) / (1 - q(x_1) - ... - q(x_j)),

because a refused token is one that is needed no more: taking it out of q changes only the scale of the offer. So

    Pr[draft j+1 is refused | x_1..x_j]  =  E(c_(j+1)) / E(c_j)
    Pr[it is x, and refused | x_1..x_j]  =  s q(x) - [(p - c_j q)+(x) - (p - c_(j+1) q)+(x)] / E(c_j),

s = 1 / (1 - q(x_1) - ... - q(x_j)).

The drafts matter through the sum of their q alone. Tokens are put into classes of equal or similar q; all but the last
draft run over the classes, each standing at its mean q, and E is a binary search in sums of the tokens sorted by p/q.
The error is of second order in the width of a class; with a class for each token there is none.
"""

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp.otm.prefix import falling
from spechub_lp.tuples import as_float64

Array = Any

CLASSES = {1: 128, 2: 512, 3: 128, 4: 48}
"""Classes of tokens in float rows, by k; half of them for the heaviest tokens, one each. Worst error on 15 rows of
SmolLM2 (V = 49,152) at T = 0.3, 1 and 2: below 1e-13 with two drafts, 1e-9 with three, 1e-8 with four."""
FAINT = 1e-5
"""Float tokens of smaller q are one class: they change the scale of the next offer by no more than this."""
NOTHING = 1e-13
"""A sum of floats that should have come down to 0, over what it was."""


def all_refused(p: Array, q: Array, k: int) -> Array:
    """Pr[all k drafts are refused] [B] for rows p, q [B, V] or [1, V] of any namespace, and k of CLASSES.

    The rows are worked on one at a time on the CPU, in rationals or in float64.
    """
    xp, rows = array_namespace(p), max(p.shape[0], q.shape[0])
    targets, drafts = (np.broadcast_to(as_float64(a), (rows, a.shape[1])) for a in (p, q))
    out = np.asarray([_row(target, draft, k) for target, draft in zip(targets, drafts, strict=True)])
    return out if out.dtype == object else xp.asarray(out, dtype=p.dtype, device=device(p))


def _row(p: Array, q: Array, k: int) -> Any:
    order, n = falling(p, q)
    never, p, q = p[order[n:]].sum() + p[0] * 0, p[order[:n]], q[order[:n]]
    if not n:
        return never
    tokens = _Tokens(p, q, never, _classes(q, k))
    weight, c, top, rest = (np.asarray([p[0] * 0 + a]) for a in (1, 0, tokens.top, tokens.rest))
    drawn: list[tuple[Array, Array]] = []
    lost = p[0] * 0
    for _ in range(k - 1):
        before, left = tokens.excess(c), top + rest
        after = c + _over(before, left)
        mass, moment = tokens.refused(c, after, before, left)
        for at, value in drawn:
            here = np.arange(len(at))
            mass[here, at] -= _over(value, left)
            moment[here, at] -= _over(value * value, left)
        lost += weight[(before > 0) & ~(left > 0)].sum()  # q is used up: the same token is drafted again, and refused
        state, at = np.nonzero((mass > 0) & (before > 0)[:, None])
        value = tokens.within(at, moment[state, at] / mass[state, at])
        weight, c, top = weight[state] * mass[state, at], after[state], np.where(at == tokens.heaviest, 0, top[state])
        rest = rest[state] - np.where(at == tokens.heaviest, 0, value)
        rest = np.where(rest > (0 if rest.dtype == object else NOTHING * tokens.rest), rest, p[0] * 0)
        drawn = [(a[state], v[state]) for a, v in drawn] + [(at, value)]
    before = tokens.excess(c)
    return lost + (weight * _over(tokens.excess(c + _over(before, top + rest)), before)).sum()


class _Tokens:
    """The tokens of one row by falling p/q, and the sums over them, in all and by class."""

    def __init__(self, p: Array, q: Array, never: Any, kind: Array):
        self.never, self.n = never, len(q)
        self.falling = -p / q
        self.p, self.q = (_prefix(a) for a in (p, q))
        order = np.argsort(kind, kind="stable")  # lightest class first: its sums are not rounded by heavy ones
        self.keys = kind[order].astype(np.int64) * (self.n + 1) + order
        self.sums = [_prefix(a[order]) for a in (p, q, p * q, q * q)]
        starts = np.flatnonzero(np.diff(kind[order], prepend=-1))
        self.kinds = len(starts)
        self.bounds = np.append(starts, self.n)
        self.least, self.most = (f.reduceat(q[order], starts) for f in (np.minimum, np.maximum))
        self.heaviest = self.kinds - 1
        self.top, self.rest = self.most[-1], q[order[:-1]].sum() + q[0] * 0

    def excess(self, c: Array) -> Array:
        """E(c) [S]."""
        at = np.searchsorted(self.falling, -c)
        return np.maximum(self.never + self.p[at] - c * self.q[at], self.never * 0)

    def refused(self, c: Array, after: Array, before: Array, left: Array) -> tuple[Array, Array]:
        """Of the next draft, by class: Pr[it is in the class, and refused] [S, kinds], and the same times its q."""
        low, high = self.bounds[:-1], self.bounds[1:]
        served = [0, 0]
        for sign, level in ((1, c), (-1, after)):
            rank = np.searchsorted(self.falling, -level)
            at = np.searchsorted(self.keys, np.arange(self.kinds) * (self.n + 1) + rank[:, None])
            p, q, pq, qq = (a[at] - a[low] for a in self.sums)
            served[0] = served[0] + sign * (p - level[:, None] * q)
            served[1] = served[1] + sign * (pq - level[:, None] * qq)
        offers = (self.sums[1][high] - self.sums[1][low], self.sums[3][high] - self.sums[3][low])
        mass, moment = (
            _over(offer[None], left[:, None]) - _over(kept, before[:, None])
            for offer, kept in zip(offers, served, strict=True)
        )
        return mass, moment

    def within(self, kind: Array, value: Array) -> Array:
        """A mean of a class, held between its least and its largest q."""
        return np.minimum(np.maximum(value, self.least[kind]), self.most[kind])


def _classes(q: Array, k: int) -> Array:
    """[V] class of each token, lightest first; the heaviest token is alone in the last one."""
    n = len(q)
    most = n if q.dtype == object else CLASSES[k]
    if n <= most:
        return np.argsort(np.argsort(q, kind="stable"))
    alone = most // 2
    heavy = np.argpartition(q, n - alone)[n - alone :]
    heavy = heavy[np.argsort(q[heavy])]
    edges = np.geomspace(FAINT, max(q[heavy[0]], 2 * FAINT), most - alone)
    kind: Array = np.searchsorted(edges, q)
    kind[heavy] = len(edges) + 1 + np.arange(alone)
    used = np.bincount(kind) > 0
    return (np.cumsum(used) - 1)[kind].astype(np.int16)  # few and small: a stable sort is a count


def _prefix(a: Array) -> Array:
    return np.append(a[:1] * 0, np.cumsum(a))


def _over(a: Array, b: Array) -> Array:
    """a / b, and 0 where b is 0."""
    return np.where(b > 0, a / np.where(b > 0, b, b * 0 + 1), a * 0)
