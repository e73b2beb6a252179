"""Weights of the tokens, by which `weighted_choice` chooses among drafts of different drafters, row by row.

Steps 1 and 2 of the rule: the tokens that are chosen first, the weights, and the distribution b of the chosen draft.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from array_api_compat import array_namespace, device
from gmpy2 import mpq

from spechub_lp._array.equality import equal_fields
from spechub_lp.drafts._different import optimal_tokens, others
from spechub_lp.samplers.border.hits import by_row, judged
from spechub_lp.typing import Array, BoolArray, NumpyArray

STEPS, OCTAVES = 32, 60
GRID = np.ldexp(1 - np.arange(STEPS * OCTAVES) % STEPS / (2 * STEPS), -(np.arange(STEPS * OCTAVES) // STEPS))
"""Weights that a token may have: from 1 downwards, 32 to an octave."""
ROUNDS = 256
PACE = 3
"""A round changes a weight by this power of p/b: 1 would never overshoot, and take longer."""
ROUNDING = 1e-12
"""p and b within this are equal."""
NODE = 0.25
"""Distance of the nodes of the integral over log-times: its error is below 1e-16."""


@dataclass(frozen=True)
class Weights:
    """What the rule knows of rows (p, q) before it sees drafts.

    Examples
    --------
    >>> q = [np.array([[0.75, 0.25]]), np.array([[0.25, 0.75]])]
    >>> prepare(np.array([[0.875, 0.125]]), q).acceptance.round(4).tolist()
    [0.9375]
    """

    first: Array
    """[B, V] whether the token is chosen before those that are not."""
    weight: Array
    """[B, V] what the choice is in proportion to."""
    accept: Array
    """[B, V] min(1, p/b), the probability to accept a chosen token."""
    residual: Array
    """[B, V] (p - b)+ divided by its sum."""
    acceptance: Array
    """[B] sum of min(p, b)."""

    __eq__ = equal_fields


def prepare(p: Array, q: Sequence[Array]) -> Weights:
    """Find the weights for each row, on the CPU, in rationals or in float64.

    Parameters
    ----------
    p : [B, V] or [1, V]
        Target distributions, of any array library.
    q : k of [B, V] or [1, V]
        The drafters' distributions.

    Returns
    -------
    Weights
        B rows.

    Examples
    --------
    >>> prepare(np.array([[0.875, 0.125]]), [np.array([[0.75, 0.25]]), np.array([[0.25, 0.75]])]).first.tolist()
    [[True, False]]
    """
    target, drafts = by_row(p, q)
    done = [fit(row, each) for row, each in zip(target, drafts, strict=True)]
    first, weight, b = (np.stack(table) for table in zip(*done, strict=True))
    back: list[Array] = [first, weight]
    if target.dtype != object:
        back = [array_namespace(p).asarray(a, device=device(p)) for a in back]
    return Weights(*back, *judged(p, target, b))


def fit(p: NumpyArray, q: NumpyArray) -> tuple[BoolArray, NumpyArray, NumpyArray]:
    """Find the weights of one row: steps 1 and 2.

    Parameters
    ----------
    p : [V]
        Target distribution, in rationals or float64.
    q : [k, V]
        The drafters' distributions.

    Returns
    -------
    first [V], weight [V], b [V]
        Which tokens are chosen before the others, the weights, and the distribution of the chosen draft.

    Examples
    --------
    >>> p, q = np.array([0.6, 0.3, 0.1]), np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    >>> first, weight, b = fit(p, q)
    >>> first.tolist(), weight.round(2).tolist(), b.round(2).tolist()
    ([True, False, False], [1.0, 1.0, 1.0], [0.28, 0.46, 0.26])
    """
    in_H = optimal_tokens(p, q)
    masses = q[:, in_H].sum(axis=1)
    masses = masses * (np.multiply.reduce(masses) - p[in_H].sum() > ROUNDING)  # else no H is better than none
    first = p > others(masses) @ q
    place = _places(p.astype(float), q.astype(float), first)
    grid = np.array([mpq(w) for w in GRID.tolist()]) if p.dtype == object else GRID
    weight = np.where(first, grid[place], 1 / grid[place])
    return first, weight, chosen(q, first, weight)


def _places(p: NumpyArray, q: NumpyArray, first: BoolArray) -> NumpyArray:
    """Step 2, in floats also for rationals: [V] places in the grid."""
    place, best, most = np.zeros(len(p), dtype=np.int64), np.zeros(len(p), dtype=np.int64), -1.0
    for _ in range(ROUNDS):
        b = chosen(q, first, np.where(first, GRID[place], 1 / GRID[place]))
        accepted = float(np.minimum(p, b).sum())
        if accepted > most:
            best, most = place, accepted
        large, small = np.where(first, (b, p), (p, b))
        wrong = (large > small * (1 + ROUNDING)) & (b > 0)
        if not wrong.any():
            break
        weight = GRID[place[wrong]] * (small[wrong] / large[wrong]) ** PACE
        place = place.copy()
        place[wrong] = np.minimum(np.searchsorted(-GRID, -weight), len(GRID) - 1)
    return best


def chosen(q: NumpyArray, first: BoolArray, weight: NumpyArray) -> NumpyArray:
    """Compute the distribution of the chosen draft.

    Parameters
    ----------
    q : [k, V]
        The drafters' distributions: in rationals all tuples are gone through, in floats times.
    first, weight : [V]
        Which tokens are chosen before the others, and the weights.

    Returns
    -------
    [V]
        b.

    Examples
    --------
    >>> q = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]])
    >>> chosen(q, np.array([False, False, False]), np.array([1.0, 1.0, 3.0])).round(4).tolist()
    [0.1875, 0.4375, 0.375]
    """
    if q.dtype == object:
        return _by_tuples(q, first, weight)
    b = np.zeros(q.shape[1])
    for tokens, behind in ((first, q[:, ~first].sum(axis=1)), (~first, np.zeros(len(q)))):
        if tokens.any():
            b[tokens] = _by_times(q[:, tokens], behind, weight[tokens])
    return b


def _by_times(q: NumpyArray, behind: NumpyArray, weight: NumpyArray) -> NumpyArray:
    """b of tokens [n], q [k, n]; the drafters' masses `behind` [k] never ring.

    A token of weight u rings at an exponential time of rate u, and the first is chosen. It has not rung by time e^t
    with probability exp(-u e^t).
    """
    rates, at = np.unique(weight, return_inverse=True)
    log = np.log(rates)
    scaled = np.exp(np.arange(-log[-1] - 40, -log[0] + 4, NODE) + log[:, None])
    silent = np.exp(-scaled)
    still = np.stack([mass + np.bincount(at, row, len(rates)) @ silent for row, mass in zip(q, behind, strict=True)])
    rings = NODE * scaled * silent
    by_drafter = [(rings @ np.delete(still, j, 0).prod(axis=0))[at] * row for j, row in enumerate(q)]
    b: NumpyArray = np.stack(by_drafter).sum(axis=0)
    return b


def _by_tuples(q: NumpyArray, first: BoolArray, weight: NumpyArray) -> NumpyArray:
    """b in rationals: every tuple that can be drafted."""
    b: NumpyArray = q[0] * 0
    for x in product(*(np.flatnonzero(row > 0) for row in q)):
        slots = [y for y in x if first[y]] or list(x)
        share = np.multiply.reduce(q[range(len(q)), x]) / weight[slots].sum()
        for y in slots:
            b[y] += share * weight[y]
    return b
