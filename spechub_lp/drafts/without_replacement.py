"""Drafts that do not repeat."""

from dataclasses import dataclass

from array_api_compat import array_namespace

from spechub_lp._array.ops import argmax, normalize, one, others, pick, ratio, total, without, zero
from spechub_lp.drafts import _best_draft, _optimal_set
from spechub_lp.drafts.base import Cut, DraftPolicy, distinct, left
from spechub_lp.typing import Array


@dataclass(frozen=True)
class WithoutReplacement(DraftPolicy):
    """Successive sampling: each draft is drawn from q on the tokens that are left.

    When the support of q is used up, the most likely token is drafted again.

    References
    ----------
    RSD, arXiv 2402.14160.

    Examples
    --------
    >>> import numpy as np
    >>> WithoutReplacement().draft(np.array([[0.5, 0.25, 0.25]]), np.array([[1]]), 2).round(3).tolist()
    [[0.667, 0.0, 0.333]]
    """

    name = "without_replacement"
    prefix_is_optimal = True

    def draft(self, q: Array, x: Array, k: int) -> Array:
        return left(q, x)

    def drafted(self, q: Array, k: int) -> Array | None:
        """k = 1: q. k = 2: q(y) + sum over x other than y of q(x) q(y) / (1 - q(x)). None for more drafts."""
        if k > 2:
            return None
        q = normalize(q, q)
        if k == 1:
            return q
        a = argmax(q)
        light, top = without(q, a[:, None]), pick(q, a)[:, None]
        odds = light / (1 - light)
        first_light = q * (1 + total(odds) - odds)
        return first_light + top * ratio(light, total(light))  # no 1 - q of the top: it may cancel

    def prob_all_in(self, q: Array, H: Array, k: int) -> Array:
        """Q(H) = sum over the first draft x in H of q(x) Q'(H without x), Q' made from q without x; V^(k-1) terms.

        With k = 2 this is q(H) sum_H q/(1-q) - sum_H q^2/(1-q).
        """
        xp = array_namespace(q)
        q = normalize(q, q)
        inside = xp.where(H, q, zero(q))
        if k == 1:
            return total(inside)[:, 0]
        if k == 2:
            rest = others(q)
            then = xp.where(rest > 0, ratio(others(inside), rest), one(q))
            return total(inside * then)[:, 0]
        first = []
        for x in range(q.shape[1]):
            gone = xp.arange(q.shape[1], device=q.device) == x
            after = xp.where(gone[None, :], zero(q), q)
            then = xp.where(total(after)[:, 0] > 0, self.prob_all_in(after, H, k - 1), one(q))
            first.append(inside[:, x] * then)
        return xp.sum(xp.stack(first, axis=-1), axis=-1)

    def best_draft(self, q: Array, k: int) -> Array:
        """P(the best of k drafts is token j), q [n] > 0 best token first -> [n].

        k <= 2 is exact up to rounding; k > 2 is exact in rationals (n^k terms), and in floats every entry and every sum
        of entries is within `_best_draft.best_draft_error` of its own size.
        """
        return _best_draft.without_replacement(q, k, self.prob_all_in)

    def optimal_set(self, p: Array, q: Array, k: int) -> Cut:
        k = distinct(q, k)
        if k <= 2:
            return _optimal_set.prefix(p, q, k, replaced=k == 1)
        return _optimal_set.by_race(p, q, k, self.best_draft)

    def running_sums(self, k: int) -> tuple[int, bool] | None:
        return (k, k == 1) if k <= 2 else None
