"""Solved programs as arrays that a sampler can index, in the arithmetic of the distributions it was given."""

from collections.abc import Callable, Iterator

import numpy as np
from array_api_compat import array_namespace, device

from spechub_lp._array.convert import as_float64
from spechub_lp._array.ops import some
from spechub_lp.drafts import DraftPolicy
from spechub_lp.instance import Instance, check_tuples
from spechub_lp.optimum.solve import Optimum, shared_optimum
from spechub_lp.typing import Array

LARGEST_TABLE = 1_000_000


def solved_accept(policy: DraftPolicy, p: Array, q: Array, x: Array) -> tuple[Array, Array]:
    """Look up the optimal verdicts on drafts; one program is solved for each row of p and q.

    Float distributions are solved as the rationals they are.

    Parameters
    ----------
    policy
        How the drafts were made.
    p, q : [B, V] or [1, V]
        Target and draft distributions.
    x : [B, k]
        Drafts.

    Returns
    -------
    accept [B, k], residual [B, V] or [1, V]
        The probability to accept each draft, and what all of them leave of p.

    Raises
    ------
    TooLarge
        V^k verdicts do not fit.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> p, q = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    >>> [a.round(3).tolist() for a in solved_accept(IID(), p, q, np.array([[1]]))]
    [[[0.667]], [[0.25, 0.0]]]
    """
    return _look_up(policy, p, q, x, lambda best: (best.accept, best.residual))


def solved_choice(policy: DraftPolicy, p: Array, q: Array, x: Array) -> tuple[Array, Array]:
    """Look up weights that choose one draft of each tuple so that sum_y min(p, b) is the optimum.

    They are the optimal verdicts, with the rejected mass of a tuple spread over its tokens.

    Parameters
    ----------
    policy
        How the drafts were made.
    p, q : [B, V] or [1, V]
        Target and draft distributions.
    x : [B, k]
        Drafts.

    Returns
    -------
    weights [B, k], b [B, V] or [1, V]
        And the distribution b of the chosen token.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> p, q = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    >>> [a.tolist() for a in solved_choice(IID(), p, q, np.array([[1]]))]
    [[[1.0]], [[0.25, 0.75]]]
    """
    return _look_up(policy, p, q, x, _choice)


def _choice(best: Optimum) -> tuple[Array, Array]:
    first = np.stack([~(best.tuples[:, :j] == best.tuples[:, j : j + 1]).any(axis=1) for j in range(best.k)], axis=1)
    rejected = 1 - best.accept.sum(axis=1)
    weights = best.accept + first * (rejected / first.sum(axis=1))[:, None]
    distribution = best.residual * 0
    np.add.at(distribution, best.tuples, best.weights[:, None] * weights)
    return weights, distribution


def _look_up(
    policy: DraftPolicy, p: Array, q: Array, x: Array, parts: Callable[[Optimum], tuple[Array, Array]]
) -> tuple[Array, Array]:
    p, q = some(p), some(q)
    xp, k, vocabulary = array_namespace(p), x.shape[1], p.shape[-1]
    check_tuples(vocabulary, k, LARGEST_TABLE, "verdicts", "a solved table has one for each tuple")
    tables, distributions = [], []
    for b in range(max(p.shape[0], q.shape[0])):
        p_row, q_row = (as_float64(a[min(b, a.shape[0] - 1)]).tolist() for a in (p, q))
        best = shared_optimum(Instance.parse(p_row, q_row, k, policy, normalize=True))
        per_tuple, per_token = parts(best)
        table = np.full((vocabulary**k, k), best.weights[0] * 0, dtype=object)
        table[_position(best.tuples, vocabulary)] = per_tuple
        tables.append(table)
        distributions.append(per_token)
    both: Iterator[Array] = (
        a if p.dtype == object else xp.asarray(a.astype(float), dtype=p.dtype, device=device(p))
        for a in (np.stack(tables), np.stack(distributions))
    )
    per_tuple, distribution = both
    row = 0 if len(tables) == 1 else xp.arange(len(tables), device=device(p))
    return per_tuple[row, _position(x, vocabulary)], distribution


def _position(x: Array, vocabulary: int) -> Array:
    """Rank of each tuple [B, k] in the table of all V^k."""
    rank = x[:, 0]
    for j in range(1, x.shape[1]):
        rank = rank * vocabulary + x[:, j]
    return rank
