"""A batch of chains and trees: Border chooses a path from the root down, then the path is verified as a block.

    w = 1 at the root; at each node choose one child by Border for what is left of the target, w p; its token x has the
    distribution b, and below it w = min(1, w p(x) / b(x))
    a prefix of the path passes with s / (s + 1 - w), s = sum (w p - b)+, the whole path with w, the root with 1
    accept the longest prefix that passes, and draw the next token from (w p - b)+; behind a leaf from p

The rule of `trees.BorderPath` without its pooling and its fairer spread. One walk down: rows off the path are not read.
For a chain it is block verification (Sun et al., arXiv 2403.10444).
"""

from typing import NamedTuple

from spechub_lp import distributions
from spechub_lp._util.extras import extra
from spechub_lp.errors import SpecHubError
from spechub_lp.kernels import border
from spechub_lp.kernels.arguments import FLOATS, WHOLE, fit
from spechub_lp.kernels.node import NOTHING, floats, holds_mass

with extra("torch", "the kernels"):
    import torch


class Walked(NamedTuple):
    """Hold what comes out of a batch of trees.

    Examples
    --------
    >>> p, u = torch.full((1, 2, 3), 1 / 3), torch.full((1, 2), 0.5)
    >>> verify_tree(p, p, children(torch.tensor([[-1, 0]]), 1), torch.tensor([[-1, 2]]), u, u[:, 0], depth=1)
    Walked(tokens=tensor([[2, 1]]), n=tensor([2]), nodes=tensor([[1]]))
    """

    tokens: torch.Tensor
    """[B, depth + 1] accepted drafts, then one more token, then -1. All -1 where a row read holds no distribution."""
    n: torch.Tensor
    """[B] how many tokens; 0 in a marked row."""
    nodes: torch.Tensor
    """[B, depth] the accepted nodes, then -1."""


def verify_tree(
    p: torch.Tensor,
    q: torch.Tensor,
    child: torch.Tensor,
    token: torch.Tensor,
    u: torch.Tensor,
    last: torch.Tensor,
    *,
    depth: int,
    replaced: bool = True,
    sort: bool | None = None,
) -> Walked:
    """Verify a batch of token trees.

    Parameters
    ----------
    p, q : [B, N, V]
        Target and draft distribution after each node; q is not read at leaves.
    child : [B, N, k]
        The children of each node in the order in which they were drawn, then -1 (see `children`). Node 0 is the root.
    token : [B, N]
        Token of each node; below the root an id outside 0..V-1 has no defined result, as in `node.verify`.
    u : [B, N]
        A uniform of each node. The root's is the level of its mixture. At each node of the path the first child's tells
        which child is chosen, and the second child's (an only child's own) is the level of the next node; at the end of
        the path it tells how much of the path is accepted.
    last : [B]
        Uniforms of the last token.
    depth
        The longest path; known to the caller, so that nothing waits for the device.
    replaced
        Whether siblings were drawn with replacement.
    sort
        As `node.verify`.

    Returns
    -------
    Walked
        B rows.

    Raises
    ------
    SpecHubError
        Kinds, shapes or devices do not fit. Entries are not looked at: that would wait for the device.

    Examples
    --------
    >>> p, u = torch.full((1, 2, 3), 1 / 3), torch.full((1, 2), 0.5)
    >>> verify_tree(p, p, children(torch.tensor([[-1, 0]]), 1), torch.tensor([[-1, 2]]), u, u[:, 0], depth=1).tokens
    tensor([[2, 1]])
    """
    fit(
        p=(p, FLOATS, "BNV"), q=(q, FLOATS, "BNV"), child=(child, WHOLE, "BNk"), token=(token, WHOLE, "BN"),
        u=(u, FLOATS, "BN"), last=(last, FLOATS, "B"),
    )  # fmt: skip
    if not all((*p.shape[1:], *child.shape[2:])):
        raise SpecHubError(
            f"p has shape {tuple(p.shape)} and child {tuple(child.shape)}; at least one node, one token and "
            "one place for a child"
        )
    depth = distributions.count(depth, "depth", least=0)
    if not p.shape[0]:
        return Walked(
            *(torch.zeros(size, dtype=torch.int64, device=p.device) for size in ((0, depth + 1), 0, (0, depth)))
        )
    child, token = child.long(), token.long()
    k = child.shape[2]
    batch = torch.arange(p.shape[0], device=p.device)
    node, level = torch.zeros_like(batch), u[:, 0].double()
    weight = torch.ones_like(level)
    passes, nodes, weights, good = [], [node], [weight], torch.ones_like(batch, dtype=torch.bool)
    for step in range(depth):
        here = _at(p, q, child, node, weight, replaced, sort)
        good = good & here.good
        x = token.gather(1, here.kids.clamp_min(0)).clamp_min(0)
        uniforms = u.gather(1, here.kids.clamp_min(0)).double()
        share = border.choose(here.prepared, x, level, replaced=replaced, count=here.siblings)
        uniform = uniforms[:, :1].clamp_max(1 - 2.0**-53) * share.sum(dim=1, keepdim=True)
        slot = (share.cumsum(dim=1) <= uniform).sum(dim=1, keepdim=True).clamp_max(k - 1)
        left = here.prepared.left
        more = left + 1 - weight
        passing = torch.where(more > 0, left / more.clamp_min(1e-300), 0.0) if step else torch.ones_like(weight)
        passes.append(torch.where(here.inner, passing, weight))
        weight = torch.where(here.inner, here.prepared.accept(x).gather(1, slot)[:, 0], weight)
        node = torch.where(here.inner, here.kids.gather(1, slot)[:, 0], node)
        second = torch.where(here.kids[:, 1] >= 0, uniforms[:, 1], uniforms[:, 0]) if k > 1 else uniforms[:, 0]
        level = torch.where(here.inner, second, level)
        nodes.append(node)
        weights.append(weight)
    passes.append(weight)
    stop = _stop(level, passes, nodes)
    path, left = torch.stack(nodes, dim=1), torch.stack(weights, dim=1).gather(1, stop)[:, 0]
    found = _at(p, q, child, path.gather(1, stop)[:, 0], left, replaced, sort)
    density = torch.where(found.inner[:, None], found.prepared.mixture.density, 0.0)
    behind = found.prepared.residual(last, density)
    good = (good & found.good)[:, None]
    taken = torch.arange(depth, device=p.device) < stop
    tokens = torch.where(taken, token.gather(1, path[:, 1:]), NOTHING)
    tokens = torch.nn.functional.pad(tokens, (0, 1), value=NOTHING).scatter(1, stop, behind[:, None])
    return Walked(
        torch.where(good, tokens, NOTHING),
        torch.where(good, stop + 1, 0)[:, 0],
        torch.where(good & taken, path[:, 1:], NOTHING),
    )


