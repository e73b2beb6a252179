"""The fast face: the same draws on any torch device and dtype, a slice of the batch at a time."""

from typing import Any

import torch

from spechub_lp import laws
from spechub_lp.faces import Draw
from spechub_lp.faces import draw as draw_rows
from spechub_lp.verdict import Sampler

MEMORY = 64 * 2**20
"""Default budget in bytes for the rows in work at once: small slices stay in cache and are also faster."""

ROWS_IN_WORK = 12
"""Rows of float64 that one draw may hold beside its inputs (measured for RRS, RRSw and SpecHub with two drafts)."""


def draw(
    sampler: Sampler, p: Any, q: Any, u: Any, *, device: Any = None, dtype: Any = None, memory: int = MEMORY
) -> Draw:
    """Draw from explicit uniforms, as `spechub_lp.draw` does, on a device, in a dtype, in slices of the batch.

    Args:
        p, q: laws [V] or [B, V] (q [B, k, V] for product drafts): tensors, or anything torch.as_tensor takes.
        u: uniforms [B, k + 1].
        device, dtype: where and in what precision to work; by default those of p.
        memory: bytes to stay below, beside the inputs.

    Raises:
        LawError, SpecHubError: as `spechub_lp.draw`.
    """
    p, q = (torch.as_tensor(a, device=device, dtype=dtype) for a in (p, q))
    u = torch.as_tensor(u, device=p.device)
    p, q = laws.float_rows(p, "p"), laws.float_rows(q, "q")
    rows = max(1, memory // (ROWS_IN_WORK * 8 * p.shape[-1]))
    parts = [
        draw_rows(sampler, _rows(p, start, rows), _rows(q, start, rows), u[start : start + rows])
        for start in range(0, u.shape[0], rows)
    ]
    return Draw(*(torch.cat([getattr(part, name) for part in parts]) for name in ("tokens", "slots", "drafts")))


def sample(sampler: Sampler, p: Any, q: Any, *, generator: torch.Generator | None = None, **where: Any) -> Draw:
    """Draw one output for each row of p and q with torch's own uniforms; arguments as `draw`."""
    p = torch.as_tensor(p, device=where.get("device"))
    batch = p.shape[0] if p.ndim == 2 else 1
    u = torch.rand(batch, sampler.k + 1, dtype=torch.float64, generator=generator, device=p.device)
    return draw(sampler, p, q, u, **where)


def _rows(a: torch.Tensor, start: int, rows: int) -> torch.Tensor:
    """A slice of the batch; a batch of one serves every slice."""
    return a if a.shape[0] == 1 else a[start : start + rows]
