"""This package's own rules in torch, as engines: `spechub/rrs`, `spechub/spechub`, ..."""

import torch

from spechub_lp import samplers
from spechub_lp.drafts import by_name
from spechub_lp.errors import SpecHubError
from spechub_lp.sampling import inverse_cdf


class Own:
    """One rule as a plain function on one node: its verdict row, and one float64 uniform of torch's."""

    def __init__(self, sampler: samplers.Sampler):
        self.sampler = sampler
        self.__name__ = f"spechub/{sampler.name}"

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        """Verify one node."""
        verdict = self.sampler.verify(p[None], q[None], torch.tensor([drafts]))
        weights = torch.cat([torch.as_tensor(verdict.accept), torch.as_tensor(verdict.residual)], dim=1)
        place = int(inverse_cdf(weights, torch.rand(1, dtype=torch.float64))[0])
        k = len(drafts)
        return (drafts[place], place) if place < k else (place - k, -1)


def engine(variant: str = "", drafts: str = "iid", k: int = 2) -> Own:
    """The rule of that name, fed with these drafts. Raises UnknownName, or SpecHubError when none is named."""
    if not variant:
        raise SpecHubError(f"name a rule: spechub/{'|'.join(s.name for s in samplers.ALL)}")
    return Own(samplers.by_name(variant, k).with_drafts(by_name(drafts)))
