"""Our own rules in torch, as engines: `spechub/rrs`, `spechub/spechub`, ...

Border's rules run as kernels, by the protocol of explicit noise like the kernels of others (`adapters.kernels`):
`spechub/border`, `spechub/border_wor`, `spechub/border_bucketed`. `_exact` at the end of a name
(`spechub/border_exact`) is the verdict of the exact sampler, a plain function on one node, as every other rule is.
"""

from typing import Any

from spechub_lp import samplers
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.adapters import kernels
from spechub_lp.gate.adapters.kernels import own_drafts, rule_of
from spechub_lp.gate.engines.own import Own
from spechub_lp.kernels.node import KERNELS

__all__ = ["engine", "own_drafts"]


def engine(variant: str = "", drafts: str = "iid", k: int = 2) -> Any:
    """Make a rule an engine, fed with these drafts.

    Parameters
    ----------
    variant
        The rule by name; "_exact" at its end takes the exact sampler where the rule has a kernel.
    drafts
        The draft policy by name.
    k
        Number of drafts.

    Returns
    -------
    Own, NodeKernel or TreeKernel
        A plain function on one node, or a kernel.

    Raises
    ------
    SpecHubError
        No rule is named.
    UnknownName
        No such rule, or no such draft policy.

    Examples
    --------
    >>> engine("rrs").__name__
    'spechub/rrs'
    >>> type(engine("border")).__name__, type(engine("border_exact")).__name__
    ('TreeKernel', 'Own')
    """
    if not variant:
        raise SpecHubError(f"name a rule: spechub/{'|'.join(s.name for s in samplers.ALL)}")
    sampler = samplers.by_name(rule_of(variant), k)
    if type(sampler) in KERNELS and not variant.endswith("_exact"):
        return kernels.engine(variant, drafts, k)
    return Own(sampler.with_drafts(drafts))
