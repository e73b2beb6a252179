"""The second pass over a whole vocabulary: a draw from what a table of densities leaves of p.

Weights are summed in blocks of tokens, as integers (see `grains`), and a draw looks at one block only. So a
token does not depend on the order in which a device adds.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from spechub_lp._array.jit import compiled
from spechub_lp._util.extras import extra
from spechub_lp.kernels.classes import BLOCK, CLASSES, FINE, by_loops, class_of, slabs
from spechub_lp.kernels.grains import WHOLE, grains

with extra("torch", "the kernels"):
    import torch


def residual_blocks(
    p: torch.Tensor,
    q: torch.Tensor,
    place: torch.Tensor | None,
    first: torch.Tensor,
    density: torch.Tensor,
    weight: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sum (weight p - density q)+, and p, over blocks of tokens; the density is that of the token's class.

    Parameters
    ----------
    p, q : [B, V]
        Target and draft rows.
    place : [B, V] or None
        The column of `density` for each token; None where it is its class.
    first : [B, 1]
        Where the classes begin.
    density : [B, n]
        In units of the rows as they are, float64.
    weight : [B, 1]
        What is left of the target.

    Returns
    -------
    [B, blocks], [B, blocks]
        int64, in grains.

    Examples
    --------
    >>> p, one = torch.tensor([[0.5, 0.5]]), torch.ones(1, 1, dtype=torch.float64)
    >>> [(sums / WHOLE).tolist() for sums in residual_blocks(p, p, None, one, torch.zeros(1, CLASSES).double(), one)]
    [[[1.0]], [[1.0]]]
    """
    table, scale = density.to(p.dtype), weight.to(p.dtype)
    if by_loops(p):
        sums, _ = _by_rows(p, q, place, first, table, scale)
        return sums[0], sums[1]
    left, plain = [], []
    for at in slabs(p):
        here = None if place is None else place[:, at]
        left.append(_by_block(grains(_left(p[:, at], q[:, at], here, first, table, scale))))
        plain.append(_by_block(grains(p[:, at])))
    return torch.cat(left, dim=1), torch.cat(plain, dim=1)


def residual_draw(
    p: torch.Tensor,
    q: torch.Tensor,
    place: torch.Tensor | None,
    first: torch.Tensor,
    density: torch.Tensor,
    weight: torch.Tensor,
    u: torch.Tensor,
    wanted: torch.Tensor | None = None,
) -> torch.Tensor:
    """Draw a token from (weight p - density q)+.

    Parameters
    ----------
    p, q : [B, V]
        Target and draft rows.
    place : [B, V] or None
        As `residual_blocks`.
    first : [B, 1]
        Where the classes begin.
    density : [B, n]
        In units of the rows as they are, float64.
    weight : [B, 1]
        What is left of the target.
    u : [B]
        Uniforms in [0, 1].
    wanted : [B] bool
        Rows whose token is asked for; by default all.

    Returns
    -------
    [B]
        Tokens, never one of weight 0. Where nothing is left, they are drawn from p. Any token in other rows.

    Examples
    --------
    >>> p, q = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.5, 0.5]])
    >>> one = torch.ones(1, 1, dtype=torch.float64)
    >>> residual_draw(p, q, None, one, torch.zeros(1, CLASSES).double(), one, torch.tensor([0.75])).tolist()
    [1]
    """
    if by_loops(p):
        return _by_rows(p, q, place, first, density.to(p.dtype), weight.to(p.dtype), u, wanted)[1]
    blocks, whole = residual_blocks(p, q, place, first, density, weight)
    empty = ~(blocks.sum(dim=1, keepdim=True) > 0)
    table, scale = density.to(p.dtype), weight.to(p.dtype)

    def entries(columns: torch.Tensor) -> torch.Tensor:
        target, draft = p.gather(1, columns), q.gather(1, columns)
        here = None if place is None else place.gather(1, columns)
        return grains(torch.where(empty, target, _left(target, draft, here, first, table, scale)))

    return _fall(torch.where(empty, whole, blocks), entries, p.shape[1], u)


