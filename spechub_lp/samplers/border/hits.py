"""Drafts of different drafters as a game of sets: who can be hit, and the best distribution of a chosen draft (T20).

One row at a time, in rationals or float64. No better token was hit; draft j is token y with q_j(y), or worse than all
of these with `missed`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp._array.convert import as_float64, as_numpy
from spechub_lp._array.ops import normalize, some
from spechub_lp.drafts._different import optimal_tokens, search_error
from spechub_lp.samplers.border.preparation import against
from spechub_lp.typing import Array, BoolArray, NumpyArray


@dataclass(frozen=True)
class Hits:
    """The drafts of k drafters among n tokens, where no better token was hit.

    Examples
    --------
    >>> hits = Hits(np.array([[0.5, 0.25], [0.25, 0.25]]), np.array([0.25, 0.5]))
    >>> [float(hits.any(np.array(A))) for A in ([True, False], [True, True])]
    [0.625, 0.875]
    """

    q: NumpyArray
    """[k, n] the drafters' probabilities."""
    missed: NumpyArray
    """[k] the probabilities of what is worse than all n tokens."""

    def any(self, A: BoolArray) -> Any:
        """Compute f(A), the probability that some draft is in A [n]."""
        return self._all - self._product(self.missed + self.q[:, ~A].sum(axis=1))

    @cached_property
    def slack(self) -> float:
        """How far sums of these may be off: 0 in rationals."""
        return 0 if self.q.dtype == object else search_error(self.q.shape[1] + 1)

    @cached_property
    def evenly(self) -> Any:
        """[n] distribution of the chosen draft where all drafts that hit are chosen alike; it sums to f(all)."""
        mass, b = self.q.sum(axis=1), self.q[0] * 0
        for j, row in enumerate(self.q):
            count = [mass[0] * 0 + 1]  # of the other drafts that hit
            for miss, hit in zip(np.delete(self.missed, j), np.delete(mass, j), strict=True):
                count = [a * miss + b * hit for a, b in zip([*count, 0], [0, *count], strict=True)]
            b = b + row * sum(chance / (others + 1) for others, chance in enumerate(count))
        return b

    def broken(self, b: NumpyArray) -> BoolArray | None:
        """The set A [n] by which b(A) exceeds f(A) the most, if there is one; a certified search (T20)."""
        nil = b[:1] * 0
        H = optimal_tokens(np.append(nil, b), np.concatenate([self.missed[:, None], self.q], axis=1))
        A = ~H[1:]
        return A if b[A].sum() > self.any(A) + self.slack else None

    def inside(self, A: BoolArray) -> "Hits":
        """The game within A, which was hit."""
        return Hits(self.q[:, A], self.missed + self.q[:, ~A].sum(axis=1))

    def behind(self, A: BoolArray) -> "Hits":
        """The game of the others, where A was not hit."""
        return Hits(self.q[:, ~A], self.missed)

    @cached_property
    def _all(self) -> Any:
        return self._product(self.missed + self.q.sum(axis=1))

    @staticmethod
    def _product(masses: NumpyArray) -> Any:
        return np.multiply.reduce(masses, dtype=masses.dtype)


def best_chosen(p: NumpyArray, q: NumpyArray) -> tuple[BoolArray, NumpyArray]:
    """Find a best distribution b of the chosen draft: b <= p on the tokens that go first, b >= p on the others.

    On the tokens outside an optimal H, b is p cut at a multiple of one density; in H it is p raised to a multiple of
    one. The multiple is the largest for which b(A) <= f(A) for all A. The tokens of a set where the two are equal stay
    as they are, and the others go on.

    Parameters
    ----------
    p : [V]
        Target distribution, in rationals or float64.
    q : [k, V]
        The drafters' distributions.

    Returns
    -------
    first [V], b [V]
        Which tokens go first (those outside H), and b, which sums to 1; sum min(p, b) is the optimum.

    Examples
    --------
    >>> p, q = np.array([0.6, 0.3, 0.1]), np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    >>> first, b = best_chosen(p, q)
    >>> first.tolist(), b.round(3).tolist(), round(float(np.minimum(p, b).sum()), 3)
    ([True, False, False], [0.28, 0.455, 0.265], 0.68)
    """
    first, b = ~optimal_tokens(p, q), p * 0
    whole = Hits(q, q[:, 0] * 0)
    if first.any():
        b[first] = _filled(whole.inside(first), p[first] * 0, p[first])
    if not first.all():
        b[~first] = _filled(whole.behind(first), p[~first], None)
    return first, b


