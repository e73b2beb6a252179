"""The optimum by trying token sets: 1 + min over H of p(H) - Q(H), exact, at small V (theory/T1_one_optimum)."""

from typing import Any

import numpy as np

from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError, TooLarge
from spechub_lp.typing import Array

MOST_TOKENS = 16


def over_subsets(p: Array, q: Array, policy: DraftPolicy, k: int) -> tuple[Any, frozenset[int]]:
    """Compute the optimum by trying all 2^V sets with the policy's closed form of Q(H).

    Parameters
    ----------
    p : [V]
        Target distribution.
    q : [1, V] or [1, k, V]
        Draft distribution.
    policy
        How the drafts are made.
    k
        Number of drafts.

    Returns
    -------
    alpha, H
        The optimum and a set that proves it.

    Raises
    ------
    TooLarge
        More than 16 tokens.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> alpha, H = over_subsets(np.array([0.0, 0.2, 0.8]), np.array([[0.6, 0.3, 0.1]]), IID(), 2)
    >>> round(float(alpha), 3), H
    (0.39, frozenset({0, 1}))
    """
    vocabulary = len(p)
    if vocabulary > MOST_TOKENS:
        raise TooLarge(f"2^{vocabulary} token sets are too many to try; use over_prefixes, or the program")
    H = (np.arange(2**vocabulary)[:, None] >> np.arange(vocabulary)) % 2 == 1
    return _best(p, H, policy.prob_all_in(q, H, k))


def over_prefixes(p: Array, q: Array, policy: DraftPolicy, k: int) -> tuple[Any, frozenset[int]]:
    """Compute the optimum by trying the prefixes of the tokens by p/q ascending, where theorem T2 holds.

    Parameters
    ----------
    p : [V]
        Target distribution.
    q : [1, V]
        Draft distribution.
    policy
        Iid drafts or drafts without replacement.
    k
        Number of drafts.

    Returns
    -------
    alpha, H
        The optimum and a set that proves it.

    Raises
    ------
    SpecHubError
        Another policy; there the best set need not be a prefix.

    Examples
    --------
    >>> from spechub_lp.drafts import IID
    >>> alpha, H = over_prefixes(np.array([0.0, 0.2, 0.8]), np.array([[0.6, 0.3, 0.1]]), IID(), 2)
    >>> round(float(alpha), 3), H
    (0.39, frozenset({0, 1}))
    """
    if not policy.prefix_is_optimal:
        raise SpecHubError(f"an optimal H is a prefix for iid and without_replacement drafts, not for {policy.name}")
    rank = np.empty(len(p), dtype=int)
    rank[rising(p, q[0])] = np.arange(len(p))
    H = rank[None, :] < np.arange(len(p) + 1)[:, None]
    return _best(p, H, policy.prob_all_in(q, H, k))


def rising(p: Array, q: Array) -> Array:
    """Sort the tokens by p/q ascending, those with q = 0 last; exact for rationals.

    Parameters
    ----------
    p, q : [V]
        Target and draft distribution.

    Returns
    -------
    [V]
        Token ids.

    Examples
    --------
    >>> rising(np.array([0.2, 0.0, 0.8]), np.array([0.3, 0.6, 0.1])).tolist()
    [1, 0, 2]
    """
    ratio = np.where(q > 0, p / np.where(q > 0, q, q * 0 + 1), p * 0)
    return np.lexsort((ratio, q == 0)) if ratio.dtype != object else _lexsort(ratio, q)


def _lexsort(ratio: Array, q: Array) -> Array:
    return np.asarray(sorted(range(len(q)), key=lambda x: (q[x] == 0, ratio[x])))


def _best(p: Array, H: Array, inside: Array) -> tuple[Any, frozenset[int]]:
    values = 1 + np.where(H, p, p * 0).sum(axis=1) - inside
    best = int(np.argmin(values))
    return values[best], frozenset(np.flatnonzero(H[best]).tolist())
