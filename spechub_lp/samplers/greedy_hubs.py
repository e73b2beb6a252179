from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from spechub_lp._array.ops import columns, minimum, normalize, pick, positive, repeated, share, total, without, zero
from spechub_lp.drafts import Greedy
from spechub_lp.drafts.base import drafter, left
from spechub_lp.drafts.top_k import most_likely
from spechub_lp.samplers.base import Sampler, Verdict

Array = Any


@dataclass(frozen=True)
class GreedyHubs(Sampler):
    """The k-1 most likely tokens are hubs, the last draft w ~ q on the rest; the optimum for these drafts, any k.

    Hu et al., arXiv 2502.18779, section 5 (greedy drafts). Acceptance: p(Top) + sum over the rest of min(p, w).

    1. Accept the last draft x with probability min(1, p(x) / w(x)).
    2. Else draw from (p - w)+, normalized, and call the token accepted if it is one of the other drafts.
    """

    name = "greedy_hubs"
    own = (Greedy(),)

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        xp = array_namespace(p)
        offer = self.last_draft(drafter(q, 0))
        need = normalize(positive(p - offer), empty=p)
        kept = share(pick(p, x[:, -1]), pick(offer, x[:, -1]))
        hubs = [xp.where(repeated(x, j), zero(p), pick(need, x[:, j])) for j in range(self.k - 1)]
        accept = columns(*[(1 - kept) * hub for hub in hubs], kept)
        return Verdict(accept, (1 - kept)[:, None] * without(need, x[:, :-1]))

    def last_draft(self, q: Array) -> Array:
        return left(q, most_likely(q, self.k - 1))

    def closed_form(self, p: Array, q: Array) -> Array:
        q = drafter(q, 0)
        tops = most_likely(q, self.k - 1)
        rest = without(p, tops)
        return total(p - rest + minimum(rest, self.last_draft(q)))[:, 0]
