"""Choose one draft, then verify it alone: what the rules of this kind share."""

from collections.abc import Callable
from functools import partial
from typing import Any

from spechub_lp.errors import MissingMethod
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.samplers.border.preparation import choose_then_verify
from spechub_lp.typing import Array


class ChooseThenVerify(Sampler):
    """Choose one draft by a rule that knows the distribution b of its token, then verify it alone against p.

    A rule says how it prepares b, and how it chooses; b is prepared once for many batches of drafts. Accept the chosen
    token y with probability min(1, p(y) / b(y)), else draw from (p - b)+, normalized.

    References
    ----------
    Khisti et al., arXiv 2410.18234, theorem 1.

    Examples
    --------
    >>> from spechub_lp import samplers
    >>> [rule.name for rule in samplers.ALL if isinstance(rule, ChooseThenVerify)]
    ['border', 'border_wor']
    """

    def prepare(self, p: Array, q: Array) -> Any:
        """Return all that the verdicts need of p and q [B, V] (q [B, k, V] for product), before there are drafts.

        It has `accept`, `residual` and `acceptance`: min(1, p/b) [B, V], (p - b)+ normalized [B, V], sum min(p, b) [B].
        """
        raise MissingMethod(f"{type(self).__name__} defines no prepare(p, q)")

    def choose(self, prepared: Any, x: Array) -> Array:
        """Return the probability [B, k] to choose each draft of x [B, k]; a row sums to 1."""
        raise MissingMethod(f"{type(self).__name__} defines no choose(prepared, x)")

    def judge(self, prepared: Any, x: Array) -> Verdict:
        """Return the verdict on x [B, k] from what was prepared."""
        self.check_drafts(prepared.accept, x)
        return choose_then_verify(self.choose(prepared, x), prepared.accept, prepared.residual, x)

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        return self.judge(self.prepare(p, q), x)

    def verifier(self, p: Array, q: Array) -> Callable[[Array], Verdict]:
        if type(self).verify is not ChooseThenVerify.verify:  # a subclass has a rule of its own
            return super().verifier(p, q)
        return partial(self.judge, self.prepare(p, q))

    def closed_form(self, p: Array, q: Array) -> Array:
        """sum min(p, b)."""
        acceptance: Array = self.prepare(p, q).acceptance
        return acceptance
