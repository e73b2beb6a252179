"""Every sampler on rational instances, on real n-gram distributions and on a language model's logits."""

from spechub_lp._util.lazy import public
from spechub_lp.audit.audit import run
from spechub_lp.audit.records import Audit

__all__ = ["Audit", "run"]

public(__name__)
