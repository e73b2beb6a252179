"""Border: an optimal rule for drafts without replacement."""

from dataclasses import dataclass
from typing import ClassVar

from array_api_compat import array_namespace

from spechub_lp._array.ops import columns, ratio
from spechub_lp.drafts import DraftPolicy, WithoutReplacement
from spechub_lp.samplers.border import preparation
from spechub_lp.samplers.border.iid import Border
from spechub_lp.samplers.border.preparation import Mixture
from spechub_lp.samplers.border.selection import walk
from spechub_lp.typing import Array


@dataclass(frozen=True)
class BorderWor(Border):
    """Border for drafts made without replacement; the optimum for these drafts, verifying the very drafts of RRSw.

        max  sum_y min(p(y), b(y))   s.t.   b(A) <= Pr[some draft is in A] for every set A of tokens,   b(V) = 1

    As `border`, but step 2 must make up for this: after a heavy token the drafts still to come hit the better blocks A
    more often, so neither the earliest nor a uniform draft of the block G has a distribution proportional to q.

    1. Prepare, as `border`.
    2. Draw t. In the best block G that was hit walk through the drafts in the order drawn: choose the first, but if a
       later one is in G too, hand over to those that follow with probability theta (selection.py). Two drafts x, y of
       one block in closed form: choose x with probability [1 - q(y) + q(A)/q(G) (q(x) - q(y))] / (2 - q(x) - q(y)).
    3. Accept the chosen token y with probability min(1, p(y) / b(y)).
    4. Else draw from (p - b)+, normalized.

    References
    ----------
    theory/border, section 6; that Pr[.] is submodular here: Hu et al., arXiv 2502.18779.

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> p, q = ["3/5", "3/10", "1/10"], ["1/5", "3/10", "1/2"]
    >>> exact(samplers.BorderWor(), p, q).acceptance, exact(samplers.RRSw(), p, q).acceptance
    (Fraction(31, 35), Fraction(19, 25))
    """

    name = "border_wor"
    own: ClassVar[tuple[DraftPolicy, ...]] = (WithoutReplacement(),)
    race: ClassVar[DraftPolicy] = WithoutReplacement()

    def choose(self, prepared: Mixture, x: Array) -> Array:
        if self.k != 2:
            return super().choose(prepared, x) if self.k == 1 else walk(prepared, x)
        order, apart = preparation.by_block(prepared, x)
        xp = array_namespace(x)
        best, other = (xp.take_along_axis(x, order[:, s : s + 1], axis=-1) for s in (0, 1))
        q_best, q_other = (preparation.take(prepared.q, y)[:, 0] for y in (best, other))
        ranks = preparation.take(prepared.rank, x)
        odds = -prepared.odds(*(xp.take_along_axis(ranks, order[:, s : s + 1], axis=-1)[:, 0] for s in (0, 1)))
        together = 1 - apart[:, 1]
        both = 1 - q_best + 1 - q_other
        keep = apart[:, 1] + ratio(together * (1 - q_other) + odds * (q_best - q_other), both)
        return xp.where((order[:, 0] == 0)[:, None], columns(keep, 1 - keep), columns(1 - keep, keep))