def _stop(uniform: torch.Tensor, passes: list[torch.Tensor], nodes: list[torch.Tensor]) -> torch.Tensor:
    """The length [B, 1] of the longest prefix that passes. Behind its end a path repeats its last node."""
    stop, open_ = torch.zeros_like(nodes[0]), torch.ones_like(nodes[0], dtype=torch.bool)
    for at in range(len(nodes) - 1, 0, -1):
        real = open_ & (nodes[at] != nodes[at - 1])
        here = real & (uniform < passes[at])
        stop = torch.where(here, at, stop)
        left = ((uniform - passes[at]) / (1 - passes[at]).clamp_min(2.0**-53)).clamp(0, 1)
        uniform = torch.where(real & ~here, left, uniform)
        open_ = open_ & ~here
    return stop[:, None]


class _Here(NamedTuple):
    """One node of each row."""

    prepared: border.Prepared
    kids: torch.Tensor
    """[B, k] its children, -1 where there are fewer."""
    siblings: torch.Tensor
    """[B, 1] how many."""
    inner: torch.Tensor
    """[B] whether it has one."""
    good: torch.Tensor
    """[B] whether its rows hold distributions."""


def _at(
    p: torch.Tensor, q: torch.Tensor, child: torch.Tensor, node: torch.Tensor, weight: torch.Tensor, replaced: bool,
    sort: bool | None,
) -> _Here:  # fmt: skip
    batch = torch.arange(p.shape[0], device=p.device)
    kids = child[batch, node]
    count = (kids >= 0).sum(dim=1, keepdim=True)
    inner = count[:, 0] > 0
    target = floats(p[batch, node])
    draft = torch.where(inner[:, None], q[batch, node].to(target.dtype), target)
    left = torch.where(inner, weight, 1.0)
    prepared = border.prepare(
        target, draft, count.clamp_min(1), replaced=replaced, weight=left, sort=sort, most=kids.shape[1]
    )
    return _Here(prepared, kids, count, inner, holds_mass(target) & holds_mass(draft))


def children(parent: torch.Tensor, k: int) -> torch.Tensor:
    """Return the children of each node in order, from the parents.

    Parameters
    ----------
    parent : [B, N]
        Parent of each node, -1 where there is none.
    k
        The most children of a node.

    Returns
    -------
    [B, N, k]
        Nodes, -1 where there are fewer. Children behind the first k are left out.

    Raises
    ------
    SpecHubError
        parent is no tensor [B, N] of whole numbers, or k is below 1.

    Examples
    --------
    >>> children(torch.tensor([[-1, 0, 0, 1]]), 2).tolist()
    [[[1, 2], [3, -1], [-1, -1], [-1, -1]]]
    """
    fit(parent=(parent, WHOLE, "BN"))
    parent, k, size = parent.long(), distributions.count(k), parent.shape[1]
    index = torch.arange(size, device=parent.device)
    same = (parent[:, :, None] == parent[:, None, :]) & (index[None, :] < index[:, None])
    slot = same.sum(dim=2)
    table = torch.full((parent.shape[0], size * k + 1), -1, dtype=torch.int64, device=parent.device)
    at = torch.where((parent >= 0) & (slot < k), parent * k + slot, size * k)
    found: torch.Tensor = table.scatter_(1, at, index.expand_as(at))[:, :-1].unflatten(1, (size, k))
    return found
