"""Narrow rows: every token is a place of its own, in the order of falling p/q.

On a CPU with numba a row is sorted into buckets of the bits of p/q, which rise with it, and then by exchanges of
neighbours, few of which are left. The order, and so every token, is that of torch's stable sort.
"""

from typing import Any

import numpy as np

from spechub_lp._array.jit import compiled
from spechub_lp._util.extras import extra
from spechub_lp.kernels.classes import ClassSums, by_loops, grain_sum, odds_times, sums_behind
from spechub_lp.kernels.grains import WHOLE
from spechub_lp.kernels.race import GRAIN, Heavy
from spechub_lp.kernels.race_loops import MOMENTS

with extra("torch", "the kernels"):
    import torch

BUCKETS = 1024


def sorted_places(
    p: torch.Tensor, q: torch.Tensor, pairs: bool = False, heavy: Heavy | None = None
) -> tuple[torch.Tensor, ClassSums]:
    """Give each token a place, by falling p/q, and tell what the places hold; tokens that q cannot draft come last.

    Parameters
    ----------
    p, q : [B, V]
        Distributions of one float dtype.
    pairs
        Whether the sums for two drafts without replacement are wanted.
    heavy
        The likeliest tokens of q, where sums of powers of the others are wanted too.

    Returns
    -------
    [B, V], ClassSums
        int64 place of each token; of tokens that tie, the first has the first place. And V places.

    Examples
    --------
    >>> p, q = (torch.tensor([row], dtype=torch.float64) for row in ([0.1, 0.6, 0.3], [0.5, 0.2, 0.3]))
    >>> places, sums = sorted_places(p, q)
    >>> places.tolist(), sums.q.round(decimals=3).tolist()
    ([[2, 0, 1]], [[0.2, 0.3, 0.5]])
    """
    if by_loops(p):
        moments = 0 if heavy is None else MOMENTS
        behind = torch.empty(len(p), p.shape[1] + 1, moments, dtype=torch.float64)
        unit = torch.ones(len(p), 1, dtype=torch.float64) if heavy is None else heavy.unit
        rank = torch.empty(p.shape, dtype=torch.int64)
        sums = torch.empty(2, *p.shape[:1], 1, dtype=torch.float64)
        held = torch.empty(2 + pairs, *p.shape, dtype=torch.float64)
        _sort_rows(*(a.contiguous().numpy() for a in (p, q, unit, rank, sums, held, behind)))
        odds_q = held[2] if pairs else None
        return rank, ClassSums(held[0], held[1], odds_q, behind if moments else None, sums[0], sums[1])
    target, draft = p.double(), q.double()
    p_sum, q_sum = (grain_sum(a).double() / WHOLE for a in (target, draft))
    order = torch.where(draft > 0, target / draft, -1.0).argsort(dim=1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(p.shape[1], device=p.device).expand_as(order))
    powers_behind = None if heavy is None else sums_behind(heavy.powers(draft).gather(2, order.expand(MOMENTS, -1, -1)))
    draft = (draft / q_sum).gather(1, order)
    target = torch.where(draft > 0, (target / p_sum).gather(1, order), 0.0)
    return rank, ClassSums(target, draft, odds_times(draft) if pairs else None, powers_behind, p_sum, q_sum)


@compiled
def _sort_rows(p: Any, q: Any, unit: Any, rank: Any, sums: Any, held: Any, behind: Any) -> None:
    """The same row by row.

    sums [2, B, 1] of p and q; held [2 or 3, B, V] p, q and q^2 / (1 - q) of each place; behind [B, V + 1,
    0 or MOMENTS] the light tokens at or behind each boundary.
    """
    batch, size = p.shape
    ratio, sorted_ratio = np.empty(size), np.empty(size)
    code = ratio.view(np.int64)
    light = np.zeros(behind.shape[2], dtype=np.int64)
    bucket, order = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    for b in range(batch):
        p_whole, q_whole = np.int64(0), np.int64(0)
        low, high = np.int64(2**63 - 1), np.int64(0)
        for i in range(size):
            target, draft = np.float64(p[b, i]), np.float64(q[b, i])
            p_whole += np.int64(np.rint(target * WHOLE))
            q_whole += np.int64(np.rint(draft * WHOLE))
            ratio[i] = target / draft if draft > 0 else -1.0
            if ratio[i] > 0:
                low, high = min(low, code[i]), max(high, code[i])
        p_sum, q_sum = np.float64(p_whole) / WHOLE, np.float64(q_whole) / WHOLE
        sums[0, b, 0], sums[1, b, 0] = p_sum, q_sum
        if p_whole == 0 or q_whole == 0:  # no distribution: its token will be marked
            p_sum, q_sum = np.float64(np.nan), np.float64(np.nan)
        shift, over = 0, 1 / unit[b, 0]
        while (high - low) >> shift >= BUCKETS:
            shift += 1
        start = np.zeros(BUCKETS + 3, dtype=np.int64)
        for i in range(size):
            bucket[i] = (high - code[i]) >> shift if ratio[i] > 0 else BUCKETS if q[b, i] > 0 else BUCKETS + 1
            start[bucket[i] + 1] += 1
        for n in range(BUCKETS + 2):
            start[n + 1] += start[n]
        for i in range(size):
            order[start[bucket[i]]] = i
            start[bucket[i]] += 1
        for place in range(size):
            token, at = order[place], place
            while at > 0 and sorted_ratio[at - 1] < ratio[token]:
                order[at], sorted_ratio[at] = order[at - 1], sorted_ratio[at - 1]
                at -= 1
            order[at], sorted_ratio[at] = token, ratio[token]
        for place in range(size):
            token = order[place]
            share = np.float64(q[b, token]) / q_sum
            rank[b, token] = place
            held[0, b, place] = np.float64(p[b, token]) / p_sum if share > 0 else 0.0
            held[1, b, place] = share
            if held.shape[0] > 2:
                held[2, b, place] = 0.0 if share > 0.5 else share / max(1 - share, 0.5) * share
        light[:], behind[b, size] = 0, 0.0
        for place in range(size - 1 if len(light) else -1, -1, -1):
            times = np.float64(q[b, order[place]]) * over
            power = times if times <= 1 else 0.0
            for m in range(len(light)):
                light[m] += np.int64(np.rint(power / GRAIN))
                behind[b, place, m] = np.float64(light[m]) * GRAIN
                power *= times
