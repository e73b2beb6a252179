"""Optimal transport with membership cost: the best acceptance that any rule can reach with given drafts."""

from spechub_lp.otm.cut import Cut, cut
from spechub_lp.otm.optimum import Optimum, optimum

__all__ = ["Cut", "Optimum", "cut", "optimum"]
