"""Optimal transport with membership cost: the best acceptance that any rule can reach with given drafts."""

from spechub_lp.drafts.base import Cut
from spechub_lp.optimum.full_vocabulary import cut
from spechub_lp.optimum.solve import Optimum, optimum

__all__ = ["Cut", "Optimum", "cut", "optimum"]
