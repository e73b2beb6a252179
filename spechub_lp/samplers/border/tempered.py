"""Border on tempered drafts."""

from dataclasses import dataclass
from typing import ClassVar

from spechub_lp.drafts import DraftPolicy
from spechub_lp.drafts.base import drafter
from spechub_lp.drafts.tempered import Tempered
from spechub_lp.samplers.border.preparation import Mixture
from spechub_lp.samplers.border.without_replacement import BorderWor
from spechub_lp.typing import Array


@dataclass(frozen=True)
class BorderTempered(BorderWor):
    """Verify tempered drafts as `border_wor` does, with the distribution they were really drawn from; their optimum.

    References
    ----------
    theory/border, section 9.

    Examples
    --------
    >>> from spechub_lp import exact, samplers
    >>> exact(samplers.BorderTempered(), ["3/5", "3/10", "1/10"], ["1/5", "3/10", "1/2"]).is_lossless
    True
    """

    name = "border_tempered"
    own: ClassVar[tuple[DraftPolicy, ...]] = (Tempered(),)

    def prepare(self, p: Array, q: Array) -> Mixture:
        policy = self.drafts if isinstance(self.drafts, Tempered) else Tempered()
        return super().prepare(p, policy.temper(drafter(q, 0)))
