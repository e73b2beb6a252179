"""Verifiers of one node for a batch of rows: Border as a kernel of its own, every other rule by its own verdict.

Nothing waits for the device: no copy to the host, and no shape or branch that depends on what the rows hold.
"""

from typing import Any, NamedTuple

from spechub_lp import samplers
from spechub_lp._util.extras import extra
from spechub_lp.errors import SpecHubError
from spechub_lp.kernels import border
from spechub_lp.kernels.arguments import FLOATS, WHOLE, fit
from spechub_lp.kernels.device import by_triton
from spechub_lp.kernels.residual import plain_draw
from spechub_lp.samplers.base import Sampler

with extra("torch", "the kernels"):
    import torch

KERNELS: dict[type[Sampler], bool] = {samplers.Border: True, samplers.BorderBucketed: True, samplers.BorderWor: False}
"""The rules with a kernel of their own, and whether their drafts are drawn with replacement."""
REJECTION: dict[type[Sampler], bool] = {samplers.RRS: True, samplers.RRSw: False}
"""The rules that have a kernel in Triton alone, and whether their drafts are drawn with replacement."""
MOST_PAIRED = 2
"""Drafts without replacement that a kernel in Triton takes."""
NOTHING = -1
"""Token and slot of a row that holds no distributions."""


class Verified(NamedTuple):
    """Hold what comes out of a batch of nodes.

    Examples
    --------
    >>> p = torch.tensor([[0.5, 0.5], [torch.nan, 0.5]])
    >>> verify("border", p, p, torch.tensor([[1], [0]]), torch.full((2, 3), 0.5))
    Verified(tokens=tensor([ 1, -1]), slots=tensor([ 0, -1]))
    """

    tokens: torch.Tensor
    """[B] int64 the output token, or -1 where p or q is no distribution."""
    slots: torch.Tensor
    """[B] int64 index of the accepted draft, or -1 where all were rejected."""


def verify(
    rule: str | Sampler | type[Sampler],
    p: torch.Tensor,
    q: torch.Tensor,
    drafts: torch.Tensor,
    u: torch.Tensor,
    *,
    sort: bool | None = None,
) -> Verified:
    """Verify the drafts of a batch of nodes.

    Parameters
    ----------
    rule
        A sampler, its class or its name. `border`, `border_bucketed` and `border_wor` run as kernels, and every other
        rule by its own verdict.
    p, q : [B, V]
        Target and draft distributions, float64, float32, float16 or bfloat16.
    drafts : [B, k]
        Token ids in the order drawn, of any integer dtype; k is the rule's. An id outside 0..V-1, such as
        padding, has no defined result: another token may be read in its place, or torch stops, on a GPU with an error
        that ends the process.
    u : [B, 3] or [B, 2]
        Uniforms in [0, 1]: the level of Border's mixture (no other rule looks at it), the verdict, and the token
        after a rejection. With two, the last is made of what the verdict left of its own.
    sort
        Border: sort the tokens, exactly optimal, or put them into classes of p/q; by default by the width of the row.

    Returns
    -------
    Verified
        Token and slot are -1 in a row whose p or q holds a NaN or does not sum to about 1.

    Raises
    ------
    SpecHubError
        Kinds, shapes or devices do not fit, or the rule is one for another number of drafts. Entries are not looked
        at: that would wait for the device.

    Examples
    --------
    >>> p, q = torch.tensor([[0.6, 0.3, 0.1]]), torch.tensor([[0.2, 0.3, 0.5]])
    >>> verify("border", p, q, torch.tensor([[2, 1]]), torch.tensor([[0.1, 0.5, 0.5]]))
    Verified(tokens=tensor([1]), slots=tensor([1]))
    """
    _fit(p, q, drafts, u)
    k = drafts.shape[1]
    sampler = samplers.by_name(rule) if isinstance(rule, Sampler) else samplers.by_name(rule, k)
    if sampler.k != k:
        raise SpecHubError(
            f"drafts has shape {tuple(drafts.shape)}; {sampler.name} with k = {sampler.k} needs [B, {sampler.k}]"
        )
    if not p.shape[0]:
        none = torch.zeros(0, dtype=torch.int64, device=p.device)
        return Verified(none, none)
    drafts = drafts.long()
    if by_triton(p):
        found = _by_triton(sampler, p, q, drafts, u, sort)
        if found is not None:
            return found
    p, q = floats(p), floats(q)
    q = q if q.dtype == p.dtype else q.to(p.dtype)
    kernel = _border(sampler, p, q, drafts, u, sort)
    accept, rest = kernel if kernel is not None else _verdict(sampler, p, q, drafts)
    upto = accept.cumsum(dim=1)
    taken = upto[:, -1:]
    uniform = u[:, 1:2].double().clamp_max(1 - 2.0**-53)
    slot = (upto <= uniform).sum(dim=1, keepdim=True)
    rejected = slot == drafts.shape[1]
    last = u[:, 2] if u.shape[1] == 3 else ((uniform - taken) / (1 - taken).clamp_min(2.0**-53)).clamp(0, 1)[:, 0]
    behind = rest(last, wanted=rejected[:, 0])
    token = torch.where(rejected, behind[:, None], drafts.gather(1, slot.clamp_max(drafts.shape[1] - 1)))
    good = (holds_mass(p) & holds_mass(q))[:, None]
    slot = torch.where(good & ~rejected, slot, NOTHING)
    return Verified(torch.where(good, token, NOTHING)[:, 0], slot[:, 0])


