from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from spechub_lp._array.ops import minimum, total
from spechub_lp.drafts import IID, Product, WithoutReplacement
from spechub_lp.drafts.base import drafter
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.samplers.rejection import recursive_rejection

Array = Any


@dataclass(frozen=True)
class Naive(Sampler):
    """Verify the first draft alone; acceptance sum min(p, q). With k = 1 the optimum, with more the drafts are wasted.

    Leviathan et al., arXiv 2211.17192, algorithm 1; Chen et al., arXiv 2302.01318.

    1. Accept draft x with probability min(1, p(x) / q(x)).
    2. Else draw from (p - q)+, normalized.
    """

    k: int = 1
    name = "naive"
    own = (IID(), WithoutReplacement(), Product())

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        first = recursive_rejection(p, [drafter(q, 0)], x)
        xp = array_namespace(p)
        unused = first.accept * 0
        return Verdict(xp.concat([first.accept, *[unused] * (self.k - 1)], axis=1), first.residual)

    def closed_form(self, p: Array, q: Array) -> Array:
        return total(minimum(p, drafter(q, 0)))[:, 0]
