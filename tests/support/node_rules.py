"""Right rules for one node in plain torch, with the places open where other engines go wrong.

Each takes p [V], q [V], the drafts [k] and a source of uniforms; it returns the output token and the slot of
the accepted draft, or -1. The wrong samplers of the tests and the engines in `validation/benchmarks/power` use them.
"""

from collections.abc import Callable
from typing import Any

import torch

Uniform = Callable[[], Any]
Draw = Callable[[torch.Tensor], int]
LeftOver = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Answer = tuple[int, int]
"""The token, and the slot of the accepted draft or -1."""


def draw(weights: torch.Tensor) -> int:
    """A token, with probabilities proportional to the weights."""
    return int(torch.multinomial(weights, 1))


def left_over(residual: torch.Tensor, proposal: torch.Tensor) -> torch.Tensor:
    """(residual - proposal)+, normalized; the residual itself where nothing is left."""
    rest = (residual - proposal).clamp(min=0)
    return rest / rest.sum() if rest.sum() > 0 else residual


def found(y: int, drafts: list[int]) -> Answer:
    """A token drawn from the target, and the slot where it stands among the drafts."""
    return y, drafts.index(y) if y in drafts else -1


def rrs(
    p: torch.Tensor, q: torch.Tensor, drafts: list[int], uniform: Uniform, draw: Draw = draw,
    left_over: LeftOver = left_over,
) -> Answer:  # fmt: skip
    """Recursive rejection for drafts with replacement."""
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform() * q[x] < residual[x]:
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


def rrsw(
    p: torch.Tensor, q: torch.Tensor, drafts: list[int], uniform: Uniform, draw: Draw = draw,
    left_over: LeftOver = left_over,
) -> Answer:  # fmt: skip
    """Recursive rejection for drafts without replacement."""
    residual, proposal = p.clone(), q.clone()
    for j, x in enumerate(drafts):
        if uniform() * proposal[x] < residual[x]:
            return x, j
        residual = left_over(residual, proposal)
        proposal[x] = 0
        if proposal.sum() == 0:
            proposal[int(q.argmax())] = 1
        proposal = proposal / proposal.sum()
    return draw(residual), -1


def spechub(p: torch.Tensor, q: torch.Tensor, drafts: list[int], hub: int, uniform: Uniform) -> Answer:
    """SpecHub for two drafts, with the hub that the caller believes in."""
    rest = q.clone()
    rest[hub] = 0
    others = rest / rest.sum() if rest.sum() > 0 else rest
    rest_of_p = p.clone()
    rest_of_p[hub] = 0
    first = torch.minimum(rest_of_p, rest)
    second = torch.minimum(rest_of_p - first, q[hub] * others)
    after, before = q[hub] - second.sum(), (rest - first).sum()
    hub_after = min(1.0, float(p[hub] / after)) if after > 0 else 0.0
    hub_before = min(1.0, float((p[hub] - after).clamp(min=0) / before)) if before > 0 else 0.0
    x, y = drafts
    starts = x == hub
    i = y if starts else x
    proposal = float(q[hub] * others[i]) if starts else float(rest[i])
    keep = float((second if starts else first)[i]) / proposal if proposal > 0 else 0.0
    take = (hub_after if starts else hub_before if y == hub else 0.0) * (1 - keep)
    u = float(uniform())
    if u < keep:
        return i, 1 if starts else 0
    if u < keep + take:
        return hub, 0 if starts else 1
    residual = (rest_of_p - first - second).clamp(min=0)
    return draw(residual if residual.sum() > 0 else p), -1
