from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from spechub_lp._array.ops import argmax, columns, minimum, normalize, one, pick, positive, share, total, without, zero
from spechub_lp.drafts import Hub
from spechub_lp.drafts.base import drafter
from spechub_lp.errors import SpecHubError
from spechub_lp.samplers.base import Sampler, Verdict

Array = Any


@dataclass(frozen=True)
class SpecHub(Sampler):
    """Two drafts, one of them always the hub a = argmax q; the optimum of the program for these drafts.

    SpecHub, arXiv 2411.05289, section 4. Pairs come as (i, a) with mass q(i) and as (a, i) with mass
    q(a) q(i) / (1 - q(a)). Acceptance: p(a) + sum over i != a of min(p(i), q(i) / (1 - q(a))).

    1. On (i, a) accept i until p(i) is served; on (a, i) accept i for what (i, a) left unserved.
    2. What is left of the pairs (a, .), then of (., a), goes to the hub until p(a) is served.
    3. Else draw from what is still unserved, which is never the hub.
    """

    name = "spechub"
    own = (Hub(),)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k != 2:
            raise SpecHubError(f"spechub verifies two drafts; k = {self.k} (use greedy_hubs for other k)")

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        xp = array_namespace(p)
        q = drafter(q, 0)
        a = argmax(q)
        hub_mass, hub_need = pick(q, a), pick(p, a)
        others, need = without(q, a[:, None]), without(p, a[:, None])
        hub_first = hub_mass[:, None] * normalize(others, empty=others)
        by_first = minimum(need, others)
        by_second = minimum(need - by_first, hub_first)

        left_after_hub = hub_mass - total(by_second)[:, 0]
        left_before_hub = total(others - by_first)[:, 0]
        hub_if_first = share(hub_need, left_after_hub)
        hub_if_second = share(positive(hub_need - left_after_hub), left_before_hub)

        first, second = x[:, 0], x[:, 1]
        starts, ends = first == a, second == a
        i = xp.where(starts, second, first)
        keep = xp.where(
            starts,
            share(pick(by_second, i), pick(hub_first, i)),
            share(pick(by_first, i), pick(others, i)),
        )
        hub = (1 - keep) * xp.where(starts, hub_if_first, xp.where(ends, hub_if_second, zero(p)))
        accept = columns(xp.where(starts, hub, keep), xp.where(starts, keep, hub))
        unserved = normalize(positive(need - by_first - by_second), empty=p)
        return Verdict(accept, (one(p) - keep - hub)[:, None] * unserved)

    def closed_form(self, p: Array, q: Array) -> Array:
        q = drafter(q, 0)
        a = argmax(q)[:, None]
        others = without(q, a)
        return pick(p, a[:, 0]) + total(minimum(without(p, a), normalize(others, empty=others)))[:, 0]
