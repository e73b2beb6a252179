"""SpecHub: the optimal rule for pairs with a hub."""

from dataclasses import dataclass
from typing import ClassVar

from array_api_compat import array_namespace

from spechub_lp._array.ops import (
    accept_probability,
    argmax,
    columns,
    minimum,
    normalize,
    one,
    pick,
    positive,
    total,
    without,
    zero,
)
from spechub_lp.drafts import DraftPolicy, Hub
from spechub_lp.drafts.base import drafter
from spechub_lp.errors import SpecHubError
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.typing import Array


@dataclass(frozen=True)
class SpecHub(Sampler):
    """Verify two drafts of which one is always the hub a = argmax q; the optimum for these drafts, in closed form.

    Pairs come as (i, a) with mass q(i) and as (a, i) with mass q(a) q(i) / (1 - q(a)). The optimum is

        max  sum S(x, j)   s.t.   sum_j S(x, j) <= Q(x),   sum over x_j = y of S(x, j) <= p(y),   S >= 0

    and amounts to p(a) + sum over i other than a of min(p(i), q(i) / (1 - q(a))).

    1. On (i, a) accept i until p(i) is covered; on (a, i) accept i for what (i, a) left of p(i).
    2. Accept the hub on what is left of the pairs (a, .), then of (., a), until p(a) is covered.
    3. Else draw from what is not covered of p, which is never the hub.

    Notes
    -----
    As a program (the helpers are explained in `spechub_lp.samplers`)::

        def spechub(p, q):
            V, a = range(len(q)), most_likely(q)
            Q = {(a, a): 1}
            if q[a] < 1:
                Q = {(i, a): q[i] for i in V if i != a} | {(a, i): q[a] * q[i] / (1 - q[a]) for i in V if i != a}
            S, residual = {x: [0 for _ in V] for x in Q}, list(p)
            for x in Q:  # step 1
                i = x[0] if x[1] == a else x[1]
                S[x][i] = min(residual[i], Q[x])
                residual[i] -= S[x][i]
            for group in ([x for x in Q if x[0] == a], [x for x in Q if x[0] != a]):  # step 2
                left = sum(Q[x] - sum(S[x]) for x in group)
                hub = min(residual[a], left)
                for x in group:
                    S[x][a] += hub * (Q[x] - sum(S[x])) / left if hub else 0
                residual[a] -= hub
            x = choose(Q)
            if flip(sum(S[x]) / Q[x]):
                return x, choose(normalized(S[x]))
            return x, choose(normalized(residual))  # step 3

    References
    ----------
    SpecHub, arXiv 2411.05289, section 4.

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> exact(samplers.SpecHub(), ["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"]).acceptance
    Fraction(9, 20)
    """

    name = "spechub"
    own: ClassVar[tuple[DraftPolicy, ...]] = (Hub(),)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k != 2:
            raise SpecHubError(f"spechub verifies two drafts; k = {self.k} (use greedy_hubs for other k)")

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        self.check_drafts(p, x)
        xp = array_namespace(p)
        q = drafter(q, 0)
        a = argmax(q)
        q_hub, p_hub = pick(q, a), pick(p, a)
        others, target = without(q, a[:, None]), without(p, a[:, None])
        hub_first = q_hub[:, None] * normalize(others, empty=others)
        by_first = minimum(target, others)  # step 1: what the pairs (i, a) cover of p(i), then the pairs (a, i)
        by_second = minimum(target - by_first, hub_first)

        left_after_hub = q_hub - total(by_second)[:, 0]  # step 2
        left_before_hub = total(others - by_first)[:, 0]
        hub_if_first = accept_probability(p_hub, left_after_hub)
        hub_if_second = accept_probability(positive(p_hub - left_after_hub), left_before_hub)

        first, second = x[:, 0], x[:, 1]
        starts, ends = first == a, second == a
        i = xp.where(starts, second, first)
        keep = xp.where(
            starts,
            accept_probability(pick(by_second, i), pick(hub_first, i)),
            accept_probability(pick(by_first, i), pick(others, i)),
        )
        hub = (1 - keep) * xp.where(starts, hub_if_first, xp.where(ends, hub_if_second, zero(p)))
        accept = columns(xp.where(starts, hub, keep), xp.where(starts, keep, hub))
        residual = normalize(positive(target - by_first - by_second), empty=p)  # step 3
        return Verdict(accept, (one(p) - keep - hub)[:, None] * residual)

    def closed_form(self, p: Array, q: Array) -> Array:
        """p(a) + sum over i other than a of min(p(i), q(i) / (1 - q(a)))."""
        q = drafter(q, 0)
        a = argmax(q)[:, None]
        others = without(q, a)
        return pick(p, a[:, 0]) + total(minimum(without(p, a), normalize(others, empty=others)))[:, 0]
