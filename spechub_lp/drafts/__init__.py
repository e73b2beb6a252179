"""Draft policies: how the k candidate tokens are drawn from the draft distribution q. One policy a file."""

from spechub_lp._util import objects
from spechub_lp.drafts.base import Cut, DraftPolicy
from spechub_lp.drafts.greedy import Greedy
from spechub_lp.drafts.hub import Hub
from spechub_lp.drafts.iid import IID
from spechub_lp.drafts.product import Product
from spechub_lp.drafts.top_k import TopK
from spechub_lp.drafts.without_replacement import WithoutReplacement
from spechub_lp.errors import UnknownName

ALL: tuple[DraftPolicy, ...] = (IID(), WithoutReplacement(), Hub(), Greedy(), TopK(), Product())


def by_name(name: str | DraftPolicy | type[DraftPolicy]) -> DraftPolicy:
    """Find a draft policy.

    Parameters
    ----------
    name
        A policy's name, or `module:object`; a policy passes through, and its class is made with its
        defaults.

    Returns
    -------
    DraftPolicy
        The policy.

    Raises
    ------
    UnknownName
        No such policy; the message has the nearest name.
    SpecHubError
        No policy is at that address.

    Examples
    --------
    >>> by_name("iid")
    IID()
    """
    if isinstance(name, type) and issubclass(name, DraftPolicy):
        name = objects.made(name.__name__, name)
    if isinstance(name, DraftPolicy):
        return name
    if not isinstance(name, str):
        raise objects.stranger("draft policy", name, DraftPolicy, "'iid'")
    if isinstance(name, str) and ":" in name:
        return objects.find(name, DraftPolicy, "draft policy")
    for policy in ALL:
        if policy.name == name:
            return policy
    raise UnknownName("draft policy", name, [policy.name for policy in ALL])


__all__ = ["ALL", "IID", "Cut", "DraftPolicy", "Greedy", "Hub", "Product", "TopK", "WithoutReplacement", "by_name"]
