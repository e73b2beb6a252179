"""The two passes over a whole vocabulary: sums over classes of p/q, and a draw from what a class table leaves of p.

A class is the exponent and the first bits of the mantissa of p/q in float32, so an edge is a shift of bits, and no
sort is made. Columns are worked on in slabs, so that what a pass holds beside its inputs does not grow with V on a CPU.
Nothing here waits for the device: no shape and no branch depends on what the rows hold.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spechub_lp._array.jit import SHORT, compiled, has_numba
from spechub_lp._util.extras import extra

with extra("torch", "the kernels"):
    import torch

FINE, COARSE = 6 * 64, 4 * 16
CLASSES = FINE + COARSE
"""From p/q = 2^first downwards; what is above or below goes to the first or the last class."""
BLOCK = 256
"""Tokens whose weights are summed before a draw looks at one of them."""
SLAB = 2**16
"""Entries in work at once on a CPU, so that they stay in its cache."""


def slabs(rows: torch.Tensor) -> Iterator[slice]:
    """Yield the columns of rows in pieces, each but the last a whole number of blocks wide; on a device all at once.

    Parameters
    ----------
    rows : [B, V]
        The rows that are worked on.

    Yields
    ------
    slice
        Columns.

    Examples
    --------
    >>> list(slabs(torch.zeros(1, 100)))
    [slice(0, 100, None)]
    """
    batch, width = rows.shape
    step = max(SLAB // max(batch, 1) // BLOCK, 4) * BLOCK if rows.device.type == "cpu" else width
    for start in range(0, width, step):
        yield slice(start, min(start + step, width))


def class_of(p: torch.Tensor, q: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
    """Return the class of each entry, 0 for p/q at 2^first and above, rising as p/q falls: [B, n].

    Where `first` is 3 or less, 6 octaves have 64 classes each, and the 4 below them 16. A hub leaves the other tokens a
    b/q as high as 1 / (1 - q(hub)): there the classes begin higher, and an octave has a half or a quarter of that.

    Parameters
    ----------
    p, q : [B, n]
        Entries of one float dtype.
    first : [B, 1]
        Exponent of 2 at which the classes begin: no b/q is above it.

    Returns
    -------
    [B, n]
        int64 below CLASSES.

    Examples
    --------
    >>> p, q = torch.tensor([[4.0, 2.0, 1.0, 0.0]]), torch.ones(1, 4)
    >>> class_of(p, q, torch.ones(1, 1)).tolist()
    [[0, 0, 63, 447]]
    """
    bits = 6 - (first > 3).int() - (first > 11).int()
    top = (((127 + first.int()) << bits) - 1).int()
    at = top - ((p / q).float().view(torch.int32) >> (23 - bits))
    return torch.minimum(at, ((at - FINE) >> 2) + FINE).clamp_(0, CLASSES - 1).long()


def grains(a: torch.Tensor, to: float) -> torch.Tensor:
    """Return entries as whole multiples of 1 / `to`: integer sums have no order.

    Parameters
    ----------
    a : [B, n]
        Entries of any float dtype.
    to
        How many grains 1 has.

    Returns
    -------
    [B, n]
        int64.

    Examples
    --------
    >>> grains(torch.tensor([[0.5, 0.3]]), 8).tolist()
    [[4, 2]]
    """
    return (a.double() * to).round_().long()


@dataclass(frozen=True)
class ClassSums:
    """What the classes of a batch of rows hold.

    Examples
    --------
    >>> p, q = (torch.tensor([row], dtype=torch.float64) for row in ([0.6, 0.3, 0.1], [0.2, 0.3, 0.5]))
    >>> sums = class_sums(p, q, torch.ones(1, 1))
    >>> sums.q[sums.q > 0].round(decimals=3).tolist()  # best first
    [0.2, 0.3, 0.5]
    """

    p: torch.Tensor
    """[B, n] p of the tokens that q can draft, over the sum of the row."""
    q: torch.Tensor
    """[B, n] q, over the sum of the row."""
    odds: torch.Tensor | None
    """[B, n] sum of q / (1 - q) over tokens with q <= 1/2; None unless asked for."""
    odds_q: torch.Tensor | None
    """[B, n] sum of q^2 / (1 - q) over the same tokens."""
    p_sum: torch.Tensor
    """[B, 1] sum of the whole row p."""
    q_sum: torch.Tensor
    """[B, 1] sum of the row q."""


WHOLE = 2.0**60
"""Sums of q and of q / (1 - q) stay below 4, which is 2^62 grains."""


def class_sums(p: torch.Tensor, q: torch.Tensor, first: torch.Tensor, pairs: bool = False) -> ClassSums:
    """Sum p and q over the classes of p/q.

    Parameters
    ----------
    p, q : [B, V]
        Distributions of one float dtype.
    first : [B, 1]
        Where the classes begin (see `class_of`).
    pairs
        Whether the sums for two drafts without replacement are wanted.

    Returns
    -------
    ClassSums
        float64.

    Examples
    --------
    >>> p = torch.tensor([[0.25, 0.75]])
    >>> float(class_sums(p, p, torch.ones(1, 1)).q.sum())
    1.0
    """
    batch = p.shape[0]
    tables = torch.zeros(4 if pairs else 2, batch, CLASSES, dtype=torch.int64, device=p.device)
    undrafted = torch.zeros(batch, 1, dtype=torch.int64, device=p.device)
    whole = q.sum(dim=1, keepdim=True, dtype=torch.float64) if pairs else None
    loops = _by_loops(p)
    if loops:
        over = torch.ones(batch, 1, dtype=torch.float64) if whole is None else whole
        _sum_rows(p.numpy(), q.numpy(), first.numpy(), over.numpy(), tables.numpy(), undrafted.numpy())
    for at in () if loops else slabs(p):
        target, draft = p[:, at], q[:, at]
        place = class_of(target, draft, first)
        held = grains(target, WHOLE)
        out = held * (draft == 0)
        undrafted += out.sum(dim=1, keepdim=True)
        tables[0].scatter_add_(1, place, held - out)
        tables[1].scatter_add_(1, place, grains(draft, WHOLE))
        if whole is not None:
            share = draft.double() / whole
            light = torch.where(share > 0.5, 0.0, share / (1 - share).clamp_min(0.5))
            tables[2].scatter_add_(1, place, grains(light, WHOLE))
            tables[3].scatter_add_(1, place, grains(light * share, WHOLE))
    p_sum = (tables[0].sum(dim=1, keepdim=True) + undrafted).double()
    q_sum = tables[1].sum(dim=1, keepdim=True).double()
    found = tables.double()
    odds, odds_q = (found[2] / WHOLE, found[3] / WHOLE) if pairs else (None, None)
    return ClassSums(found[0] / p_sum, found[1] / q_sum, odds, odds_q, p_sum / WHOLE, q_sum / WHOLE)


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
        float64.

    Examples
    --------
    >>> p, one = torch.tensor([[0.5, 0.5]]), torch.ones(1, 1, dtype=torch.float64)
    >>> [sums.tolist() for sums in residual_blocks(p, p, None, one, torch.zeros(1, CLASSES).double(), one)]
    [[[1.0]], [[1.0]]]
    """
    table, scale = density.to(p.dtype), weight.to(p.dtype)
    if place is None and _by_loops(p):
        out = torch.empty(2, p.shape[0], -(-p.shape[1] // BLOCK), dtype=torch.float64)
        _block_rows(p.numpy(), q.numpy(), first.numpy(), table.numpy(), scale.numpy(), out.numpy())
        return out[0], out[1]
    sums, plain = [], []
    for at in slabs(p):
        here = None if place is None else place[:, at]
        sums.append(_by_block(_left(p[:, at], q[:, at], here, first, table, scale)))
        plain.append(_by_block(p[:, at]))
    return torch.cat(sums, dim=1), torch.cat(plain, dim=1)


def residual_draw(
    p: torch.Tensor,
    q: torch.Tensor,
    place: torch.Tensor | None,
    first: torch.Tensor,
    density: torch.Tensor,
    weight: torch.Tensor,
    u: torch.Tensor,
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

    Returns
    -------
    [B]
        Tokens, never one of weight 0. Where nothing is left, they are drawn from p.

    Examples
    --------
    >>> p, q = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.5, 0.5]])
    >>> one = torch.ones(1, 1, dtype=torch.float64)
    >>> residual_draw(p, q, None, one, torch.zeros(1, CLASSES).double(), one, torch.tensor([0.75])).tolist()
    [1]
    """
    blocks, whole = residual_blocks(p, q, place, first, density, weight)
    empty = ~(blocks.sum(dim=1, keepdim=True) > 0)
    table, scale = density.to(p.dtype), weight.to(p.dtype)

    def entries(columns: torch.Tensor) -> torch.Tensor:
        target, draft = p.gather(1, columns), q.gather(1, columns)
        here = None if place is None else place.gather(1, columns)
        return torch.where(empty, target, _left(target, draft, here, first, table, scale))

    return _fall(torch.where(empty, whole, blocks), entries, p.shape[1], u)


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
    blocks = torch.cat([_by_block(weights[:, at]) for at in slabs(weights)], dim=1)
    return _fall(blocks, lambda columns: weights.gather(1, columns), weights.shape[1], u)


def _fall(
    blocks: torch.Tensor, entries: Callable[[torch.Tensor], torch.Tensor], width: int, u: torch.Tensor
) -> torch.Tensor:
    """The entry [B] that u [B] falls on: first its block, by the sums [B, blocks], then its place in the block."""
    block, to_go = _first_above(blocks, u[:, None].double())
    columns = block * BLOCK + torch.arange(BLOCK, device=blocks.device)
    weights = torch.where(columns < width, entries(columns.clamp_max(width - 1)).double(), 0.0)
    token, _ = _first_above(weights, to_go / weights.sum(dim=1, keepdim=True))
    return (block * BLOCK + token)[:, 0]


def _by_loops(p: torch.Tensor) -> bool:
    """Whether rows go through loops that numba compiles; everywhere else through whole-row operations of torch."""
    return p.device.type == "cpu" and p.shape[1] >= SHORT and has_numba()


@compiled
def _sum_rows(p: Any, q: Any, first: Any, whole: Any, tables: Any, undrafted: Any) -> None:
    """`class_sums` row by row: tables [2 or 4, B, n] and undrafted [B, 1] in grains."""
    ratio = np.empty(p.shape[1], dtype=np.float32)
    code = ratio.view(np.int32)
    for b in range(p.shape[0]):
        bits = 6 - (1 if first[b, 0] > 3 else 0) - (1 if first[b, 0] > 11 else 0)
        top = ((127 + int(first[b, 0])) << bits) - 1
        for i in range(p.shape[1]):
            ratio[i] = p[b, i] / q[b, i] if q[b, i] > 0 else 0
        for i in range(p.shape[1]):
            held = np.int64(np.rint(np.float64(p[b, i]) * WHOLE))
            if not q[b, i] > 0:
                undrafted[b, 0] += held
                continue
            at = top - (code[i] >> (23 - bits))
            at = max(min(at, ((at - FINE) >> 2) + FINE, CLASSES - 1), 0)
            tables[0, b, at] += held
            tables[1, b, at] += np.int64(np.rint(np.float64(q[b, i]) * WHOLE))
            if tables.shape[0] > 2:
                share = np.float64(q[b, i]) / whole[b, 0]
                if share <= 0.5:
                    odds = share / (1 - share)
                    tables[2, b, at] += np.int64(np.rint(odds * WHOLE))
                    tables[3, b, at] += np.int64(np.rint(odds * share * WHOLE))


@compiled
def _block_rows(p: Any, q: Any, first: Any, density: Any, weight: Any, out: Any) -> None:
    """Sums of (weight p - density q)+ and of p over blocks: out [2, B, blocks]."""
    ratio = np.empty(p.shape[1], dtype=np.float32)
    code = ratio.view(np.int32)
    for b in range(p.shape[0]):
        bits = 6 - (1 if first[b, 0] > 3 else 0) - (1 if first[b, 0] > 11 else 0)
        top = ((127 + int(first[b, 0])) << bits) - 1
        for i in range(p.shape[1]):
            ratio[i] = p[b, i] / q[b, i] if q[b, i] > 0 else 0
        for block in range(out.shape[2]):
            left, whole = 0.0, 0.0
            for i in range(block * BLOCK, min((block + 1) * BLOCK, p.shape[1])):
                at = top - (code[i] >> (23 - bits))
                at = max(min(at, ((at - FINE) >> 2) + FINE, CLASSES - 1), 0)
                left += max(np.float64(weight[b, 0] * p[b, i] - density[b, at] * q[b, i]), 0.0)
                whole += p[b, i]
            out[0, b, block], out[1, b, block] = left, whole


def _by_block(weights: torch.Tensor) -> torch.Tensor:
    """[B, n] -> [B, ceil(n / BLOCK)] sums in float64."""
    short = -weights.shape[1] % BLOCK
    padded = torch.nn.functional.pad(weights, (0, short)) if short else weights
    sums: torch.Tensor = padded.unflatten(1, (-1, BLOCK)).sum(dim=2, dtype=torch.float64)
    return sums


def _first_above(weights: torch.Tensor, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The entry that u [B, 1] falls on, never one of weight 0: index [B, 1], and the mass of it that u covers."""
    upto = weights.cumsum(dim=1)
    whole = upto[:, -1:]
    to_go = torch.minimum(u * whole, torch.nextafter(whole, torch.zeros_like(whole))).clamp_min(0)
    at = (upto <= to_go).sum(dim=1, keepdim=True).clamp_max(weights.shape[1] - 1)
    return at, to_go - torch.where(at > 0, upto.gather(1, (at - 1).clamp_min(0)), 0.0)
