"""The first pass over a whole vocabulary: sums over classes of p/q.

A class is the exponent and the first bits of the mantissa of p/q in float32, so an edge is a shift of bits, and no
sort is made; sums are integers, so they do not depend on their order. Columns are worked on in slabs, so that what a
pass holds beside its inputs does not grow with V on a CPU. Nothing here waits for the device: no shape and no branch
depends on what the rows hold.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spechub_lp._array.jit import SHORT, compiled, has_numba
from spechub_lp._util.extras import extra
from spechub_lp.kernels import race_loops
from spechub_lp.kernels.grains import WHOLE, grains
from spechub_lp.kernels.race import GRAIN, Heavy
from spechub_lp.kernels.race_loops import MOMENTS

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


def grain_sum(a: torch.Tensor) -> torch.Tensor:
    """Return the sum of each row, in grains.

    Parameters
    ----------
    a : [B, V]
        Entries of any float dtype.

    Returns
    -------
    [B, 1]
        int64.

    Examples
    --------
    >>> (grain_sum(torch.tensor([[0.5, 0.25, 0.25]])) >> 60).tolist()
    [[1]]
    """
    return torch.stack([grains(a[:, at]).sum(dim=1) for at in slabs(a)]).sum(dim=0)[:, None]


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
    odds_q: torch.Tensor | None
    """[B, n] sum of q^2 / (1 - q) over tokens with q <= 1/2; None unless asked for."""
    behind: torch.Tensor | None
    """[B, n + 1, MOMENTS] sums of powers of the light tokens behind each boundary; None unless asked for."""
    p_sum: torch.Tensor
    """[B, 1] sum of the whole row p."""
    q_sum: torch.Tensor
    """[B, 1] sum of the row q."""


def class_sums(
    p: torch.Tensor, q: torch.Tensor, first: torch.Tensor, pairs: bool = False, heavy: Heavy | None = None
) -> ClassSums:
    """Sum p and q over the classes of p/q.

    Parameters
    ----------
    p, q : [B, V]
        Distributions of one float dtype.
    first : [B, 1]
        Where the classes begin (see `class_of`).
    pairs
        Whether the sums for two drafts without replacement are wanted.
    heavy
        The likeliest tokens of q, where sums of powers of the others are wanted too; `pairs` is set then.

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
    kinds = 2 + pairs + (0 if heavy is None else MOMENTS)
    tables = torch.zeros(kinds, batch, CLASSES, dtype=torch.int64, device=p.device)
    undrafted = torch.zeros(batch, 1, dtype=torch.int64, device=p.device)
    loops = by_loops(p)
    whole = grain_sum(q).double() / WHOLE if pairs and not loops else None
    if loops:
        unit = torch.ones_like(first) if heavy is None else heavy.unit
        _sum_rows(p.numpy(), q.numpy(), first.numpy(), unit.numpy(), tables.numpy(), undrafted.numpy())
    for at in () if loops else slabs(p):
        target, draft = p[:, at], q[:, at]
        place = class_of(target, draft, first)
        held = grains(target)
        out = held * (draft == 0)
        undrafted += out.sum(dim=1, keepdim=True)
        tables[0].scatter_add_(1, place, held - out)
        tables[1].scatter_add_(1, place, grains(draft))
        if whole is not None:
            tables[2].scatter_add_(1, place, grains(odds_times(draft.double() / whole)))
        for table, power in zip(tables[3:], () if heavy is None else heavy.powers(draft), strict=True):
            table.scatter_add_(1, place, power)
    p_sum = (tables[0].sum(dim=1, keepdim=True) + undrafted).double()
    q_sum = tables[1].sum(dim=1, keepdim=True).double()
    found = tables[:3].double()
    odds_q, behind = found[2] / WHOLE if pairs else None, None if heavy is None else sums_behind(tables[3:])
    return ClassSums(found[0] / p_sum, found[1] / q_sum, odds_q, behind, p_sum / WHOLE, q_sum / WHOLE)


def sums_behind(light: torch.Tensor) -> torch.Tensor:
    """Sum powers of light tokens behind each boundary.

    Parameters
    ----------
    light : [MOMENTS, B, n]
        (q/unit)^m of each place, in grains, int64.

    Returns
    -------
    [B, n + 1, MOMENTS]
        The sums of the places at or behind each boundary.

    Examples
    --------
    >>> (sums_behind(torch.tensor([[[2, 3]]])) / GRAIN).flatten().tolist()
    [5.0, 3.0, 0.0]
    """
    if light.device.type == "cpu" and has_numba():
        behind = torch.empty(*light.shape[1:2], light.shape[2] + 1, len(light), dtype=torch.float64)
        race_loops.sums_behind(light.contiguous().numpy(), GRAIN, behind.numpy())
        return behind
    sums = torch.nn.functional.pad(light.flip(2).cumsum(dim=2).flip(2), (0, 1))
    return sums.permute(1, 2, 0).double() * GRAIN


def odds_times(share: torch.Tensor) -> torch.Tensor:
    """Return q^2 / (1 - q) of the tokens up to 1/2, and 0 of one above it.

    Parameters
    ----------
    share : [B, n]
        q over the sum of its row, float64.

    Returns
    -------
    [B, n]
        float64.

    Examples
    --------
    >>> odds_times(torch.tensor([[0.5, 0.75]])).tolist()
    [[0.5, 0.0]]
    """
    return torch.where(share > 0.5, 0.0, share / (1 - share).clamp_min(0.5)) * share


def by_loops(p: torch.Tensor) -> bool:
    """Return whether rows go through loops that numba compiles; else they go through whole-row operations of torch.

    Parameters
    ----------
    p : [B, V]
        Rows.

    Returns
    -------
    bool
        Never on a device.

    Examples
    --------
    >>> by_loops(torch.zeros(1, 8))
    False
    """
    return p.device.type == "cpu" and p.shape[1] >= SHORT and has_numba()


@compiled
def _sum_rows(p: Any, q: Any, first: Any, unit: Any, tables: Any, undrafted: Any) -> None:
    """`class_sums` row by row: tables [2, 3 or 3 + MOMENTS, B, n] and undrafted [B, 1] in grains."""
    ratio = np.empty(p.shape[1], dtype=np.float32)
    code = ratio.view(np.int32)
    for b in range(p.shape[0]):
        bits = 6 - (1 if first[b, 0] > 3 else 0) - (1 if first[b, 0] > 11 else 0)
        top = ((127 + int(first[b, 0])) << bits) - 1
        whole, over = np.int64(0), 1 / np.float64(unit[b, 0])
        for i in range(p.shape[1]):
            ratio[i] = p[b, i] / q[b, i] if q[b, i] > 0 else 0
            if tables.shape[0] > 2:
                whole += np.int64(np.rint(np.float64(q[b, i]) * WHOLE))
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
                share = np.float64(q[b, i]) / (np.float64(whole) / WHOLE)
                if share <= 0.5:
                    tables[2, b, at] += np.int64(np.rint(share / (1 - share) * share * WHOLE))
            if tables.shape[0] > 3:
                share = np.float64(q[b, i]) * over
                power = share if share <= 1 else 0.0
                for m in range(3, tables.shape[0]):
                    held = np.int64(np.rint(power / GRAIN))
                    if held == 0:
                        break
                    tables[m, b, at] += held
                    power *= share
