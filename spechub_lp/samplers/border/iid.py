from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from array_api_compat import array_namespace

from spechub_lp._array.ops import total
from spechub_lp.drafts import IID, DraftPolicy
from spechub_lp.drafts.base import drafter
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.samplers.border import preparation
from spechub_lp.samplers.border.preparation import Lottery

Array = Any


@dataclass(frozen=True)
class Border(Sampler):
    """Choose one draft, then verify it alone; the optimum for drafts made with replacement, any k, O(V log V).

        max  sum_y min(p(y), b(y))   s.t.   b(A) <= 1 - (1 - q(A))^k for every set A of tokens,   b(V) = 1

    theory/border. The constraints are Border's, Econometrica 59 (1991); the lottery over nested orders, Cai, Daskalakis
    and Weinberg, FOCS 2012; "choose, then verify", Khisti et al., arXiv 2410.18234.

    1. Prepare: b is p held between two multiples of q, and b is a lottery over nested partitions of the tokens, by
       falling p/q, into blocks.
    2. Draw a partition; choose the earliest draft of the best block that was hit. The chosen token has distribution b.
    3. Accept the chosen token y with probability min(1, p(y) / b(y)).
    4. Else draw from (p - b)+, normalized.
    """

    name = "border"
    own: ClassVar[tuple[DraftPolicy, ...]] = (IID(),)
    race: ClassVar[DraftPolicy] = IID()
    """How the drafts are drawn from the distribution that `prepare` is given."""

    def prepare(self, p: Array, q: Array) -> Lottery:
        """All that the verdicts need of p and q [B, V], before there are drafts."""
        return preparation.prepare(self.race, p, drafter(q, 0), self.k)

    def choose(self, prepared: Lottery, x: Array) -> Array:
        """Probability [B, k] to choose each draft of x [B, k]; a row sums to 1. O(k log k) a tuple."""
        return preparation.earliest(*preparation.by_block(prepared, x))

    def judge(self, prepared: Lottery, x: Array) -> Verdict:
        """The verdict on x [B, k] from what was prepared."""
        keep = preparation.take(prepared.keep, x)
        accept = array_namespace(keep).astype(self.choose(prepared, x), keep.dtype) * keep
        return Verdict(accept, (1 - total(accept)) * prepared.rest)

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        return self.judge(self.prepare(p, q), x)

    def verifier(self, p: Array, q: Array) -> Callable[[Array], Verdict]:
        if type(self).verify is not Border.verify:  # a subclass has a rule of its own
            return super().verifier(p, q)
        return partial(self.judge, self.prepare(p, q))

    def closed_form(self, p: Array, q: Array) -> Array:
        """sum min(p, b)."""
        return self.prepare(p, q).served
