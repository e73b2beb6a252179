"""Independent drafts."""

from dataclasses import dataclass

from array_api_compat import array_namespace

from spechub_lp._array.ops import power, total, zero
from spechub_lp.drafts import _best_draft, _optimal_set
from spechub_lp.drafts.base import Cut, DraftPolicy
from spechub_lp.typing import Array


@dataclass(frozen=True)
class IID(DraftPolicy):
    """Every draft is drawn from q, with replacement. Q(H) = q(H)^k.

    References
    ----------
    SpecTr, arXiv 2310.15141; SpecInfer, arXiv 2305.09781.

    Examples
    --------
    >>> import numpy as np
    >>> IID().prob_all_in(np.array([[0.5, 0.5]]), np.array([[True, False]]), 2).tolist()
    [0.25]
    """

    name = "iid"
    prefix_is_optimal = True

    def draft(self, q: Array, x: Array, k: int) -> Array:
        return q

    def prob_all_in(self, q: Array, H: Array, k: int) -> Array:
        return total(array_namespace(q).where(H, q, zero(q)))[:, 0] ** k

    def drafted(self, q: Array, k: int) -> Array:
        """1 - (1 - q)^k."""
        return 1 - power(1 - q, k)

    def best_draft(self, q: Array, k: int) -> Array:
        """P(the best of k drafts is token j), q [n] > 0 best token first -> [n]; exact up to rounding."""
        return _best_draft.with_replacement(q / q.sum(), k)

    def optimal_set(self, p: Array, q: Array, k: int) -> Cut:
        return _optimal_set.prefix(p, q, k, replaced=True)

    def running_sums(self, k: int) -> tuple[int, bool]:
        return k, True
