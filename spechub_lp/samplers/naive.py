"""One draft, accepted with min(1, p/q)."""

from dataclasses import dataclass
from typing import ClassVar

from array_api_compat import array_namespace

from spechub_lp._array.ops import minimum, total
from spechub_lp.drafts import IID, DraftPolicy, Product, WithoutReplacement
from spechub_lp.drafts.base import drafter
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.samplers.rejection import recursive_rejection
from spechub_lp.typing import Array


@dataclass(frozen=True)
class Naive(Sampler):
    """Verify the first draft alone; the acceptance is sum min(p, q), which is the optimum of one draft.

    With more drafts the others are wasted.

    1. Accept draft x with probability min(1, p(x) / q(x)).
    2. Else draw from (p - q)+, normalized.

    Notes
    -----
    As a program (the helpers are explained in `spechub_lp.samplers`)::

        def naive(p, q, k):
            drafts = [choose(q) for _ in range(k)]
            x = drafts[0]
            if flip(p[x] / q[x]):  # step 1
                return drafts, x
            return drafts, choose(normalized(excess(p, q)))  # step 2

    References
    ----------
    Leviathan et al., arXiv 2211.17192, algorithm 1; Chen et al., arXiv 2302.01318, algorithm 2.

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> exact(samplers.Naive(), ["1/2", "1/2"], ["1/4", "3/4"]).acceptance
    Fraction(3, 4)
    """

    k: int = 1
    name = "naive"
    own: ClassVar[tuple[DraftPolicy, ...]] = (IID(), WithoutReplacement(), Product())

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        self.check_drafts(p, x)
        first = recursive_rejection(p, [drafter(q, 0)], x)  # steps 1 and 2
        xp = array_namespace(p)
        unused = first.accept * 0
        return Verdict(xp.concat([first.accept, *[unused] * (self.k - 1)], axis=1), first.residual)

    def closed_form(self, p: Array, q: Array) -> Array:
        """sum min(p, q)."""
        return total(minimum(p, drafter(q, 0)))[:, 0]
