"""This package's own rules in torch, as engines: `spechub/rrs`, `spechub/spechub`, ..."""

from spechub_lp import samplers
from spechub_lp.errors import SpecHubError
from spechub_lp.gate.engines.own import Own


def engine(variant: str = "", drafts: str = "iid", k: int = 2) -> Own:
    """The rule of that name, fed with these drafts. Raises UnknownName, or SpecHubError when none is named."""
    if not variant:
        raise SpecHubError(f"name a rule: spechub/{'|'.join(s.name for s in samplers.ALL)}")
    return Own(samplers.by_name(variant, k).with_drafts(drafts))
