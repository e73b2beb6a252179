"""Which of three and more drafts without replacement is chosen from the best block: the walk of `samplers.BorderWor`.

go through the drafts in the order drawn; those worse than the block G only leave the pool
at a draft y of G, with r draws to come: keep y, unless a later draft is in G too and a coin of probability theta
falls; then go on with the pool and the block without y

theta(y) = (1 - q(y) / q(G)) (max over x in G of P(x) - P(y)) / R(y)
P(x) = Pr[a better block is hit in r draws from the pool without x]
R(y) = Pr[none is hit, and another token of G is, in r draws from the pool without y]

P is largest at the heaviest token of G, which is never handed over: where the walk goes on, it has not been drafted.
"""

from typing import NamedTuple

from spechub_lp._util.extras import extra
from spechub_lp.kernels.hand_over_loops import list_sets
from spechub_lp.kernels.race import Pool, Race
from spechub_lp.kernels.race_loops import MOMENTS

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
    tokens: Tokens,
    k: int,
    first: torch.Tensor,
    end: torch.Tensor,
    count: torch.Tensor | int,
) -> torch.Tensor:
    """Compute the probability that each draft is chosen from the best block.

    Parameters
    ----------
    race
        B rows.
    tokens
        [B, k + 1] the drafts in the order drawn, and the heaviest token of the block.
    k
        Slots of drafts.
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
    each = count if isinstance(count, torch.Tensor) else torch.full_like(first[:, None], count)
    inside, theta = (_by_loops if race.in_loops else _by_operations)(race, tokens, k, first, end, each)
    left = torch.where(inside, torch.nn.functional.pad(theta, (0, 1)), 1.0).cumprod(dim=1)
    return torch.nn.functional.pad(left[:, :-1], (1, 0), value=1.0) - left


def _by_operations(
    race: Race, tokens: Tokens, k: int, first: torch.Tensor, end: torch.Tensor, count: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Which drafts [B, k] are new and in the block, and the probability [B, k - 1] to hand over."""
    token, place = tokens.token[:, :k], tokens.place[:, :k]
    there = torch.arange(k, device=token.device) < count
    new = there & ~(token[:, :, None] == token[:, None, :]).tril(-1).any(dim=2)
    inside = new & (place >= first[:, None]) & (place < end[:, None])
    later = inside[:, 1:].flip(1).cumsum(dim=1).flip(1) > 0
    draws = count - 1 - torch.arange(k - 1, device=token.device)
    return inside, _theta(race, tokens, first, end, new, draws, inside[:, :-1] & later)


def _theta(race: Race, tokens: Tokens, first: torch.Tensor, end: torch.Tensor, new: torch.Tensor, draws: torch.Tensor,
           wanted: torch.Tensor) -> torch.Tensor:  # fmt: skip
    """The probability [B, k - 1] to hand over at each `wanted` draft, with so many `draws` to come."""
    batch, k = new.shape
    each_step = torch.arange(batch * (k - 1), device=new.device)
    row, step = each_step // (k - 1), each_step[:, None] % (k - 1)
    slot = torch.arange(k + 1, device=new.device)
    gone = torch.nn.functional.pad(new[row], (0, 1)) & (slot < step)
    tokens = Tokens(*(a[row] for a in tokens))
    race, first, end = race.rows(row), first[row], end[row]
    without, without_top = gone | (slot == step), gone | (slot == k)
    pool = _pool(race, tokens, torch.stack([without, without_top, without], dim=1), torch.stack([first, first, end], 1))
    mass = race.mass(pool)
    theta = _ratio(mass, race.hit(pool, mass, draws.reshape(-1, 1)), tokens.share.gather(1, step)[:, 0])
    return torch.where(wanted, theta.view_as(wanted), 0.0)


def _by_loops(
    race: Race, tokens: Tokens, k: int, first: torch.Tensor, end: torch.Tensor, count: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same, by the loops of numba."""
    batch, new = len(first), torch.float64
    steps = batch * (k - 1)
    inside, step = torch.empty(batch, k, dtype=torch.bool), torch.empty(steps, 3, dtype=torch.int64)
    walk, light = torch.empty(steps, 3 * race.token.shape[1], dtype=new), torch.empty(steps, 3, MOMENTS, dtype=new)
    mass, rest = torch.empty(steps, 3, dtype=new), torch.empty(steps, 3, dtype=new)
    given = (race.share, race.token, race.place, race.behind, race.unit, tokens.token, tokens.place, tokens.power)
    made = (first, end, count, inside, step, walk, light, mass, rest)
    n = list_sets(*(a.contiguous().numpy() for a in (*given, *made)))
    theta = torch.zeros(batch, k - 1, dtype=new)
    if n:
        row, slot, draws = step[:n].unbind(dim=1)
        hit = race.hit_by_loops(row, draws[:, None], walk[:n], light[:n], mass[:n], rest[:n])
        theta[row, slot] = _ratio(mass[:n], hit, tokens.share[row, slot])
    return inside, theta


def _ratio(mass: torch.Tensor, hit: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """theta [N] of q [N, 3] of the three sets, the probability [N, 3] to hit them, and q [N] of the draft."""
    others = (mass[:, 2] - mass[:, 0]).clamp_min(0)
    spread, reached = (hit[:, 1] - hit[:, 0]).clamp_min(0), hit[:, 2] - hit[:, 0]
    weight = others / (others + share).clamp_min(1e-300)
    return torch.where(reached > 0, weight * spread / reached.clamp_min(1e-300), 0.0).clamp(0, 1)


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
