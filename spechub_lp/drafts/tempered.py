"""Drafts at a temperature of their own."""

from dataclasses import dataclass

from array_api_compat import array_namespace

from spechub_lp._array.ops import one, total
from spechub_lp.drafts.base import DraftPolicy
from spechub_lp.drafts.without_replacement import WithoutReplacement
from spechub_lp.typing import Array


@dataclass(frozen=True)
class Tempered(DraftPolicy):
    """Drafts without replacement from q^power, normalized; power > 1 is a draft temperature below 1.

    Rational distributions stay rational when the power is a whole number. Q(H) is that of the tempered distribution.
    (theory/border)

    Examples
    --------
    >>> import numpy as np
    >>> Tempered(power=2).temper(np.array([[0.5, 0.5, 0.0]])).tolist()
    [[0.5, 0.5, 0.0]]
    """

    name = "tempered"

    power: float = 2

    def temper(self, q: Array) -> Array:
        """q^power over its sum, [B, V] -> [B, V]; the largest entry is divided out first, so a row never underflows."""
        xp = array_namespace(q)
        q = q / xp.max(q, axis=-1, keepdims=True)
        raised = xp.where(q > 0, xp.where(q > 0, q, one(q)) ** self.power, q)
        return raised / total(raised)

    def draft(self, q: Array, x: Array, k: int) -> Array:
        return WithoutReplacement().draft(self.temper(q), x, k)

    def prob_all_in(self, q: Array, H: Array, k: int) -> Array:
        return WithoutReplacement().prob_all_in(self.temper(q), H, k)

    def best_draft(self, q: Array, k: int) -> Array:
        """P(the best of k drafts is token j), q [n] > 0 best token first -> [n]: that of the tempered row."""
        return WithoutReplacement().best_draft(self.temper(q[None])[0], k)
