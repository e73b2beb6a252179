"""A `Sampler` as an engine: its verdict row, and one uniform of torch's."""

from spechub_lp._util.extras import extra
from spechub_lp.samplers.base import Sampler
from spechub_lp.sampling import inverse_cdf

with extra("gate", "the gate"):
    import torch


class Own:
    """One rule as a plain function on one node.

    Parameters
    ----------
    sampler
        The rule, of this package or a stranger's.

    Examples
    --------
    >>> from spechub_lp import samplers
    >>> p, q = torch.tensor([1.0, 0.0]).double(), torch.tensor([0.5, 0.5]).double()
    >>> Own(samplers.RRS())(p, q, [1, 0])  # token 1 has p = 0; draft 0, in slot 1, is accepted
    (0, 1)
    """

    def __init__(self, sampler: Sampler):
        self.sampler = sampler
        self.__name__ = f"spechub/{sampler.name}"

    def __call__(self, p: torch.Tensor, q: torch.Tensor, drafts: list[int]) -> tuple[int, int]:
        """Verify the k drafts of one node, given p [V] and q [V] or [k, V]; return the token and its slot, or -1."""
        verdict = self.sampler.verify(p[None], q[None], torch.tensor([drafts]))
        weights = torch.cat([torch.as_tensor(verdict.accept), torch.as_tensor(verdict.residual)], dim=1)
        u = torch.rand(1, dtype=torch.float64)
        place = int(inverse_cdf(weights.numpy(), u.numpy())[0])  # the same bits as in torch, and faster under control
        k = len(drafts)
        return (drafts[place], place) if place < k else (place - k, -1)
