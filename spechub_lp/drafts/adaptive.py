"""Greedy drafts on peaked rows, drafts without replacement on the others."""

from dataclasses import dataclass
from fractions import Fraction

from array_api_compat import array_namespace

from spechub_lp._array.ops import argmax, pick
from spechub_lp.drafts.base import Cut, DraftPolicy
from spechub_lp.drafts.greedy import Greedy
from spechub_lp.drafts.without_replacement import WithoutReplacement
from spechub_lp.typing import Array


@dataclass(frozen=True)
class Adaptive(DraftPolicy):
    """Greedy drafts (with k = 2, SpecHub's pairs in one order) where q(a) >= threshold, else without replacement.

    Which of the two is drafted is a matter of q alone, so Q(H) is that of the policy taken. (theory/border)

    Examples
    --------
    >>> import numpy as np
    >>> Adaptive().peaked(np.array([[0.6, 0.4], [0.45, 0.55], [0.4, 0.3]])).tolist()
    [True, True, False]
    """

    name = "adaptive"

    threshold: Fraction | float = Fraction(1, 2)

    def peaked(self, q: Array) -> Array:
        """[B] whether the row of q [B, V] gets greedy drafts."""
        found: Array = pick(q, argmax(q)) >= (self.threshold if q.dtype == object else float(self.threshold))
        return found

    def draft(self, q: Array, x: Array, k: int) -> Array:
        hub, spread = (policy.draft(q, x, k) for policy in (Greedy(), WithoutReplacement()))
        return array_namespace(q).where(self.peaked(q)[:, None], hub, spread)

    def prob_all_in(self, q: Array, H: Array, k: int) -> Array:
        hub, spread = (policy.prob_all_in(q, H, k) for policy in (Greedy(), WithoutReplacement()))
        return array_namespace(q).where(self.peaked(q), hub, spread)

    def optimal_set(self, p: Array, q: Array, k: int) -> Cut:
        """Row by row the answer of the policy that was taken."""
        peaked, where = self.peaked(q), array_namespace(q).where
        hub, spread = (policy.optimal_set(p, q, k) for policy in (Greedy(), WithoutReplacement()))
        return Cut(
            where(peaked, hub.alpha, spread.alpha),
            where(peaked[:, None], hub.H, spread.H),
            where(peaked, hub.error, spread.error),
        )
