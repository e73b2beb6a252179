from dataclasses import dataclass
from typing import Any

from spechub_lp._array.ops import columns, normalize, pick, positive, share, total
from spechub_lp.drafts import ALL
from spechub_lp.errors import SpecHubError
from spechub_lp.optimum.lookup import solved_choice
from spechub_lp.samplers.base import Sampler, Verdict

Array = Any


@dataclass(frozen=True)
class TwoStep(Sampler):
    """Choose one of two drafts by importance weights, then verify it alone; the optimum of its drafts, at small V.

        max  sum_y min(p(y), b(y))   over the distributions b of the chosen draft

    Khisti et al., arXiv 2410.18234, theorem 1 (importance sampling, then speculative sampling).

    1. Choose draft j of the pair x with weight beta_x[j]; the weights sum to 1, and the chosen token has distribution
       b.
    2. Accept the chosen token y with probability min(1, p(y) / b(y)).
    3. Else draw from (p - b)+, normalized.
    """

    name = "two_step"
    own = ALL

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.k != 2:
            raise SpecHubError(f"two_step chooses between two drafts; k = {self.k} (use lp_table for other k)")

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        beta, b = solved_choice(self.drafts, p, q, x)
        accept = columns(*[beta[:, j] * share(pick(p, x[:, j]), pick(b, x[:, j])) for j in range(2)])
        return Verdict(accept, (1 - total(accept)) * normalize(positive(p - b), empty=p))
