"""SpecHub's pairs of drafts."""

from dataclasses import dataclass

from array_api_compat import array_namespace

from spechub_lp._array.ops import argmax, one, one_hot, pick, ratio, total, without, zero
from spechub_lp.drafts.base import Cut, DraftPolicy, left
from spechub_lp.drafts.greedy import Greedy
from spechub_lp.typing import Array


@dataclass(frozen=True)
class Hub(DraftPolicy):
    """SpecHub's two drafts: one of them is always the most likely token a, the hub.

    x_1 ~ q; if x_1 = a, then x_2 ~ q without a, else x_2 = a. So Q(i, a) = q(i) and Q(a, i) = q(a) q(i) / (1 - q(a)).
    With q(a) = 1 nothing else is left and both drafts are a.

    References
    ----------
    SpecHub, arXiv 2411.05289, section 4.

    Examples
    --------
    >>> import numpy as np
    >>> q = np.array([[0.5, 0.25, 0.25]])
    >>> Hub().draft(q, np.array([[1]]), 2).tolist()  # after a token other than the hub
    [[1.0, 0.0, 0.0]]
    """

    name = "hub"

    def draft(self, q: Array, x: Array, k: int) -> Array:
        if x.shape[1] == 0:
            return q
        a = argmax(q)
        return array_namespace(q).where((x[:, 0] == a)[:, None], left(q, a[:, None]), one_hot(q, a))

    def prob_all_in(self, q: Array, H: Array, k: int) -> Array:
        xp = array_namespace(q)
        a = argmax(q)
        others = without(q, a[:, None])
        rest = total(others)
        hit = xp.where(rest > 0, ratio(total(xp.where(H, others, zero(q))), rest), one(q))
        return xp.where(pick(H, a), hit[:, 0], zero(q))

    def drafted(self, q: Array, k: int) -> Array:
        """1 for the hub a, q / (1 - q(a)) for the others: as greedy drafts, in another order."""
        return Greedy().drafted(q, k)

    def wrong_count(self, k: int) -> str:
        return f"hub drafts come in pairs; k = {k} (use drafts='greedy' for other k)"

    def takes(self, k: int) -> bool:
        return k == 2

    @property
    def equivalent(self) -> DraftPolicy:
        """Greedy: the same pairs as often, in another order."""
        return Greedy()

    def optimal_set(self, p: Array, q: Array, k: int) -> Cut | None:
        return self.equivalent.optimal_set(p, q, k)
