from dataclasses import dataclass
from typing import Any

from spechub_lp._array.ops import normalize, total
from spechub_lp.drafts import ALL
from spechub_lp.optimum.lookup import solved_accept
from spechub_lp.samplers.base import Sampler, Verdict

Array = Any


@dataclass(frozen=True)
class LPTable(Sampler):
    """The solved compact program as a verdict table: the optimum of whatever drafts it is given, at small V.

        max  sum S(x, j)   s.t.   sum_j S(x, j) <= Q(x),   sum over x_j = y of S(x, j) <= p(y),   S >= 0

    SpecHub, arXiv 2411.05289, section 3; the optimal transport of SpecTr, arXiv 2310.15141.

    1. Solve the program, exactly.
    2. Accept draft j of tuple x with probability S(x, j) / Q(x).
    3. Else draw from what the accepted drafts leave of p, normalized.
    """

    name = "lp_table"
    own = ALL

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        accept, rest = solved_accept(self.drafts, p, q, x)
        rejected = 1 - total(accept)
        return Verdict(accept, rejected * normalize(rest, empty=p))
