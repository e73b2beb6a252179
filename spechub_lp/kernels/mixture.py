"""Border's mixture at one drawn level, for a batch of rows whose tokens are in n places of falling p/q.

What the exact face finds for all levels with a heap (samplers/border/merge_tree.py) is found here for the one level t
that was drawn: the blocks at t are the edges of the upper hull of B - t F over the cumulated q, and only the edge above
the best draft is asked for. So a row costs no loop on a device: a few vectors of n, and one table of pairs of
places. On a CPU the hull is a loop for numba, where that is installed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from spechub_lp._array.jit import SHORT, compiled, has_numba
from spechub_lp._util.extras import extra
from spechub_lp.kernels.classes import by_loops
from spechub_lp.kernels.grains import WHOLE, grains

with extra("torch", "the kernels"):
    import torch

PAIRS = 2**22
"""Pairs of boundaries in work at once."""


@dataclass(frozen=True)
class Mixture:
    """Rows of n places, best first, and the boundaries 0..n between them; all float64.

    Examples
    --------
    >>> p, q = (torch.tensor([row], dtype=torch.float64) for row in ([0.6, 0.3, 0.1], [0.2, 0.3, 0.5]))
    >>> mixture = make(p, q, missed_iid(q, 2))
    >>> (mixture.density * q).round(decimals=2).tolist()  # b, the distribution of the chosen draft
    [[0.36, 0.3, 0.34]]
    """

    density: torch.Tensor
    """[B, n] b/q."""
    q: torch.Tensor
    """[B, n + 1] cumulated q."""
    chosen: torch.Tensor
    """[B, n + 1] cumulated b."""
    hit: torch.Tensor
    """[B, n + 1] F: the probability that some draft is in the places before the boundary."""


def missed_iid(q: torch.Tensor, k: torch.Tensor | int) -> torch.Tensor:
    """Return the probability that k independent drafts are all at or behind each boundary.

    Parameters
    ----------
    q : [B, n]
        Draft distribution of the places, best first.
    k : int or [B, 1]
        Number of drafts.

    Returns
    -------
    [B, n + 1]
        One probability for each boundary, falling from 1 to 0.

    Examples
    --------
    >>> missed_iid(torch.tensor([[0.5, 0.5]]), 2).tolist()
    [[1.0, 0.25, 0.0]]
    """
    behind: torch.Tensor = _behind(q).clamp_max(1)
    if not isinstance(k, int):
        return torch.as_tensor(behind**k)
    power = torch.ones_like(behind)
    while k:  # products alone are rounded alike on every device
        power, behind, k = (power * behind if k & 1 else power), behind * behind, k >> 1
    return power


def missed_pair(q: torch.Tensor, odds_q: torch.Tensor, top: torch.Tensor, top_place: torch.Tensor) -> torch.Tensor:
    """Return the probability that two drafts without replacement are both at or behind each boundary.

    For the tokens H behind it, it is the sum over x in H of q(x) / (1 - q(x)) (q(H) - q(x)), which is
    q(H)^2 - (1 - q(H)) sum q(x)^2 / (1 - q(x)). A token above 1/2 stands alone, so that no 1 - q cancels.

    Parameters
    ----------
    q, odds_q : [B, n]
        Sums of q, and of q^2 / (1 - q) over the tokens up to 1/2.
    top : [B, 1]
        The draft probability of the token above 1/2, or 0.
    top_place : [B, 1]
        Its place.

    Returns
    -------
    [B, n + 1]
        One probability for each boundary, falling from 1 to 0.

    Examples
    --------
    >>> q = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64)  # the tokens 1, 2: 1/4 * 1/3 twice
    >>> none = torch.zeros(1, 1, dtype=torch.float64)
    >>> missed_pair(q, q * q / (1 - q), none, none.long()).round(decimals=3).tolist()
    [[1.0, 0.167, 0.0, 0.0]]
    """
    if by_loops(q):
        missed = torch.empty(q.shape[0], q.shape[1] + 1, dtype=torch.float64)
        _pair_rows(*(a.contiguous().numpy() for a in (q, odds_q, top, top_place, missed)))
        return missed
    places = torch.arange(q.shape[1] + 1, device=q.device)
    has_top = (places <= top_place) & (top > 0)
    light = _behind(q - torch.where(places[:-1] == top_place, top, 0.0))
    others = light[:, :1]
    whole = light + torch.where(has_top, top, 0.0)
    first_light = light * whole - _behind(odds_q) * (1 - whole)
    first_top = torch.where(has_top, torch.where(others > 0, top * light / others.clamp_min(1e-300), 1.0), 0.0)
    return (first_light + first_top).clamp(0, 1)


@compiled
def _pair_rows(q: Any, odds_q: Any, top: Any, top_place: Any, out: Any) -> None:
    """The same row by row."""
    batch, n = q.shape
    behind, odds = np.zeros(n + 1), np.zeros(n + 1)
    for b in range(batch):
        held, held_odds = np.int64(0), np.int64(0)
        for j in range(n - 1, -1, -1):
            held += np.int64(np.rint((q[b, j] - (top[b, 0] if j == top_place[b, 0] else 0.0)) * WHOLE))
            held_odds += np.int64(np.rint(odds_q[b, j] * WHOLE))
            behind[j], odds[j] = np.float64(held) / WHOLE, np.float64(held_odds) / WHOLE
        for j in range(n + 1):
            light, hub = behind[j], top[b, 0] if j <= top_place[b, 0] else 0.0
            both = light * (light + hub) - odds[j] * (1 - (light + hub))
            if hub > 0:
                both += hub * light / max(behind[0], 1e-300) if behind[0] > 0 else 1.0
            out[b, j] = min(max(both, 0.0), 1.0)


def make(p: torch.Tensor, q: torch.Tensor, missed: torch.Tensor) -> Mixture:
    """Return the mixture whose chosen draft has the best distribution (`merge_tree.best_density`, without its loops).

    Parameters
    ----------
    p, q : [B, n]
        Target, of any sum up to 1, and draft distribution of the places, p/q falling; a place may be empty.
    missed : [B, n + 1]
        Probability that all drafts are at or behind each boundary; 1 at the first, 0 at the last.

    Returns
    -------
    Mixture
        B rows of n places.

    Examples
    --------
    >>> p, q = (torch.tensor([row], dtype=torch.float64) for row in ([0.6, 0.3, 0.1], [0.2, 0.3, 0.5]))
    >>> make(p, q, missed_iid(q, 1)).density.round(decimals=2).tolist()  # one draft: nothing to choose
    [[1.0, 1.0, 1.0]]
    """
    n, inf = q.shape[1], torch.inf
    if by_loops(q):
        made = torch.empty(4, q.shape[0], n + 1, dtype=torch.float64)
        _make_rows(*(a.contiguous().numpy() for a in (p, q, missed)), made.numpy())
        return Mixture(made[0, :, :-1], made[1], made[2], made[3])
    target, before = sums_before(p), sums_before(q)
    hit = 1 - missed
    gain, cut = (target - hit).max(dim=1, keepdim=True)  # the first of equals
    cut = torch.where(gain > 0, cut, 0)
    gain = gain.clamp_min(0)
    spare = missed.gather(1, cut) - (target[:, -1:] - target.gather(1, cut))
    behind = _behind(q)
    boundary = torch.arange(n + 1, device=q.device)
    inner = (boundary <= cut) & (before > 0)
    high = torch.where(inner, (target - gain) / before.clamp_min(1e-300), -inf).amax(dim=1, keepdim=True)
    outer = (boundary >= cut) & (behind > 0)
    low = torch.where(outer, (target[:, -1:] - target + spare) / behind.clamp_min(1e-300), inf).amin(1, keepdim=True)
    ratio = p / q.clamp_min(1e-300)
    density = torch.where(boundary[:-1] < cut, torch.minimum(ratio, high), torch.maximum(ratio, low))
    density = torch.where(grains(q) > 0, density, 0.0)  # what holds less than a grain is as good as never drafted
    return Mixture(density, before, sums_before(density * q), hit)


@compiled
def _make_rows(p: Any, q: Any, missed: Any, out: Any) -> None:
    """The same row by row: out [4, B, n + 1] density, cumulated q, cumulated b, and F."""
    batch, n = q.shape
    target, whole_before = np.zeros(n + 1), np.zeros(n + 1, dtype=np.int64)
    for b in range(batch):
        density, before, chosen, hit = out[0, b], out[1, b], out[2, b], out[3, b]
        held = np.int64(0)
        for j in range(n):
            held += np.int64(np.rint(p[b, j] * WHOLE))
            target[j + 1] = np.float64(held) / WHOLE
            whole_before[j + 1] = whole_before[j] + np.int64(np.rint(q[b, j] * WHOLE))
        gain, cut = 0.0, 0
        for j in range(n + 1):
            before[j] = np.float64(whole_before[j]) / WHOLE
            hit[j] = 1 - missed[b, j]
            if target[j] - hit[j] > gain:
                gain, cut = target[j] - hit[j], j
        spare = missed[b, cut] - (target[n] - target[cut])
        high, low = -np.inf, np.inf
        for j in range(cut + 1):
            if before[j] > 0:
                high = max(high, (target[j] - gain) / max(before[j], 1e-300))
        for j in range(cut, n + 1):
            behind = np.float64(whole_before[n] - whole_before[j]) / WHOLE
            if behind > 0:
                low = min(low, (target[n] - target[j] + spare) / max(behind, 1e-300))
        held = np.int64(0)
        chosen[0], density[n] = 0.0, 0.0
        for j in range(n):
            ratio = p[b, j] / max(q[b, j], 1e-300)
            limited = min(ratio, high) if j < cut else max(ratio, low)
            density[j] = limited if whole_before[j + 1] > whole_before[j] else 0.0
            held += np.int64(np.rint(density[j] * q[b, j] * WHOLE))
            chosen[j + 1] = np.float64(held) / WHOLE


def block_at(mixture: Mixture, level: torch.Tensor, place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the block [first, end) that a place is in at a level.

    Parameters
    ----------
    mixture
        B rows.
    level : [B]
        In [0, 1].
    place : [B]
        Places.

    Returns
    -------
    [B], [B]
        first <= place < end.

    Examples
    --------
    >>> p, q = (torch.tensor([row], dtype=torch.float64) for row in ([0.6, 0.3, 0.1], [0.2, 0.3, 0.5]))
    >>> mixture = make(p, q, missed_iid(q, 2))
    >>> [[int(end) for end in block_at(mixture, torch.tensor([t]), torch.tensor([2]))] for t in (0.3, 0.5)]
    [[2, 3], [1, 3]]
    """
    x, t = mixture.q, level.double()
    batch, size = x.shape
    if x.device.type == "cpu" and size > SHORT and has_numba():
        edges = torch.empty(2, batch, dtype=torch.int64)
        _edges(*(a.numpy() for a in (x, mixture.chosen, mixture.hit, t, place, edges)))
        return edges[0], edges[1]
    y = mixture.chosen - t[:, None] * mixture.hit
    step = max(1, PAIRS // size**2)
    parts = [_edge(x[at : at + step], y[at : at + step], place[at : at + step]) for at in range(0, batch, step)]
    return torch.cat([first for first, _ in parts]), torch.cat([end for _, end in parts])


def _edge(x: torch.Tensor, y: torch.Tensor, place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The upper hull's edge above the middle of each place: of all pairs of boundaries around it, the highest there."""
    boundary, here = torch.arange(x.shape[1], device=x.device), place[:, None]
    middle = (x.gather(1, here) + x.gather(1, here + 1)) / 2
    run = x[:, None, :] - x[:, :, None]
    across = (boundary <= here)[:, :, None] & (boundary > here)[:, None, :] & (run > 0)
    share = (middle - x)[:, :, None] / run.clamp_min(1e-300)
    height = torch.where(across, torch.lerp(y[:, :, None], y[:, None, :], share), -torch.inf).flatten(1)
    highest, best = height.max(dim=1)
    some = highest > -torch.inf
    first, end = best // x.shape[1], best % x.shape[1]
    return torch.where(some, first, place), torch.where(some, end, place + 1)


@compiled
def _edges(x: Any, chosen: Any, hit: Any, level: Any, place: Any, out: Any) -> None:
    """The same, with the hull as a stack of boundaries, row by row."""
    batch, size = x.shape
    hull, y = np.empty(size, dtype=np.int64), np.empty(size)
    for b in range(batch):
        top = 0
        for j in range(size):
            y[j] = chosen[b, j] - level[b] * hit[b, j]
        for j in range(size):
            while top > 0 and (
                (x[b, j] <= x[b, hull[top - 1]] and y[j] >= y[hull[top - 1]])
                or (
                    top > 1
                    and (y[hull[top - 1]] - y[hull[top - 2]]) * (x[b, j] - x[b, hull[top - 2]])
                    <= (y[j] - y[hull[top - 2]]) * (x[b, hull[top - 1]] - x[b, hull[top - 2]])
                )
            ):
                top -= 1
            hull[top] = j
            top += 1
        edge = 0
        while edge + 2 < top and hull[edge + 1] <= place[b]:
            edge += 1
        out[0, b] = min(hull[edge], place[b])
        out[1, b] = max(hull[min(edge + 1, top - 1)], place[b] + 1)


def sums_before(a: torch.Tensor) -> torch.Tensor:
    """Return the sums of a row before each boundary.

    Parameters
    ----------
    a : [B, n]
        Entries.

    Returns
    -------
    [B, n + 1]
        float64.

    Examples
    --------
    >>> sums_before(torch.tensor([[0.5, 0.25]])).tolist()
    [[0.0, 0.5, 0.75]]
    """
    return torch.nn.functional.pad(grains(a).cumsum(dim=1), (1, 0)).double() / WHOLE


def _behind(a: torch.Tensor) -> torch.Tensor:
    upto = torch.nn.functional.pad(grains(a).cumsum(dim=1), (1, 0))
    return (upto[:, -1:] - upto).double() / WHOLE
