from dataclasses import dataclass
from typing import Any

from spechub_lp.drafts import WithoutReplacement
from spechub_lp.drafts.base import drafter, left
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.samplers.rejected_mass import CLASSES, all_rejected
from spechub_lp.samplers.rejection import recursive_rejection

Array = Any


@dataclass(frozen=True)
class RRSw(Sampler):
    """Recursive rejection for drafts made without replacement: a rejected token leaves q.

    RSD, arXiv 2402.14160, theorem 3.1; Sequoia, arXiv 2402.12374; MCSD, arXiv 2401.06706. The need starts as p.

    1. Accept draft x_j with probability min(1, need(x_j) / q(x_j)).
    2. If rejected, the need becomes (need - q)+ and q loses x_j, both normalized; go on with the next draft.
    3. After the last draft, draw from the need.
    """

    name = "rrsw"
    own = (WithoutReplacement(),)

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        q = drafter(q, 0)
        return recursive_rejection(p, (left(q, x[:, :j]) if j else q for j in range(self.k)), x)

    def closed_form(self, p: Array, q: Array) -> Array | None:
        """1 - Pr[all k drafts are rejected] for k <= 4 (spechub_lp/samplers/rejected_mass.py)."""
        return None if self.k > max(CLASSES) else 1 - all_rejected(p, drafter(q, 0), self.k)
