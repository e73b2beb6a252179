"""K-SEQ: the target is compared with a multiple of q."""

from dataclasses import dataclass
from typing import ClassVar

from array_api_compat import array_namespace

from spechub_lp._array.ops import (
    accept_probability,
    columns,
    minimum,
    normalize,
    one,
    pick,
    positive,
    power,
    ratio,
    total,
)
from spechub_lp.drafts import IID, DraftPolicy
from spechub_lp.drafts.base import drafter
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.typing import Array

HALVINGS = 24
"""Bisection steps for rho: the result is at most (k - 1) / 2^24 above the root, a float32 rounding, and valid."""


@dataclass(frozen=True)
class KSeq(Sampler):
    """Verify k iid drafts by one rule, discounted by rho; the acceptance is at least 1 - (1 - 1/k)^k of the optimum.

    With beta = sum min(p / rho, q), every rho in [1, k] with 1 - (1 - beta)^k <= rho beta is lossless; the smallest is
    best.

    1. Find the smallest rho by bisection.
    2. Accept draft x_j with probability min(1, p(x_j) / (rho q(x_j))).
    3. After the last draft, draw from p - min(p / rho, q) (1 - (1 - beta)^k) / beta, normalized.

    Notes
    -----
    As a program (the helpers are explained in `spechub_lp.samplers`)::

        def kseq(p, q, k):
            drafts = [choose(q) for _ in range(k)]

            def valid(rho):
                beta = sum(min(a / rho, b) for a, b in zip(p, q))
                return 1 - (1 - beta) ** k <= rho * beta

            low, rho = Fraction(1), Fraction(1 if valid(1) else k)
            for _ in range(24):  # step 1
                middle = (low + rho) / 2
                low, rho = (low, middle) if valid(middle) else (middle, rho)
            for x in drafts:
                if flip(p[x] / (rho * q[x])):  # step 2
                    return drafts, x
            taken = [min(a / rho, b) for a, b in zip(p, q)]
            beta = sum(taken)
            scale = (1 - (1 - beta) ** k) / beta if beta else 0
            return drafts, choose(normalized(excess(p, [scale * t for t in taken])))  # step 3

    References
    ----------
    SpecTr, arXiv 2310.15141, algorithm 2 and theorem 2.

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> coupling = exact(samplers.KSeq(), ["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"])
    >>> round(float(coupling.acceptance), 6), coupling.is_lossless
    (0.378815, True)
    """

    name = "kseq"
    own: ClassVar[tuple[DraftPolicy, ...]] = (IID(),)

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        self.check_drafts(p, x)
        q = drafter(q, 0)
        rho = self.discount(p, q)  # step 1
        taken = minimum(p / rho, q)
        beta = total(taken)
        residual = normalize(positive(p - taken * ratio(1 - power(1 - beta, self.k), beta)), empty=p)
        accept, rejected = [], one(p)
        for j in range(self.k):
            accepted = accept_probability(pick(p, x[:, j]), pick(rho * q, x[:, j]))  # step 2
            accept.append(rejected * accepted)
            rejected = rejected * (1 - accepted)
        return Verdict(columns(*accept), rejected[:, None] * residual)  # step 3

    def discount(self, p: Array, q: Array) -> Array:
        """The smallest valid rho, from above: [B, V], [B, V] -> [B, 1]."""
        xp = array_namespace(p)

        def valid(rho: Array) -> Array:
            beta = total(minimum(p / rho, q))
            found: Array = 1 - power(1 - beta, self.k) <= rho * beta
            return found

        low = total(p) * 0 + 1
        high = xp.where(valid(low), low, low * self.k)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            low, high = xp.where(valid(middle), low, middle), xp.where(valid(middle), middle, high)
        return high

    def closed_form(self, p: Array, q: Array) -> Array:
        """1 - (1 - beta)^k."""
        q = drafter(q, 0)
        beta = total(minimum(p / self.discount(p, q), q))
        return (1 - power(1 - beta, self.k))[:, 0]
