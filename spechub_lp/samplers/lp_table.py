"""The optimal rule of a solved program."""

from dataclasses import dataclass

from spechub_lp._array.ops import normalize, positive, total
from spechub_lp.drafts import ALL
from spechub_lp.optimum.lookup import solved_accept
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.typing import Array


@dataclass(frozen=True)
class LPTable(Sampler):
    """Look up the verdict in the solved program: the optimum of whatever drafts it is given, at small V.

        max  sum S(x, j)   s.t.   sum_j S(x, j) <= Q(x),   sum over x_j = y of S(x, j) <= p(y),   S >= 0

    1. Solve the program, exactly.
    2. Accept draft j of tuple x with probability S(x, j) / Q(x).
    3. Else draw from what the accepted drafts leave of p, normalized.

    Notes
    -----
    As a program (the helpers are explained in `spechub_lp.samplers`) after step 1: given are Q, the distribution of the
    draft tuples, and S, a solution of the program above, one mass for each draft of each tuple::

        def lp_table(p, Q, S):
            x = choose(Q)
            if flip(sum(S[x]) / Q[x]):  # step 2
                return x, x[choose(normalized(S[x]))]
            residual = list(p)
            for drafts, masses in S.items():
                for y, mass in zip(drafts, masses):
                    residual[y] -= mass
            return x, choose(normalized(residual))  # step 3

    References
    ----------
    SpecHub, arXiv 2411.05289, section 3; the optimal transport of SpecTr, arXiv 2310.15141.

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> exact(samplers.LPTable(), ["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"]).acceptance
    Fraction(39, 100)
    """

    name = "lp_table"
    own = ALL

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        self.check_drafts(p, x)
        accept, residual = solved_accept(self.drafts, p, q, x)  # steps 1 and 2
        rejected = positive(1 - total(accept))
        return Verdict(accept, rejected * normalize(residual, empty=p))  # step 3
