"""A `Sampler` as an engine: its verdict row, and one uniform of torch's."""

from spechub_lp._util.extras import extra
from spechub_lp.samplers.base import Sampler
from spechub_lp.sampling import inverse_cdf

with extra("gate", "the gate"):
    import torch


def in_company(p: torch.Tensor, q: torch.Tensor, drafts: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Put a row behind another one, with the same drafts and q, whose target is its own, moved by a token.

    Parameters
    ----------
    p : [1, V]
        Target distribution.
    q : [1, V] or [1, k, V]
        Draft distribution.
    drafts : [1, k]
        Token ids.

    Returns
    -------
    p [2, V], q [2, V] or [2, k, V], drafts [2, k]
        The row is the last one.

    Examples
    --------
    >>> in_company(torch.tensor([[0.5, 0.25, 0.25]]), torch.ones(1, 3) / 3, torch.tensor([[1]]))[0].tolist()
    [[0.25, 0.5, 0.25], [0.5, 0.25, 0.25]]
    """
    return torch.cat([p.roll(1, 1), p]), torch.cat([q, q]), torch.cat([drafts, drafts])


class Own:
    """One rule as a plain function on one node, alone where its drafts have an odd sum, else behind another row.

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
        rows = (a[None] for a in (p, q, torch.tensor(drafts)))
        verdict = self.sampler.verify(*(rows if sum(drafts) % 2 else in_company(*rows)))
        weights = torch.cat([torch.as_tensor(a)[-1:] for a in (verdict.accept, verdict.residual)], dim=1)
        u = torch.rand(1, dtype=torch.float64)
        place = int(inverse_cdf(weights.numpy(), u.numpy())[0])  # the same bits as in torch, and faster under control
        k = len(drafts)
        return (drafts[place], place) if place < k else (place - k, -1)
