"""The most likely tokens."""

from dataclasses import dataclass

from array_api_compat import array_namespace

from spechub_lp._array.ops import argmax, one, one_hot, pick, without, zero
from spechub_lp.drafts import _optimal_set
from spechub_lp.drafts.base import Cut, DraftPolicy, distinct, next_top
from spechub_lp.typing import Array


def most_likely(q: Array, n: int) -> Array:
    """Return the n most likely tokens.

    Parameters
    ----------
    q : [B, V]
        Draft distributions.
    n
        How many.

    Returns
    -------
    [B, n]
        The lowest index wins ties; where the support is used up, the first again.

    Examples
    --------
    >>> import numpy as np
    >>> most_likely(np.array([[0.25, 0.5, 0.25]]), 2).tolist()
    [[1, 0]]
    """
    xp = array_namespace(q)
    tops = argmax(q)[:, None][:, :n]
    for _ in range(n - 1):
        tops = xp.concat([tops, next_top(q, tops)[:, None]], axis=1)
    return tops


@dataclass(frozen=True)
class TopK(DraftPolicy):
    """The k most likely tokens, no randomness.

    References
    ----------
    EAGLE-2, arXiv 2406.16858, and most engines' trees.

    Examples
    --------
    >>> import numpy as np
    >>> TopK().drafted(np.array([[0.25, 0.5, 0.25]]), 2).tolist()
    [[1.0, 1.0, 0.0]]
    """

    name = "top_k"
    is_random = False

    def draft(self, q: Array, x: Array, k: int) -> Array:
        return one_hot(q, next_top(q, x))

    def prob_all_in(self, q: Array, H: Array, k: int) -> Array:
        xp = array_namespace(q)
        tops = most_likely(q, k)
        hit = xp.stack([pick(H, tops[:, j]) for j in range(k)], axis=-1)
        return xp.where(xp.all(hit, axis=-1), one(q), zero(q))

    def drafted(self, q: Array, k: int) -> Array:
        """1 for the tops, else 0."""
        top = one(q) + 0 * q
        return top - without(top, most_likely(q, k))

    def optimal_set(self, p: Array, q: Array, k: int) -> Cut:
        return _optimal_set.only_tops(p, q, most_likely(q, distinct(q, k)))
