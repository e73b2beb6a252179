"""The most likely tokens, then one draw."""

from dataclasses import dataclass

from array_api_compat import array_namespace

from spechub_lp._array.ops import maximum, one_hot, total, zero
from spechub_lp.drafts import _optimal_set
from spechub_lp.drafts.base import Cut, DraftPolicy, distinct, left, next_top
from spechub_lp.drafts.top_k import TopK, most_likely
from spechub_lp.typing import Array


@dataclass(frozen=True)
class Greedy(DraftPolicy):
    """The k-1 most likely tokens, then one draw from q on the rest.

    Q(H) = 0 unless H holds the tops, else q(H without Top) / (1 - q(Top)).

    References
    ----------
    Hu et al., arXiv 2502.18779.

    Examples
    --------
    >>> import numpy as np
    >>> q = np.array([[0.5, 0.25, 0.25]])
    >>> Greedy().draft(q, np.array([[0]]), 2).tolist()  # the last of two drafts, after token 0
    [[0.0, 0.5, 0.5]]
    """

    name = "greedy"

    def draft(self, q: Array, x: Array, k: int) -> Array:
        return left(q, x) if x.shape[1] == k - 1 else one_hot(q, next_top(q, x))

    def drafted(self, q: Array, k: int) -> Array:
        """1 for the tops, and the distribution of the last draft for the rest."""
        if k == 1:
            return left(q, most_likely(q, 0))
        return maximum(TopK().drafted(q, k - 1), left(q, most_likely(q, k - 1)))

    def prob_all_in(self, q: Array, H: Array, k: int) -> Array:
        last = left(q, most_likely(q, k - 1))
        hit = total(array_namespace(q).where(H, last, zero(q)))[:, 0]
        return hit if k == 1 else TopK().prob_all_in(q, H, k - 1) * hit

    def optimal_set(self, p: Array, q: Array, k: int) -> Cut:
        k = distinct(q, k)
        return _optimal_set.tops_and_one(p, q, most_likely(q, k - 1) if k > 1 else None)
