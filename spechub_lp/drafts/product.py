"""Drafts of different drafters."""

from dataclasses import dataclass

from array_api_compat import array_namespace

from spechub_lp._array.ops import total, zero
from spechub_lp.distributions import count
from spechub_lp.drafts import _different, _optimal_set
from spechub_lp.drafts.base import Cut, DraftPolicy, drafter
from spechub_lp.errors import SpecHubError
from spechub_lp.typing import Array


@dataclass(frozen=True)
class Product(DraftPolicy):
    """Different drafters: x_j ~ q_j, independent. q is [B, k, V]. Q(H) = prod_j q_j(H).

    References
    ----------
    SpecInfer, arXiv 2305.09781.

    Examples
    --------
    >>> import numpy as np
    >>> q = np.array([[[1.0, 0.0], [0.5, 0.5]]])
    >>> Product().prob_all_in(q, np.array([[True, False]]), 2).tolist()
    [0.5]
    """

    name = "product"
    different_drafters = True

    def draft(self, q: Array, x: Array, k: int) -> Array:
        return drafter(q, x.shape[1])

    def prob_all_in(self, q: Array, H: Array, k: int) -> Array:
        xp = array_namespace(q)
        hits = [total(xp.where(H, drafter(q, j), zero(q)))[:, 0] for j in range(k)]
        found: Array = xp.prod(xp.stack(hits, axis=-1), axis=-1)
        return found

    def drafted(self, q: Array, k: int) -> Array:
        """1 - prod_j (1 - q_j)."""
        missed = 1 - drafter(q, 0)
        for j in range(1, k):
            missed = missed * (1 - drafter(q, j))
        return 1 - missed

    def optimal_set(self, p: Array, q: Array, k: int) -> Cut:
        """Branch and bound over the k masses q_j(H), row by row on the CPU (theory/T20_different_drafters)."""
        xp = array_namespace(q)
        return _optimal_set.by_rows(p, xp.stack([drafter(q, j) for j in range(k)], axis=1), _different.optimal_tokens)

    def check(self, q: Array, k: int) -> None:
        count(k, hint="a sampler needs at least one draft")
        if q.ndim not in (2, 3):
            raise SpecHubError(
                f"q has shape {tuple(q.shape)}; the distributions of {k} drafters come as [{k}, V] or [B, {k}, V]"
            )
        if q.ndim == 3 and q.shape[1] != k:
            raise SpecHubError(
                f"product drafts need one distribution a draft; k = {k} and q has {q.shape[1]} distributions"
            )
