"""Every sampler on rational instances, on real n-gram distributions and on a language model's logits."""

from spechub_lp.audit.audit import Audit, run

__all__ = ["Audit", "run"]
