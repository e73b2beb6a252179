"""Our own rules in torch, as engines: `spechub/rrs`, `spechub/spechub`, ..."""

from spechub_lp import samplers
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.engines.own import Own


def engine(variant: str = "", drafts: str = "iid", k: int = 2) -> Own:
    """Make a rule an engine, fed with these drafts.

    Parameters
    ----------
    variant
        The rule by name.
    drafts
        The draft policy by name.
    k
        Number of drafts.

    Returns
    -------
    Own
        A plain function on one node.

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
    """
    if not variant:
        raise SpecHubError(f"name a rule: spechub/{'|'.join(s.name for s in samplers.ALL)}")
    return Own(samplers.by_name(variant, k).with_drafts(drafts))
