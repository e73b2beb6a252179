"""The optimum by trying token sets: 1 + min over H of p(H) - Q(H), exact, at small V (theory/T1_one_optimum)."""

from typing import Any

import numpy as np

from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError, TooLarge
from spechub_lp.typing import Array

MOST_TOKENS = 16


def over_subsets(p: Array, q: Array, policy: DraftPolicy, k: int) -> tuple[Any, frozenset[int]]:
    """(alpha*, H) by trying all 2^V sets with the policy's closed form of Q(H). p [V], q [1, V] or [1, k, V].

    Raises:
        TooLarge: more than 16 tokens.
    """
    vocabulary = len(p)
    if vocabulary > MOST_TOKENS:
        raise TooLarge(f"2^{vocabulary} token sets are too many to try; use over_prefixes, or the program")
    H = (np.arange(2**vocabulary)[:, None] >> np.arange(vocabulary)) % 2 == 1
    return _best(p, H, policy.prob_all_in(q, H, k))


def over_prefixes(p: Array, q: Array, policy: DraftPolicy, k: int) -> tuple[Any, frozenset[int]]:
    """(alpha*, H) for iid drafts and drafts without replacement, where an optimal H is a prefix of the tokens sorted
    by p/q ascending (theorem T2). p [V], q [1, V].

    Raises:
        SpecHubError: another policy; there the best set need not be a prefix.
    """
    if not policy.prefix_is_optimal:
        raise SpecHubError(f"an optimal H is a prefix for iid and without_replacement drafts, not for {policy.name}")
    rank = np.empty(len(p), dtype=int)
    rank[rising(p, q[0])] = np.arange(len(p))
    H = rank[None, :] < np.arange(len(p) + 1)[:, None]
    return _best(p, H, policy.prob_all_in(q, H, k))


def rising(p: Array, q: Array) -> Array:
    """Tokens [V] by p/q ascending, those with q = 0 last; exact for rationals."""
    ratio = np.where(q > 0, p / np.where(q > 0, q, q * 0 + 1), p * 0)
    return np.lexsort((ratio, q == 0)) if ratio.dtype != object else _lexsort(ratio, q)


def _lexsort(ratio: Array, q: Array) -> Array:
    return np.asarray(sorted(range(len(q)), key=lambda x: (q[x] == 0, ratio[x])))


def _best(p: Array, H: Array, inside: Array) -> tuple[Any, frozenset[int]]:
    values = 1 + np.where(H, p, p * 0).sum(axis=1) - inside
    best = int(np.argmin(values))
    return values[best], frozenset(np.flatnonzero(H[best]).tolist())
