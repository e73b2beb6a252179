"""Border on adaptive drafts."""

from dataclasses import dataclass
from typing import ClassVar

from array_api_compat import array_namespace

from spechub_lp.drafts import DraftPolicy
from spechub_lp.drafts.adaptive import Adaptive
from spechub_lp.drafts.base import drafter
from spechub_lp.samplers.base import Sampler, Verdict
from spechub_lp.samplers.border.without_replacement import BorderWor
from spechub_lp.samplers.greedy_hubs import GreedyHubs
from spechub_lp.typing import Array


@dataclass(frozen=True)
class BorderAdaptive(Sampler):
    """Verify adaptive drafts: by greedy_hubs where q(a) >= threshold, by border_wor elsewhere; their optimum.

    1. Find from q alone which drafts were made.
    2. Verify them by the rule that is optimal for them.

    References
    ----------
    theory/border, section 9.

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> exact(samplers.BorderAdaptive(), ["3/5", "3/10", "1/10"], ["1/5", "3/10", "1/2"]).is_lossless
    True
    """

    name = "border_adaptive"
    own: ClassVar[tuple[DraftPolicy, ...]] = (Adaptive(),)

    def verify(self, p: Array, q: Array, x: Array) -> Verdict:
        q = drafter(q, 0)
        hub, spread = (rule(self.k).verify(p, q, x) for rule in (GreedyHubs, BorderWor))
        where, peaked = array_namespace(p).where, self._policy.peaked(q)[:, None]
        return Verdict(where(peaked, hub.accept, spread.accept), where(peaked, hub.residual, spread.residual))

    def closed_form(self, p: Array, q: Array) -> Array:
        hub, spread = (rule(self.k).closed_form(p, q) for rule in (GreedyHubs, BorderWor))
        return array_namespace(p).where(self._policy.peaked(drafter(q, 0)), hub, spread)

    @property
    def _policy(self) -> Adaptive:
        return self.drafts if isinstance(self.drafts, Adaptive) else Adaptive()
