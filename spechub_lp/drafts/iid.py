from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from spechub_lp._array.ops import power, total, zero
from spechub_lp.drafts.base import DraftPolicy

Array = Any


@dataclass(frozen=True)
class IID(DraftPolicy):
    """Every draft is drawn from q, with replacement. Q(H) = q(H)^k. (SpecTr, arXiv 2310.15141; SpecInfer.)"""

    name = "iid"

    def draft(self, q: Array, x: Array, k: int) -> Array:
        return q

    def inside(self, q: Array, H: Array, k: int) -> Array:
        return total(array_namespace(q).where(H, q, zero(q)))[:, 0] ** k

    def drafted(self, q: Array, k: int) -> Array:
        """1 - (1 - q)^k."""
        return 1 - power(1 - q, k)
