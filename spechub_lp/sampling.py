"""Drafts and outputs drawn from explicit uniforms, in numpy or torch."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_torch_array

from spechub_lp import distributions
from spechub_lp._array.equality import equal_fields
from spechub_lp._array.ops import halvings, pick, zero
from spechub_lp._util.tabular import Tabular, few
from spechub_lp._util.tolerances import SUM_TOLERANCE
from spechub_lp.drafts import DraftPolicy
from spechub_lp.errors import SpecHubError
from spechub_lp.exact import float_pair
from spechub_lp.samplers import Sampler, Verdict, by_name
from spechub_lp.typing import Array, ArrayLike, FloatArray

MEMORY = 64 * 2**20
"""Default budget in bytes for the rows in work at once: small slices stay in cache and are also faster."""
ROWS_IN_WORK = 12
"""Rows of float64 that one draw may hold beside its inputs (measured for RRS, RRSw and SpecHub with two drafts)."""


@dataclass(frozen=True)
class Draw(Tabular):
    """What came out of a batch of draws.

    Examples
    --------
    >>> import numpy as np
    >>> from spechub_lp import draw, samplers
    >>> drawn = draw(samplers.RRS(), [0.5, 0.5], [0.25, 0.75], np.array([[0.1, 0.9, 0.5]]))
    >>> drawn.tokens.tolist(), drawn.slots.tolist(), drawn.drafts.tolist()
    ([0], [0], [[0, 1]])
    """

    tokens: Array
    """[B] the output token."""
    slots: Array
    """[B] index of the accepted draft, or -1 when all drafts were rejected."""
    drafts: Array
    """[B, k] the drafts."""

    __eq__ = equal_fields

    def __repr__(self) -> str:
        n, k = tuple(self.drafts.shape)
        return f"Draw(tokens={few(self.tokens)}, slots={few(self.slots)}, {n} draw{'s' * (n != 1)}, k={k})"

    def as_rows(self) -> list[dict[str, Any]]:
        """Return for each draw its drafts, the slot of the accepted one (-1: none), and the token."""
        rows = zip(self.drafts.tolist(), self.slots.tolist(), self.tokens.tolist(), strict=True)
        return [{"drafts": x, "slot": slot, "token": token} for x, slot, token in rows]


def draw(sampler: str | Sampler | type[Sampler], p: ArrayLike, q: ArrayLike, u: ArrayLike) -> Draw:
    """Draw drafts and output from explicit uniforms; the same u gives the same tokens in numpy and torch.

    Both ends of [0, 1] are legal in every dtype, because rounding to float32, float16 or bfloat16 makes uniforms of
    exactly 1. An entry of u is taken for the float64 that it is exactly: 0 stands for the first token of positive
    probability, and 1 for what the largest number below 1 stands for, whatever the dtype of u is. No u draws a token of
    probability 0. A u of few bits reaches only the tokens on its grid; draw uniforms in float64.

    Drafts, verdicts and the search for the token that u falls on are made of the same operations in the same order in
    numpy and torch and on every device (_array/ops.py), so tokens agree where u is on the very edge of two tokens, too.
    Left out are Tempered drafts with a power that is no whole number: libraries round powers each in their own way.

    Tensors may have the noise of the kernels in u, three uniforms (or two) behind those of the drafts, and then
    `kernels.node.verify` verifies, on the device; only the check of p, q and u waits for it. A rule without a kernel of
    its own has the same verdict there, and the same token wherever u is not within rounding of an edge. Border's
    kernels draw the level over which the exact verdict averages: drafts and tokens have the same distribution, but one
    u gives other tokens; and more than 1,024 tokens are put into classes of p/q, which costs about .001 of the
    acceptance at most.

    Parameters
    ----------
    sampler
        A verification rule with its drafts; or its name or class, with its own two drafts.
    p : [V] or [B, V]
        Target distributions, numpy or torch.
    q : [V] or [B, V]
        Draft distributions; for product drafts [B, k, V], or [k, V] beside one p.
    u : [B, k + 1]
        Uniforms in [0, 1]: one for each draft, the last for the verdict. B may be 0. As tensors also [B, k + 3] or
        [B, k + 2]: behind those of the drafts the noise of `kernels.node.verify`.

    Returns
    -------
    Draw
        Tokens [B], slots [B] and drafts [B, k].

    Raises
    ------
    InvalidDistribution
        p or q is not a distribution.
    SpecHubError
        Shapes, kinds of array or u do not fit; a bad k.

    Examples
    --------
    >>> from spechub_lp import draw, samplers
    >>> draw(samplers.RRS(), [0.5, 0.5], [0.25, 0.75], [[0.1, 0.9, 0.5]]).tokens.tolist()
    [0]
    >>> import torch
    >>> p, q = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([0.2, 0.3, 0.5])
    >>> draw("border", p, q, torch.tensor([[0.9, 0.4, 0.1, 0.5, 0.5]])).tokens  # drafts 2 and 1; level, verdict, last
    tensor([1])
    """
    sampler = by_name(sampler)
    return draw_in_slices(sampler, *inputs(sampler, p, q, u))


def _of_drafters(sampler: Sampler, q: Array) -> str:
    """A hint where q has as many rows as there are drafts, the end of a sentence."""
    if sampler.drafts.different_drafters or q.shape[0] != sampler.k or sampler.k < 2:
        return ""
    takes_product = any(policy.different_drafters for policy in sampler.own)
    rule = type(sampler).__name__ if takes_product else "BorderProduct"
    return f" (for a q of each draft, take {rule}(k={sampler.k}).with_drafts('product'))"


def inputs(sampler: Sampler, p: Any, q: Any, u: Any) -> tuple[Array, Array, Array]:
    """Read and check all that a draw takes.

    Parameters
    ----------
    sampler
        Says how many drafts are made and how.
    p : [V] or [B, V]
        Target distributions.
    q : [V], [B, V] or [B, k, V]
        Draft distributions.
    u : [B, k + 1], [B, k + 2] or [B, k + 3]
        Uniforms.

    Returns
    -------
    p [B, V] or [1, V], q likewise or [.., k, V], u as it is
        Arrays of one library.

    Raises
    ------
    SpecHubError
        Shapes, kinds of array or u do not fit.

    Examples
    --------
    >>> from spechub_lp import samplers
    >>> [a.shape for a in inputs(samplers.RRS(), [0.5, 0.5], [0.25, 0.75], [[0.1, 0.9, 0.5]])]
    [(1, 2), (1, 2), (1, 3)]
    """
    p, q = float_pair(sampler, p, q)
    u = distributions.as_array(u, "u", f"[B, {sampler.k + 1}]")
    for_kernels = u.ndim == 2 and u.shape[1] in (sampler.k + 2, sampler.k + 3)
    if u.ndim != 2 or not (u.shape[1] == sampler.k + 1 or for_kernels):
        raise SpecHubError(
            f"u has shape {tuple(u.shape)}; {sampler.name} with k = {sampler.k} needs [B, {sampler.k + 1}]"
        )
    if for_kernels and (not is_torch_array(u) or sampler.drafts.different_drafters):
        raise SpecHubError(
            f"u has shape {tuple(u.shape)}, the noise of the kernels, which take tensors and drafts of one drafter; "
            f"{sampler.name} with k = {sampler.k} else needs [B, {sampler.k + 1}]"
        )
    if distributions.dtype_name(u) not in SUM_TOLERANCE:
        raise SpecHubError(
            f"u has dtype {distributions.dtype_name(u)}; uniforms come as one of {', '.join(SUM_TOLERANCE)}"
        )
    distributions.same_library(p=p, q=q, u=u)
    if not bool(((u >= 0) & (u <= 1)).all()):
        raise SpecHubError("u has an entry outside [0, 1] or a NaN; it must hold uniforms")
    if not {p.shape[0], q.shape[0]} <= {1, u.shape[0]}:
        raise SpecHubError(
            f"p has {p.shape[0]} rows, q has {q.shape[0]} and u has {u.shape[0]}; p and q need one row, or those of u"
            + _of_drafters(sampler, q)
        )
    return p, q, u


def draw_in_slices(sampler: Sampler, p: Array, q: Array, u: Array, memory: int = MEMORY) -> Draw:
    """Draw from what `inputs` returned, a slice of the batch at a time; nothing is checked.

    Parameters
    ----------
    sampler
        A verification rule with its drafts.
    p : [B, V] or [1, V]
        Target distributions.
    q : [B, V], [1, V] or [.., k, V]
        Draft distributions.
    u : [B, k + 1], [B, k + 2] or [B, k + 3]
        Uniforms; more than k + 1 go through the kernels.
    memory
        Bytes to stay below, beside the inputs. One pair p, q is prepared once for all slices.

    Returns
    -------
    Draw
        Tokens [B], slots [B] and drafts [B, k].

    Examples
    --------
    >>> from spechub_lp import samplers
    >>> rule = samplers.RRS()
    >>> draw_in_slices(rule, *inputs(rule, [0.5, 0.5], [0.25, 0.75], [[0.1, 0.9, 0.5]])).slots.tolist()
    [0]
    """
    xp = array_namespace(p, q, u)
    if not u.shape[0]:
        none = xp.zeros((0,), dtype=xp.int64, device=device(u))
        return Draw(none, none, xp.zeros((0, sampler.k), dtype=xp.int64, device=device(u)))
    rows = max(1, memory // (ROWS_IN_WORK * 8 * p.shape[-1]))
    by_kernels = u.shape[1] > sampler.k + 1
    verify = sampler.verifier(p, q) if p.shape[0] == q.shape[0] == 1 and not by_kernels else None
    parts = []
    for start in range(0, u.shape[0], rows):
        here = slice(start, start + rows)
        target, draft = (a if a.shape[0] == 1 else a[here] for a in (p, q))
        if by_kernels:
            parts.append(_draw_by_kernels(sampler, target, draft, u[here]))
        else:
            parts.append(_draw(sampler, draft, u[here], verify or sampler.verifier(target, draft)))
    return Draw(*(xp.concat([getattr(part, name) for part in parts]) for name in ("tokens", "slots", "drafts")))


def _draw(sampler: Sampler, q: Array, u: Array, verify: Callable[[Array], Verdict]) -> Draw:
    xp = array_namespace(q, u)
    x = draw_drafts(sampler.drafts, q, u[:, : sampler.k])
    verdict = verify(x)
    place = inverse_cdf(xp.concat([verdict.accept, verdict.residual], axis=1), u[:, -1])
    accepted = place < sampler.k
    drafted = pick(x, xp.where(accepted, place, 0))
    return Draw(xp.where(accepted, drafted, place - sampler.k), xp.where(accepted, place, -1), x)


def _draw_by_kernels(sampler: Sampler, p: Any, q: Any, u: Any) -> Draw:
    """The same for tensors whose uniforms behind those of the drafts are the kernels' noise."""
    from spechub_lp.kernels.node import verify  # torch is there only where it is installed

    x: Any = draw_drafts(sampler.drafts, q, u[:, : sampler.k])
    target, draft = (a.expand(u.shape[0], -1) for a in (p, q))
    return Draw(*verify(sampler, target, draft, x, u[:, sampler.k :]), x)


