from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from spechub_lp.drafts import WithoutReplacement
from spechub_lp.drafts.policy import drafter, left
from spechub_lp.rows import minimum, normalise, positive, ratio, total, zero
from spechub_lp.samplers.rejection import recursive_rejection
from spechub_lp.verdict import Sampler, Verdict

Array = Any


@dataclass(frozen=True)
class RRSw(Sampler):
    """Recursive rejection for drafts made without replacement: a refused token leaves q.

    RSD, arXiv 2402.14160, theorem 3.1; Sequoia, arXiv 2402.12374; MCSD, arXiv 2401.06706. The need starts as p.

    1. Accept draft x_j with probability min(1, need(x_j) / q(x_j)).
    2. If refused, the need becomes (need - q)+ and q loses x_j, both normalised; go on with the next draft.
    3. After the last draft, draw from the need.
    """

    name = "rrsw"
    own = (WithoutReplacement(),)

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        q = drafter(q, 0)
        return recursive_rejection(p, (left(q, x[:, :j]) if j else q for j in range(self.k)), x)

    def acceptance(self, p: Array, q: Array) -> Array | None:
        """For k <= 2: sum min(p, q) + sum_x (q - p)+(x) sum_y min(need(y), q(y) / (1 - q(x))), by one sort a row."""
        if self.k > 2:
            return None
        xp, q = array_namespace(p), drafter(q, 0)
        first = total(minimum(p, q))[:, 0]
        return first if self.k == 1 else first + xp.stack([self._second(p[b], q[b]) for b in range(p.shape[0])])

    @staticmethod
    def _second(p: Array, q: Array) -> Array:
        """Pr[the first draft is refused and the second is accepted] for one row [V]."""
        xp = array_namespace(p)
        refused, need = positive(q - p), normalise(positive(p - q)[None], p[None])[0]
        need = xp.where(q > 0, need, zero(p))
        pressure = ratio(need, q)
        order = xp.argsort(pressure)
        served = xp.concat([p[:1] * 0, xp.cumulative_sum(need[order])])
        offered = xp.cumulative_sum(xp.flip(q[order]))
        offered = xp.flip(xp.concat([p[:1] * 0, offered]))
        scale = ratio(q * 0 + 1, 1 - q)
        cut = xp.searchsorted(pressure[order], scale)
        return xp.sum(refused * (served[cut] + scale * offered[cut]))