def _filled(hits: Hits, low: NumpyArray, high: NumpyArray | None) -> NumpyArray:
    """[n] the rising multiple of a density, held between low and high, stopped set by set where b(A) = f(A)."""
    b, density, left = low * 0, hits.evenly, np.arange(len(low))
    while len(left):
        over: BoolArray | None = np.ones(len(left), dtype=bool)
        while over is not None:
            A = over
            level = _level(density[left[A]], low[left[A]], None if high is None else high[left[A]], hits.any(A))
            held: Any = np.maximum(level * density[left], low[left])
            held = held if high is None else np.minimum(held, high[left])
            over = hits.broken(held)
            over = None if over is None or (over == A).all() else over
        b[left[A]] = held[A]
        left, hits = left[~A], hits.behind(A)
    return b


def _level(density: NumpyArray, low: NumpyArray, high: NumpyArray | None, wanted: Any) -> Any:
    """The multiple at which the held density sums to `wanted`: a sort, and a piece of a piecewise linear sum."""
    can = density > 0
    if not can.any():
        return wanted * 0
    fixed = low[~can].sum()
    density, bend = density[can], (low if high is None else high)[can]
    order = np.argsort(bend / density, kind="stable")
    density, bend = density[order], bend[order]
    at = bend / density
    below = np.append(density[:1] * 0, np.cumsum(density))
    before = np.append(bend[:1] * 0, np.cumsum(bend))
    if high is None:  # bends upwards: from low to the multiple
        sums = fixed + at * below[1:] + (before[-1] - before[1:])
        i = max(int(np.searchsorted(sums, wanted, side="right")), 1)
        return (wanted - fixed - (before[-1] - before[i])) / below[i]
    sums = before[1:] + at * (below[-1] - below[1:])
    i = int(np.searchsorted(sums, wanted, side="left"))
    return at[-1] if i == len(at) else (wanted - before[i]) / (below[-1] - below[i])


def by_row(p: Array, q: Sequence[Array]) -> tuple[NumpyArray, NumpyArray]:
    """Lay out distributions on the CPU, in rationals or float64, each divided by its sum.

    Parameters
    ----------
    p : [B, V] or [1, V]
        Target distributions, of any array library.
    q : k of [B, V] or [1, V]
        The drafters' distributions.

    Returns
    -------
    p [B, V], q [B, k, V]

    Examples
    --------
    >>> p, q = by_row(np.array([[3.0, 1.0]]), [np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [1.0, 1.0]])])
    >>> p.shape, q[1].tolist()
    ((2, 2), [[1.0, 0.0], [0.5, 0.5]])
    """
    rows = [as_float64(some(a)) for a in (p, *q)]
    target, *drafts = np.broadcast_arrays(*(as_numpy(normalize(row, row)) for row in rows))
    return target, np.stack(drafts, axis=1)


def judged(like: Array, p: NumpyArray, b: NumpyArray) -> list[Array]:
    """Verify tokens of distribution b against p, in the namespace, on the device and in the precision of given rows.

    Parameters
    ----------
    like : [B, V]
        float64 rows keep float64, all others get float32; rationals stay as they are.
    p, b : [B, V]
        Target, and the distribution of the chosen draft.

    Returns
    -------
    [B, V], [B, V], [B]
        min(1, p/b); (p - b)+ divided by its sum; the sum of min(p, b), in float64.

    Examples
    --------
    >>> p, b = np.array([[0.75, 0.25]]), np.array([[0.25, 0.75]])
    >>> [table.dtype.name for table in judged(np.zeros((1, 2), dtype=np.float16), p, b)]
    ['float32', 'float32', 'float64']
    """
    like, tables = some(like), against(p, b)
    if like.dtype == object:
        return [*tables]
    xp = array_namespace(like)
    short = like.dtype if like.dtype == xp.float64 else xp.float32
    accept, residual, acceptance = (xp.asarray(a, device=device(like)) for a in tables)
    return [xp.astype(accept, short), xp.astype(residual, short), acceptance]
