"""Bets at full vocabulary: on the sets of tokens that outputs fall into, row after row.

The output of a lossless engine has distribution p, so each set A of tokens is hit with probability p(A), whatever the
row. A gambler bets that the odds of A are another multiple of what p gives them: the wealth of a fixed multiple is a
nonnegative martingale, and so is a mixture over ODDS, on every row and on all rows together. Acceptance is one more
set, which is hit with probability alpha* at most: there the gambler bets on larger odds only.

The sets are few and named (`sets`): their power is known, and a finding says where the bias is. A bias that moves
mass inside the sets only is not seen here, and no report claims that it would be.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from spechub_lp.typing import Array

ODDS = np.asarray([0, 0.2, 0.45, 0.67, 0.82, 0.9, 1.1, 1.22, 1.5, 2.2, 5, 60, 1e7])
"""Multiples of the odds of a set that are bet on; the first is that the set is never hit, the last that it is a bug."""
IMPOSSIBLE = -1e9
"""The log of 0, in sums where it may be multiplied by 0."""
ROBBINS = 100.0
"""The variance at which `radius` is tightest, in draws times 1/4: 400 draws."""


def sets(p: Array, q: Array) -> dict[str, Array]:
    """Return the sets that are watched on one row; the same names in every row of a vocabulary.

    Parameters
    ----------
    p
        [V] target distribution.
    q
        [V] draft distribution, or [k, V] of k drafters.

    Returns
    -------
    dict
        Name -> mask [V].

    Examples
    --------
    >>> sets(np.array([0.5, 0.25, 0.25]), np.array([0.2, 0.2, 0.6]))["tokens with p > 2 q"].tolist()
    [True, False, False]
    """
    V = len(p)
    ids = np.arange(V)
    q = q if q.ndim == 1 else np.mean(q, axis=0)
    powers = [2**j for j in range(4, 32) if 2**j < V][-6:]
    return {
        **{f"ids from {n:,} on": ids >= n for n in powers},
        "odd ids": ids % 2 == 1,
        "tokens with p < q / 2": 2 * p < q,
        "tokens with p < q": p < q,
        "tokens with p > 2 q": p > 2 * q,
        "the most likely token": ids == int(p.argmax()),
        "the most likely draft": ids == int(q.argmax()),
        **{f"tokens with p < 2^-{n}": p < 2.0**-n for n in (10, 14, 24)},
    }


ACCEPTED = "accepted drafts"


def _bits(masks: Sequence[Array]) -> Array:
    """[V] the masks of each token, one a bit."""
    bits = np.zeros(len(masks[0]), dtype=np.uint32)
    for n, mask in enumerate(masks):
        bits |= np.asarray(mask, dtype=np.uint32) << np.uint32(n)
    return bits


class Watch:
    """Bet on rows of one vocabulary. A row is a number; what came out is counted in blocks.

    Parameters
    ----------
    rows
        Of each row: p [V], q [V] or [k, V], and the most that may be accepted (None: acceptance is not watched).
    by_row
        Bet on each row too, not on all together only.

    Examples
    --------
    >>> p = np.array([0.5, 0.25, 0.25])
    >>> watch = Watch([(p, p, None)], by_row=False)
    >>> watch.update(0, [0] * 100, accepted=0)
    >>> wealth, rows, place = watch.richest()
    >>> wealth > 14, rows
    (True, [0])
    """

    def __init__(self, rows: Sequence[tuple[Array, Array, float | None]], by_row: bool):
        masks = [sets(np.asarray(p), np.asarray(q)) for p, q, _ in rows]
        self.names = [*masks[0], ACCEPTED]
        self.bits = [_bits(list(m.values())) for m in masks]
        chances = []
        for (p, _, most), m in zip(rows, masks, strict=True):
            distribution = np.asarray(p, dtype=np.float64)
            chances.append(
                [
                    *(float(distribution[mask].sum() / distribution.sum()) for mask in m.values()),
                    1.0 if most is None else most,
                ]
            )
        self.chance = np.clip(chances, 0.0, 1.0)  # [rows, sets]
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = 1 - self.chance[..., None] + ODDS * self.chance[..., None]
            self.hit, self.missed = (np.maximum(np.log(a), IMPOSSIBLE) for a in (ODDS / whole, 1 / whole))
        self.hit[self.chance == 1] = self.missed[self.chance == 1] = 0.0
        self.hit[:, -1, ODDS < 1] = self.missed[:, -1, ODDS < 1] = 0.0
        self.by_row = by_row
        self.n = np.zeros(len(rows), dtype=np.int64)
        self.hits = np.zeros(self.chance.shape, dtype=np.int64)

    @property
    def acceptance(self) -> int:
        """The place of accepted drafts among the sets: the last."""
        return len(self.names) - 1

    @property
    def tests(self) -> int:
        """How many bets are watched."""
        return (len(self.n) + 1 if self.by_row else 1) * len(self.names)

    def update(self, row: int, tokens: Sequence[int], accepted: int) -> None:
        """What came out of some calls on a row."""
        bits = self.bits[row][np.asarray(tokens)]
        self.n[row] += len(tokens)
        self.hits[row, :-1] += ((bits[:, None] >> np.arange(len(self.names) - 1)) & 1).sum(axis=0)
        self.hits[row, -1] += accepted

    def wealth(self, by_row: bool) -> Array:
        """[sets], or [rows, sets]: log wealth of the bets on all rows together, or on each."""
        left = self.n[:, None] - self.hits
        logs = self.hits[..., None] * self.hit + left[..., None] * self.missed
        return _log_mean(logs if by_row else logs.sum(axis=0))

    def richest(self) -> tuple[float, list[int], int]:
        """(log wealth, the rows it was bet on, the place of the set) of the best bet."""
        wealth = self.wealth(by_row=False)
        best = int(wealth.argmax())
        found = (float(wealth[best]), list(range(len(self.n))), best)
        if self.by_row:
            each = self.wealth(by_row=True)
            row, place = (int(at) for at in np.unravel_index(int(each.argmax()), each.shape))
            if each[row, place] > found[0]:
                found = (float(each[row, place]), [row], place)
        return found

    def counts(self, rows: Sequence[int], place: int) -> tuple[int, float, int]:
        """(hits, hits expected, calls) of a set on some rows."""
        n = self.n[rows]
        return int(self.hits[rows, place].sum()), float(self.chance[rows, place] @ n), int(n.sum())

    def bound(self, rows: Sequence[int], alpha: float) -> tuple[float, float]:
        """(seen, at most) of the distance on the worst set, over the calls on these rows."""
        at = list(rows)
        n = int(self.n[at].sum())
        if not n:
            return 1.0, 1.0
        off = (self.hits[at] - self.chance[at] * self.n[at, None]).sum(axis=0)[:-1]
        seen = float(np.abs(off).max()) / n
        return seen, min(1.0, seen + radius(n, alpha))

    def caught(self, alpha: float, power: float) -> float:
        """A shift of more mass than this, into or out of any of the sets, is found with this power.

        The shift is taken as one multiple of the odds in all rows. Its expected log wealth less z standard deviations
        must pass log(1/alpha); where even an empty (or a full) set does not, the set's mass itself is the answer.
        """
        if not self.n.sum():
            return 1.0
        z, line = NormalDist().inv_cdf(power), math.log(1 / alpha) + math.log(len(ODDS))
        worst, n = 0.0, self.n / self.n.sum()
        for place in range(len(self.names) - 1):
            chance = self.chance[:, place]
            gap = self.hit[:, place] - self.missed[:, place]  # [rows, odds]
            for way in (-1, 1):

                def shifted(size: float, chance: Array = chance, way: int = way) -> Array:
                    odds = math.exp(way * size)
                    return odds * chance / (1 - chance + odds * chance)

                def seen(size: float, gap: Array = gap, place: int = place) -> bool:
                    is_hit = shifted(size)
                    mean = self.n @ (self.missed[:, place] + is_hit[:, None] * gap)
                    spread = np.sqrt((self.n * is_hit * (1 - is_hit)) @ np.square(np.maximum(gap, -1e3)))
                    return bool((mean - z * spread).max() > line)

                low, high = 0.0, 40.0
                for _ in range(24):
                    middle = (low + high) / 2
                    low, high = (low, middle) if seen(middle) else (middle, high)
                worst = max(worst, float(n @ np.abs(shifted(high) - chance)))
        return worst


def _log_mean(logs: Array) -> Array:
    """log of the mean of exp over the last axis."""
    top = logs.max(axis=-1, keepdims=True)
    mean: Array = top[..., 0] + np.log(np.exp(logs - top).mean(axis=-1))
    return mean


def radius(n: int, alpha: float) -> float:
    """Return how far the mean of n numbers in [0, 1] is from the mean of their expectations, at every n at once.

    Robbins' normal mixture for sums that are sub-Gaussian with variance 1/4 each; the numbers need not be alike.

    Parameters
    ----------
    n
        How many numbers.
    alpha
        Probability that the mean is ever further away.

    Returns
    -------
    float
        The distance.

    Examples
    --------
    >>> round(radius(10_000, 1e-6), 3)
    0.028
    """
    room = n / 4 + ROBBINS
    return math.sqrt(room * (math.log(room / ROBBINS) + 2 * math.log(1 / alpha))) / n