def draw_drafts(policy: DraftPolicy, q: Array, u: Array) -> Array:
    """Draw the drafts of a policy from explicit uniforms; nothing is checked.

    Parameters
    ----------
    policy
        How the drafts are made.
    q : [B, V] or [1, V]
        Draft distributions; [B, k, V] for product drafts.
    u : [B, k]
        Uniforms.

    Returns
    -------
    [B, k]
        Token ids.

    Examples
    --------
    >>> import numpy as np
    >>> from spechub_lp.drafts import IID
    >>> draw_drafts(IID(), np.array([[0.25, 0.75]]), np.array([[0.1, 0.9]])).tolist()
    [[0, 1]]
    """
    xp, k = array_namespace(q, u), u.shape[1]
    x = xp.zeros((u.shape[0], 0), dtype=xp.int64, device=device(u))
    for j in range(k):
        x = xp.concat([x, inverse_cdf(policy.draft(q, x, k), u[:, j])[:, None]], axis=1)
    return x


def inverse_cdf(weights: Array, u: Array) -> Array:
    """Find the entry that u falls on when the weights are laid end to end.

    A walk down the tree of float64 sums (_array/ops.halvings): where what is still to go is less than the weight on the
    left, go left; else take that weight off and go right. An entry of weight 0 is never chosen, not even at u = 0 or u
    = 1, and the same bits give the same entry on every device.

    Parameters
    ----------
    weights : [B, C] or [1, C]
        Not negative; of any sum that is a normal number of float64, so that u times it is exact to its last bit.
    u : [B]
        Uniforms in [0, 1].

    Returns
    -------
    [B]
        Indices below C.

    Examples
    --------
    >>> import numpy as np
    >>> inverse_cdf(np.array([[0.0, 1.0, 3.0]]), np.array([0.0, 0.2, 0.3, 1.0])).tolist()
    [1, 1, 2, 2]
    """
    xp = array_namespace(weights, u)
    *levels, whole = halvings(xp.astype(weights, xp.float64))
    place = xp.zeros(u.shape, dtype=xp.int64, device=device(u))
    nil = zero(whole)
    to_go = xp.minimum(xp.astype(u, xp.float64) * whole[:, 0], xp.nextafter(whole[:, 0], nil))
    for level in reversed(levels):
        # to_go stays below the weight of the node, so without weight or entry on the right it stays left.
        first = 2 * place
        second = first + 1 if level.shape[-1] % 2 == 0 else xp.where(first + 1 < level.shape[-1], first + 1, first)
        left, right = pick(level, first), pick(level, second)
        goes_right = to_go >= left
        to_go = xp.where(goes_right, xp.minimum(to_go - left, xp.nextafter(right, nil)), to_go)
        place = first + xp.astype(goes_right, xp.int64)
    return place


