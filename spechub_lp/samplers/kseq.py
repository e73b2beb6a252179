from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from spechub_lp._array.ops import columns, minimum, normalize, one, pick, positive, power, ratio, share, total
from spechub_lp.drafts import IID
from spechub_lp.drafts.base import drafter
from spechub_lp.samplers.base import Sampler, Verdict

Array = Any

HALVINGS = 24
"""Bisection steps for rho: it ends within (k - 1) / 2^24 above the root, a float32 rounding, and on the valid side."""


@dataclass(frozen=True)
class KSeq(Sampler):
    """K-SEQ: one threshold for all k drafts, discounted by rho; at least 1 - (1 - 1/k)^k of the iid optimum.

    SpecTr, arXiv 2310.15141, algorithm 2 and theorem 2. With beta = sum min(p / rho, q), any rho in [1, k] with
    1 - (1 - beta)^k <= rho beta is lossless; the smallest is best.

    1. Find rho by bisection.
    2. Accept draft x_j with probability min(1, p(x_j) / (rho q(x_j))).
    3. After the last draft, draw from p - min(p / rho, q) (1 - (1 - beta)^k) / beta, normalized.
    """

    name = "kseq"
    own = (IID(),)

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        q = drafter(q, 0)
        rho = self.discount(p, q)
        taken = minimum(p / rho, q)
        beta = total(taken)
        need = normalize(positive(p - taken * ratio(1 - power(1 - beta, self.k), beta)), empty=p)
        accept, rejected = [], one(p)
        for j in range(self.k):
            kept = share(pick(p, x[:, j]), pick(rho * q, x[:, j]))
            accept.append(rejected * kept)
            rejected = rejected * (1 - kept)
        return Verdict(columns(*accept), rejected[:, None] * need)

    def discount(self, p: Array, q: Array) -> Array:
        """The smallest valid rho, from above: [B, V], [B, V] -> [B, 1]."""
        xp = array_namespace(p)

        def valid(rho: Array) -> Array:
            beta = total(minimum(p / rho, q))
            return 1 - power(1 - beta, self.k) <= rho * beta

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