def floats(a: torch.Tensor) -> torch.Tensor:
    """Return float64 and float32 as they are, and shorter floats in float32.

    Parameters
    ----------
    a : [...]
        Entries of a float dtype.

    Returns
    -------
    [...]
        The same numbers.

    Examples
    --------
    >>> floats(torch.ones(1, 2, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    return a if a.dtype in (torch.float64, torch.float32) else a.float()


def holds_mass(a: torch.Tensor) -> torch.Tensor:
    """Return whether each row sums to about 1; no row with a NaN does.

    Parameters
    ----------
    a : [B, V]
        Rows.

    Returns
    -------
    [B]
        bool.

    Examples
    --------
    >>> holds_mass(torch.tensor([[0.5, 0.5], [0.0, 0.0], [torch.nan, 1.0]])).tolist()
    [True, False, False]
    """
    return (a.sum(dim=1) - 1).abs() < 0.1


def _by_triton(
    sampler: Sampler, p: torch.Tensor, q: torch.Tensor, x: torch.Tensor, u: torch.Tensor, sort: bool | None
) -> Verified | None:
    """Verify by a kernel in Triton; None where the rule has none."""
    from spechub_lp.kernels import triton_border, triton_rejection

    if type(sampler) in REJECTION:
        return Verified(*triton_rejection.verify(p, q, x, u, replaced=REJECTION[type(sampler)]))
    replaced = KERNELS.get(type(sampler))
    if replaced is None or not (replaced or sampler.k <= MOST_PAIRED):
        return None
    return Verified(
        *triton_border.verify(p, q, x, u, replaced=replaced or sampler.k == 1, sort=_sorts(sampler, p, sort))
    )


def _sorts(sampler: Sampler, p: torch.Tensor, sort: bool | None) -> bool:
    if sort is None:
        return not isinstance(sampler, samplers.BorderBucketed) and p.shape[1] <= border.MOST_SORTED
    return sort


def _border(
    sampler: Sampler, p: torch.Tensor, q: torch.Tensor, x: torch.Tensor, u: torch.Tensor, sort: bool | None
) -> tuple[torch.Tensor, Any] | None:
    """Accept [B, k] and how to draw after a rejection; None where the rule has no kernel."""
    replaced = KERNELS.get(type(sampler))
    if replaced is None:
        return None
    replaced = replaced or sampler.k == 1
    prepared = border.prepare(p, q, sampler.k, replaced=replaced, sort=_sorts(sampler, p, sort))
    share = border.choose(prepared, x, u[:, 0], replaced=replaced)
    return share * prepared.accept(x), prepared.residual


def _verdict(sampler: Sampler, p: torch.Tensor, q: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, Any]:
    verdict = sampler.verify(p, q, x)
    accept, residual = torch.as_tensor(verdict.accept), torch.as_tensor(verdict.residual)
    return accept.double(), lambda last, wanted: plain_draw(residual, last)


def _fit(p: torch.Tensor, q: torch.Tensor, x: torch.Tensor, u: torch.Tensor) -> None:
    fit(p=(p, FLOATS, "BV"), q=(q, FLOATS, "BV"), drafts=(x, WHOLE, "Bk"), u=(u, FLOATS, "B."))
    if not (p.shape[1] and x.shape[1]):
        raise SpecHubError(
            f"p has shape {tuple(p.shape)} and drafts {tuple(x.shape)}; at least one token and one draft"
        )
    if u.shape[1] not in (2, 3):
        raise SpecHubError(f"u has shape {tuple(u.shape)}; with p of shape {tuple(p.shape)} it is [B, 3] or [B, 2]")
