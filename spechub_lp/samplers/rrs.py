from dataclasses import dataclass
from typing import Any

from spechub_lp._array.ops import minimum, normalize, one, positive, total
from spechub_lp.drafts import IID, Product
from spechub_lp.drafts.base import drafter
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.samplers.rejection import recursive_rejection

Array = Any


@dataclass(frozen=True)
class RRS(Sampler):
    """Recursive rejection for drafts made with replacement: every draft is an offer of q.

    SpecInfer's multi-step speculative sampling, arXiv 2305.09781, algorithm 2. The need starts as p.

    1. Accept draft x_j with probability min(1, need(x_j) / q(x_j)).
    2. If rejected, the need becomes (need - q)+, normalized; go on with the next draft.
    3. After the last draft, draw from the need.
    """

    name = "rrs"
    own = (IID(), Product())

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        return recursive_rejection(p, (drafter(q, j) for j in range(self.k)), x)

    def closed_form(self, p: Array, q: Array) -> Array:
        """1 - prod_j (1 - sum min(need_j, q_j))."""
        need, rejected = p, one(p)
        for j in range(self.k):
            offer = drafter(q, j)
            rejected = rejected * (1 - total(minimum(need, offer))[:, 0])
            need = normalize(positive(need - offer), empty=need)
        return 1 - rejected
