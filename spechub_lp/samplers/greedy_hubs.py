"""The optimal rule for greedy drafts."""

from dataclasses import dataclass
from typing import ClassVar

from array_api_compat import array_namespace

from spechub_lp._array.ops import (
    accept_probability,
    columns,
    minimum,
    normalize,
    pick,
    positive,
    repeated,
    total,
    without,
    zero,
)
from spechub_lp.drafts import DraftPolicy, Greedy
from spechub_lp.drafts.base import drafter, left
from spechub_lp.drafts.top_k import most_likely
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.typing import Array


@dataclass(frozen=True)
class GreedyHubs(Sampler):
    """Verify the last draft alone; the other k - 1, the most likely tokens, are accepted when the residual draws them.

    The optimum for greedy drafts, for any k. With Top the k - 1 most likely tokens and w the distribution of the last
    draft, q on the other tokens, the acceptance is p(Top) + sum of min(p, w) over the tokens outside Top.

    1. Accept the last draft x with probability min(1, p(x) / w(x)).
    2. Else draw from (p - w)+, normalized, and call the token accepted if it is one of the other drafts.

    Notes
    -----
    As a program (the helpers are explained in `spechub_lp.samplers`)::

        def greedy_hubs(p, q, k):
            drafts = []
            for _ in range(k - 1):
                drafts.append(most_likely(without(q, drafts)))
            w = without(q, drafts)
            x = choose(w)
            drafts.append(x)
            if flip(p[x] / w[x]):  # step 1
                return drafts, x
            return drafts, choose(normalized(excess(p, w)))  # step 2

    References
    ----------
    Hu et al., arXiv 2502.18779, section 5 (greedy drafts).

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> exact(samplers.GreedyHubs(k=3), ["1/4", "1/4", "1/4", "1/4"], ["4/10", "3/10", "2/10", "1/10"]).acceptance
    Fraction(1, 1)
    """

    name = "greedy_hubs"
    own: ClassVar[tuple[DraftPolicy, ...]] = (Greedy(),)

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        self.check_drafts(p, x)
        xp = array_namespace(p)
        proposal = self.last_draft(drafter(q, 0))
        accepted = accept_probability(pick(p, x[:, -1]), pick(proposal, x[:, -1]))  # step 1
        residual = normalize(positive(p - proposal), empty=p)  # step 2
        hubs = [xp.where(repeated(x, j), zero(p), pick(residual, x[:, j])) for j in range(self.k - 1)]
        accept = columns(*[(1 - accepted) * hub for hub in hubs], accepted)
        return Verdict(accept, (1 - accepted)[:, None] * without(residual, x[:, :-1]))

    def last_draft(self, q: Array) -> Array:
        """The distribution w [B, V] of the last draft."""
        return left(q, most_likely(q, self.k - 1))

    def closed_form(self, p: Array, q: Array) -> Array:
        """p(Top) + sum of min(p, w) over the tokens outside Top."""
        q = drafter(q, 0)
        tops = most_likely(q, self.k - 1)
        rest = without(p, tops)
        return total(p - rest + minimum(rest, self.last_draft(q)))[:, 0]
