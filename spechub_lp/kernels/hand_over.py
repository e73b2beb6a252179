"""Which of three and more drafts without replacement is chosen from the best block: the walk of `samplers.BorderWor`.

go through the drafts in the order drawn; those worse than the block G only leave the pool
at a draft y of G, with r draws to come: keep y, unless a later draft is in G too and a coin of probability theta
falls; then go on with the pool and the block without y

theta(y) = (1 - q(y) / q(G)) (max over x in G of P(x) - P(y)) / R(y)
P(x) = Pr[a better block is hit in r draws from the pool without x]
R(y) = Pr[none is hit, and another token of G is, in r draws from the pool without y]
"""

from typing import NamedTuple

from spechub_lp._util.extras import extra
from spechub_lp.kernels.race import Pool, Race

with extra("torch", "the kernels"):
    import torch


class Tokens(NamedTuple):
    """Hold some tokens of each row.

    Examples
    --------
    >>> Tokens(*(torch.zeros(2, 3) for _ in range(4))).token.shape
    torch.Size([2, 3])
    """

    token: torch.Tensor
    """[B, m] the tokens."""
    share: torch.Tensor
    """[B, m] q over the sum of the row."""
    place: torch.Tensor
    """[B, m] their places."""
    power: torch.Tensor
    """[B, m, MOMENTS] powers of q/unit of light tokens, 0 of heavy ones."""


def hand_over(
    race: Race,
    drafts: Tokens,
    heaviest: Tokens,
    first: torch.Tensor,
    end: torch.Tensor,
    count: torch.Tensor | int,
) -> torch.Tensor:
    """Compute the probability that each draft is chosen from the best block.

    Parameters
    ----------
    race
        B rows.
    drafts
        [B, k] in the order drawn.
    heaviest
        [B, m] the heaviest tokens of the block, falling, k of them or all; then any others.
    first, end : [B]
        The best block that was hit.
    count : int or [B, 1]
        Number of drafts; the slots behind them hold none.

    Returns
    -------
    [B, k]
        Rows sum to 1 where there is a draft.

    Examples
    --------
    >>> from spechub_lp.kernels.border import choose, prepare
    >>> p, q = (torch.tensor([row], dtype=torch.float64) for row in ([0.1, 0.1, 0.1, 0.7], [0.5, 0.2, 0.2, 0.1]))
    >>> drafts, level = torch.tensor([[1, 2, 0]]), torch.tensor([0.5])
    >>> choose(prepare(p, q, 3, replaced=False), drafts, level, replaced=False).round(decimals=3).tolist()
    [[0.886, 0.098, 0.016]]
    """
    token, k = drafts.token, drafts.token.shape[1]
    there = torch.arange(k, device=token.device) < count
    new = there & ~(token[:, :, None] == token[:, None, :]).tril(-1).any(dim=2)
    inside = new & (drafts.place >= first[:, None]) & (drafts.place < end[:, None])
    if k == 1:
        return inside.double()
    later = inside[:, 1:].flip(1).cumsum(dim=1).flip(1) > 0
    either = inside[:, :-1] & later
    each_step = torch.arange(len(token) * (k - 1), device=token.device)
    row, step = each_step // (k - 1), each_step % (k - 1)
    gone = new[row] & (torch.arange(k, device=token.device) < step[:, None])
    draws = (count[row] if isinstance(count, torch.Tensor) else count) - 1 - step[:, None]
    these, tops = (Tokens(*(a[row] for a in each)) for each in (drafts, heaviest))
    edges = first[row], end[row]
    theta = _theta(race.rows(row), these, tops, *edges, gone, step[:, None], draws, either.flatten())
    theta = torch.nn.functional.pad(torch.where(either, theta.view_as(either), 0.0), (0, 1))
    left = torch.where(inside, theta, 1.0).cumprod(dim=1)
    return torch.nn.functional.pad(left[:, :-1], (1, 0), value=1.0) - left


def _theta(race: Race, drafts: Tokens, heaviest: Tokens, first: torch.Tensor, end: torch.Tensor, gone: torch.Tensor,
           step: torch.Tensor, draws: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:  # fmt: skip
    """The probability [B] to hand over at draft `step` [B, 1], where `gone` [B, k] drafts have left the pool."""
    drawn = ((heaviest.token[:, :, None] == drafts.token[:, None, :]) & gone[:, None, :]).any(dim=2)
    block = (heaviest.place >= first[:, None]) & (heaviest.place < end[:, None])
    top = (~drawn & block).int().argmax(dim=1, keepdim=True)
    both = Tokens(*(torch.cat([a, b.gather(1, _like(top, b))], dim=1) for a, b in zip(drafts, heaviest, strict=True)))
    k = gone.shape[1]
    slot = torch.arange(k + 1, device=gone.device)
    gone = torch.nn.functional.pad(gone, (0, 1))
    without, without_top = gone | (slot == step), gone | (slot == k)
    pool = _pool(race, both, torch.stack([without, without_top, without], dim=1), torch.stack([first, first, end], 1))
    mass = race.mass(pool)
    others = (mass[:, 2] - mass[:, 0]).clamp_min(0)
    hit, hit_without_top, hit_or_block = race.hit(pool, draws, wanted).unbind(dim=1)
    spread, reached = (hit_without_top - hit).clamp_min(0), hit_or_block - hit
    share = others / (others + drafts.share.gather(1, step)[:, 0]).clamp_min(1e-300)
    return torch.where(reached > 0, share * spread / reached.clamp_min(1e-300), 0.0).clamp(0, 1)


def _pool(race: Race, tokens: Tokens, gone: torch.Tensor, boundary: torch.Tensor) -> Pool:
    """The sets before a boundary [B, S], and what else is left, where `gone` [B, S, m] of some tokens are not."""
    drawn = ((race.token[:, None, :, None] == tokens.token[:, None, None, :]) & gone[:, :, None, :]).any(dim=3)
    before = race.place[:, None, :] < boundary[:, :, None]
    behind = race.behind.gather(1, _like(boundary, race.behind))
    ahead = tokens.place[:, None, :] < boundary[:, :, None]
    lost_ahead, lost_behind = (
        torch.where((gone & side)[:, :, :, None], tokens.power[:, None], 0.0).sum(dim=2) for side in (ahead, ~ahead)
    )
    return Pool(before & ~drawn, ~before & ~drawn, race.behind[:, :1] - behind - lost_ahead, behind - lost_behind)


def _like(index: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    return index if a.ndim == 2 else index[:, :, None].expand(-1, -1, a.shape[2])
