"""Choose one draft, then verify it alone."""

from dataclasses import dataclass

from spechub_lp._array.ops import accept_probability, columns, normalize, pick, positive, total
from spechub_lp.drafts import ALL
from spechub_lp.errors import SpecHubError
from spechub_lp.optimum.lookup import solved_choice
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.typing import Array


@dataclass(frozen=True)
class TwoStep(Sampler):
    """Choose one of two drafts by importance weights, then verify it alone; the optimum of its drafts, at small V.

        max  sum_y min(p(y), b(y))   over the distributions b of the chosen draft

    1. Choose draft j of the pair x with weight beta_x[j]; the weights sum to 1, and the chosen token has distribution
       b.
    2. Accept the chosen token y with probability min(1, p(y) / b(y)).
    3. Else draw from (p - b)+, normalized.

    Notes
    -----
    As a program (the helpers are explained in `spechub_lp.samplers`): given are Q, the distribution of the pairs of
    drafts, and beta, the two weights of each pair, which solve the program above::

        def two_step(p, Q, beta):
            b = [sum(Q[x] * beta[x][j] for x in Q for j in (0, 1) if x[j] == y) for y in range(len(p))]
            x = choose(Q)
            y = x[choose(beta[x])]  # step 1
            if flip(p[y] / b[y]):  # step 2
                return x, y
            return x, choose(normalized(excess(p, b)))  # step 3

    References
    ----------
    Khisti et al., arXiv 2410.18234, theorem 1 (importance sampling, then speculative sampling).

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> exact(samplers.TwoStep(), ["0", "1/5", "4/5"], ["3/5", "3/10", "1/10"]).acceptance
    Fraction(39, 100)
    """

    name = "two_step"
    own = ALL

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k != 2:
            raise SpecHubError(f"two_step chooses between two drafts; k = {self.k} (use lp_table for other k)")

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        self.check_drafts(p, x)
        beta, b = solved_choice(self.drafts, p, q, x)
        accept = columns(
            *[beta[:, j] * accept_probability(pick(p, x[:, j]), pick(b, x[:, j])) for j in range(2)]  # steps 1 and 2
        )
        return Verdict(accept, positive(1 - total(accept)) * normalize(positive(p - b), empty=p))  # step 3
