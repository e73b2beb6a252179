"""Exact distributions, certified optima and tests for multi-draft speculative decoding samplers."""

from typing import TYPE_CHECKING

from spechub_lp._util import renamed
from spechub_lp._util.lazy import public

if TYPE_CHECKING:
    from spechub_lp import certificate, distributions, drafts, errors, plot, samplers, trees
    from spechub_lp._array import ops
    from spechub_lp.acceptance import Acceptance, acceptance
    from spechub_lp.compare import Comparison, Sweep, compare, sweep
    from spechub_lp.coupling import Coupling
    from spechub_lp.drafts.base import Cut
    from spechub_lp.errors import SpecHubError
    from spechub_lp.exact import exact, reference
    from spechub_lp.instance import Instance
    from spechub_lp.optimum.full_vocabulary import cut
    from spechub_lp.optimum.solve import Optimum, optimum
    from spechub_lp.samplers.base import Sampler, Verdict
    from spechub_lp.sampling import Draw, draw
    from spechub_lp.trees.optimum import TreeOptimum, tree_optimum

__version__ = "0.1.0"

__all__ = [
    "Acceptance",
    "Comparison",
    "Coupling",
    "Cut",
    "Draw",
    "Instance",
    "Optimum",
    "Sampler",
    "SpecHubError",
    "Sweep",
    "TreeOptimum",
    "Verdict",
    "acceptance",
    "certificate",
    "compare",
    "cut",
    "distributions",
    "drafts",
    "draw",
    "errors",
    "exact",
    "ops",
    "optimum",
    "plot",
    "reference",
    "samplers",
    "sweep",
    "tree_optimum",
    "trees",
]

renamed.install()
public(
    __name__,
    {
        "certificate": "certificate",
        "distributions": "distributions",
        "drafts": "drafts",
        "errors": "errors",
        "plot": "plot",
        "samplers": "samplers",
        "trees": "trees",
        "Comparison": "compare",
        "Sweep": "compare",
        "compare": "compare",
        "sweep": "compare",
        "Acceptance": "acceptance",
        "Coupling": "coupling",
        "Cut": "drafts.base",
        "Draw": "sampling",
        "Instance": "instance",
        "Optimum": "optimum.solve",
        "Sampler": "samplers.base",
        "SpecHubError": "errors",
        "TreeOptimum": "trees.optimum",
        "Verdict": "samplers.base",
        "acceptance": "acceptance",
        "cut": "optimum.full_vocabulary",
        "draw": "sampling",
        "exact": "exact",
        "ops": "_array",
        "optimum": "optimum.solve",
        "reference": "exact",
        "tree_optimum": "trees.optimum",
    },
)
