"""Optimal transport with membership cost: the best acceptance that any rule can reach with given drafts."""

from spechub_lp.optimum.full_vocabulary import Cut, cut
from spechub_lp.optimum.solve import Optimum, optimum

__all__ = ["Cut", "Optimum", "cut", "optimum"]
