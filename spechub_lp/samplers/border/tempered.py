from dataclasses import dataclass
from typing import Any, ClassVar

from spechub_lp.drafts import DraftPolicy
from spechub_lp.drafts.base import drafter
from spechub_lp.drafts.tempered import Tempered
from spechub_lp.samplers.border.preparation import Lottery
from spechub_lp.samplers.border.without_replacement import BorderWor

Array = Any


@dataclass(frozen=True)
class BorderTempered(BorderWor):
    """The optimum for tempered drafts: border_wor with the distribution they were really drawn from. (theory/border)"""

    name = "border_tempered"
    own: ClassVar[tuple[DraftPolicy, ...]] = (Tempered(),)

    def prepare(self, p: Array, q: Array) -> Lottery:
        policy = self.drafts if isinstance(self.drafts, Tempered) else Tempered()
        return super().prepare(p, policy.temper(drafter(q, 0)))