def _by_rows(
    p: torch.Tensor,
    q: torch.Tensor,
    place: torch.Tensor | None,
    first: torch.Tensor,
    table: torch.Tensor,
    scale: torch.Tensor,
    u: torch.Tensor | None = None,
    wanted: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums [2, B, blocks] and tokens [B], by the loops of numba."""
    batch, width = p.shape
    sums = torch.empty(2, batch, -(-width // BLOCK), dtype=torch.int64)
    token = torch.zeros(batch, dtype=torch.int64)
    place = token[:, None][:, :0] if place is None else place
    u = torch.zeros(batch, dtype=torch.float64) if u is None else u.double()
    wanted = torch.ones(batch, dtype=torch.bool) if wanted is None else wanted
    _draw_rows(*(a.numpy() for a in (p, q, place, first, table, scale, u, wanted, sums, token)))
    return sums, token


def _left(
    target: torch.Tensor,
    draft: torch.Tensor,
    place: torch.Tensor | None,
    first: torch.Tensor,
    table: torch.Tensor,
    scale: torch.Tensor,
) -> torch.Tensor:
    """(weight p - density q)+ of entries [B, n], with density and weight in their dtype."""
    here = class_of(target, draft, first) if place is None else place
    return (scale * target - table.gather(1, here) * draft).clamp_min_(0)


def plain_draw(weights: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """Draw an entry of each row.

    Parameters
    ----------
    weights : [B, V]
        Not negative, of any sum.
    u : [B]
        Uniforms in [0, 1].

    Returns
    -------
    [B]
        Indices, never one of weight 0 unless all are.

    Examples
    --------
    >>> plain_draw(torch.tensor([[0.0, 1.0, 3.0]]).expand(3, 3), torch.tensor([0.0, 0.3, 1.0])).tolist()
    [1, 2, 2]
    """
    blocks = torch.cat([_by_block(weights[:, at].double()) for at in slabs(weights)], dim=1)
    return _fall(blocks, lambda columns: weights.gather(1, columns).double(), weights.shape[1], u)


def _fall(
    blocks: torch.Tensor, entries: Callable[[torch.Tensor], torch.Tensor], width: int, u: torch.Tensor
) -> torch.Tensor:
    """The entry [B] that u [B] falls on: first its block, by the sums [B, blocks], then its place in the block."""
    block, to_go = _first_above(blocks, u[:, None].double())
    columns = block * BLOCK + torch.arange(BLOCK, device=blocks.device)
    weights = torch.where(columns < width, entries(columns.clamp_max(width - 1)), 0)
    token, _ = _first_above(weights, to_go / weights.sum(dim=1, keepdim=True))
    return (block * BLOCK + token)[:, 0]


@compiled
def _draw_rows(p: Any, q: Any, place: Any, first: Any, density: Any, weight: Any, u: Any, wanted: Any, sums: Any,
               token: Any) -> None:  # fmt: skip
    """`residual_draw` of the wanted rows, one by one, and their `residual_blocks` [2, B, blocks].

    `place` is [B, 0] where it is None.
    """

    def fall(weights: Any, n: int, u: float) -> tuple[int, float]:
        whole = np.int64(0)
        for i in range(n):
            whole += weights[i]
        to_go = max(min(u * whole, np.nextafter(np.float64(whole), 0.0)), 0.0)
        at, upto = 0, np.int64(0)
        while at < n - 1 and np.float64(upto + weights[at]) <= to_go:
            upto += weights[at]
            at += 1
        return at, to_go - np.float64(upto)

    (batch, width), blocks = p.shape, sums.shape[2]
    ratio, here = np.empty(BLOCK, dtype=np.float32), np.empty(BLOCK, dtype=np.int64)
    code, grains = ratio.view(np.int32), np.empty((2, BLOCK), dtype=np.int64)
    for b in range(batch):
        if not wanted[b]:
            continue
        bits = 6 - (1 if first[b, 0] > 3 else 0) - (1 if first[b, 0] > 11 else 0)
        top = ((127 + int(first[b, 0])) << bits) - 1
        block, of, to_go = 0, 0, 0.0
        for turn in range(blocks + 1):
            if turn < blocks:
                block = turn
            else:  # the sums are known: once more the block that u falls on
                of = 0 if sums[0, b].sum() > 0 else 1
                block, to_go = fall(sums[of, b], blocks, u[b])
            start = block * BLOCK
            n = min(BLOCK, width - start)
            for i in range(n):
                ratio[i] = p[b, start + i] / q[b, start + i] if q[b, start + i] > 0 else 0
            for i in range(n if place.shape[1] == 0 else 0):
                at = top - (code[i] >> (23 - bits))
                here[i] = max(min(at, ((at - FINE) >> 2) + FINE, CLASSES - 1), 0)
            for i in range(n if place.shape[1] > 0 else 0):
                here[i] = place[b, start + i]
            left, whole = np.int64(0), np.int64(0)
            for i in range(n):
                over = max(np.float64(weight[b, 0] * p[b, start + i] - density[b, here[i]] * q[b, start + i]), 0.0)
                grains[0, i] = np.int64(np.rint(over * WHOLE))
                grains[1, i] = np.int64(np.rint(np.float64(p[b, start + i]) * WHOLE))
                left += grains[0, i]
                whole += grains[1, i]
            sums[0, b, block], sums[1, b, block] = left, whole
        inside, _ = fall(grains[of], n, to_go / max(np.float64(sums[of, b, block]), 1.0))  # 0 in no distribution
        token[b] = block * BLOCK + inside


def _by_block(weights: torch.Tensor) -> torch.Tensor:
    """[B, n] -> [B, ceil(n / BLOCK)] sums in the same dtype."""
    short = -weights.shape[1] % BLOCK
    padded = torch.nn.functional.pad(weights, (0, short)) if short else weights
    sums: torch.Tensor = padded.unflatten(1, (-1, BLOCK)).sum(dim=2)
    return sums


def _first_above(weights: torch.Tensor, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The entry that u [B, 1] falls on, never one of weight 0: index [B, 1], and the mass of it that u covers."""
    upto = weights.cumsum(dim=1).double()
    whole = upto[:, -1:]
    to_go = torch.minimum(u * whole, torch.nextafter(whole, torch.zeros_like(whole))).clamp_min(0)
    at = (upto <= to_go).sum(dim=1, keepdim=True).clamp_max(weights.shape[1] - 1)
    return at, to_go - torch.where(at > 0, upto.gather(1, (at - 1).clamp_min(0)), 0.0)
