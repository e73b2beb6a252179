"""A hub that holds nearly all of a draft distribution, where the drafts are made without replacement.

Two drafts are then the hub and one of the other tokens, each with probability q(y)/R, where R is what the others hold:
how small R is hardly matters. What depends on it are the two orders, whose choices differ by no more than R, and two
light drafts, which come with probability R^2. So the others are raised, until sums in grains of 2^-60 tell them apart;
the chosen draft keeps its distribution up to the square of what they hold then.
"""

from spechub_lp._util.extras import extra
from spechub_lp.kernels.race import LEAST

with extra("torch", "the kernels"):
    import torch

OCTAVE = -20
RAISED = 2.0**OCTAVE
"""What the others hold afterwards, at most. Where there are three drafts or more they are raised only from below
`race.LEAST`: then the first two drafts are verified as a pair."""
NEARLY = 0.8
"""A hub below it leaves more than that, in every row whose sum is taken for 1."""


def raise_others(q: torch.Tensor, k: int | torch.Tensor, hub: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return q with the tokens beside a hub raised, where there are two drafts or more and they hold next to nothing.

    Parameters
    ----------
    q : [B, V]
        Draft distribution.
    k : int or [B, 1]
        Number of drafts.
    hub : [B, 1]
        The largest entry of each row.

    Returns
    -------
    [B, V], [B, 1]
        q, and which rows of it were raised; the others are as they were.

    Examples
    --------
    >>> q = torch.tensor([[1.0, 2.0**-60, 2.0**-61], [0.5, 0.25, 0.25]])
    >>> raised, rows = raise_others(q, 2, q.amax(dim=1, keepdim=True))
    >>> rows.tolist()
    [[True], [False]]
    >>> (raised / raised[:, 2:]).tolist()  # what the others hold is 1.5 * 2^-21
    [[4194304.0, 2.0, 1.0], [2.0, 1.0, 1.0]]
    """
    if q.device.type != "cpu":
        octaves = _octaves(q, k, hub)
        return _raised(q, octaves, hub), octaves > 0
    raised = torch.zeros_like(hub, dtype=torch.bool)
    near = (hub[:, 0] > NEARLY).nonzero()[:, 0]  # to look at them costs nothing on the host
    if not len(near):
        return q, raised
    octaves = _octaves(q[near], k[near] if isinstance(k, torch.Tensor) else k, hub[near])
    raised[near] = octaves > 0
    rows = raised[:, 0].nonzero()[:, 0]
    if len(rows):
        q = q.clone()
        q[rows] = _raised(q[rows], octaves[octaves > 0][:, None], hub[rows])
    return q, raised


def _octaves(q: torch.Tensor, k: int | torch.Tensor, hub: torch.Tensor) -> torch.Tensor:
    """By how many octaves the others of each row are raised: [B, 1]."""
    # a number stays one: as a tensor it would be copied to the device
    least = torch.where(k > 2, LEAST, RAISED) if isinstance(k, torch.Tensor) else LEAST if k > 2 else RAISED
    others = torch.where(q < hub, q, 0.0).sum(dim=1, keepdim=True, dtype=torch.float64)
    faint = (others > 0) & (others < least) & (k > 1)
    return torch.where(faint, OCTAVE - torch.frexp(others).exponent, 0).long()


def _raised(q: torch.Tensor, octaves: torch.Tensor, hub: torch.Tensor) -> torch.Tensor:
    half = octaves // 2  # the whole may be more than the largest float
    return torch.where(q < hub, q * _power_of_two(half).to(q.dtype) * _power_of_two(octaves - half).to(q.dtype), q)


def _power_of_two(octaves: torch.Tensor) -> torch.Tensor:
    """The same on every device, as a power that is computed may not be."""
    return ((octaves + 1023) << 52).view(torch.float64)
