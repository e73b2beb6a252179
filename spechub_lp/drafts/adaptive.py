from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from array_api_compat import array_namespace

from spechub_lp._array.ops import argmax, pick
from spechub_lp.drafts.base import DraftPolicy
from spechub_lp.drafts.greedy import Greedy
from spechub_lp.drafts.without_replacement import WithoutReplacement

Array = Any


@dataclass
class Adaptive(DraftPolicy):
    """Greedy drafts (with k = 2, SpecHub's pairs in one order) where q(a) >= threshold, else without replacement.

    Which of the two is drafted is a matter of q alone, so Q(H) is that of the policy taken. (theory/border)
    """

    name = "adaptive"

    threshold: Fraction | float = Fraction(1, 2)

    def __hash__(self) -> int:
        return hash(type(self))  # equal policies have one hash, also after a field was set

    def peaked(self, q: Array) -> Array:
        """[B] whether the row of q [B, V] gets greedy drafts."""
        return pick(q, argmax(q)) >= (self.threshold if q.dtype == object else float(self.threshold))

    def draft(self, q: Array, x: Array, k: int) -> Array:
        hub, spread = (policy.draft(q, x, k) for policy in (Greedy(), WithoutReplacement()))
        return array_namespace(q).where(self.peaked(q)[:, None], hub, spread)

    def inside(self, q: Array, H: Array, k: int) -> Array:
        hub, spread = (policy.inside(q, H, k) for policy in (Greedy(), WithoutReplacement()))
        return array_namespace(q).where(self.peaked(q), hub, spread)