def sums(weights: Any) -> tuple[FloatArray, ...]:
    """Return the tree of sums that `inverse_cdf` walks down, for one row of weights.

    Parameters
    ----------
    weights : [C]
        Not negative; of any sum.

    Returns
    -------
    [C], [ceil(C / 2)], ..., [1]
        The levels, from the row to the whole.

    Examples
    --------
    >>> [level.tolist() for level in sums([1.0, 3.0])]
    [[1.0, 3.0], [4.0]]
    """
    return tuple(np.asarray(level[0]) for level in halvings(np.asarray(weights, dtype=np.float64)[None]))


def descend(sums: Sequence[FloatArray], u: float) -> int:
    """Find the entry of one row as `inverse_cdf` does, by the same steps on numbers.

    Parameters
    ----------
    sums : [C], ..., [1]
        What the function `sums` returned.
    u
        A uniform in [0, 1].

    Returns
    -------
    int
        An index below C.

    Examples
    --------
    >>> descend(sums([0.0, 1.0, 3.0]), 0.3)
    2
    """
    *levels, whole = sums
    place, to_go = 0, min(u * float(whole[0]), math.nextafter(whole[0], 0))
    for level in reversed(levels):
        place *= 2
        left = float(level[place])
        if to_go >= left and place + 1 < len(level):
            place += 1
            to_go = min(to_go - left, math.nextafter(level[place], 0))
    return place
