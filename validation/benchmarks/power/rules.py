"""The right rules in plain torch, with the places where others went wrong left open."""

from collections.abc import Callable
from typing import Any

import torch


def uniform() -> Any:
    return torch.rand((), dtype=torch.float64)


def draw(weights: torch.Tensor) -> int:
    return int(torch.multinomial(weights, 1))


def by_cdf(weights: torch.Tensor, u: Any) -> int:
    """The token that u falls on; the weights need not sum to 1."""
    ends = weights.cumsum(0)
    y = int((ends <= u * ends[-1]).sum())
    return min(y, int(weights.nonzero()[-1]))


def left_over(residual: torch.Tensor, proposal: torch.Tensor) -> torch.Tensor:
    """(residual - proposal)+, normalized; the residual itself where nothing is left."""
    rest = (residual - proposal).clamp(min=0)
    return rest / rest.sum() if rest.sum() > 0 else residual


def rrs(p, q, drafts, uniform: Callable[[], Any] = uniform, draw: Callable[[Any], int] = draw, left_over=left_over):
    """Recursive rejection for drafts with replacement."""
    residual = p.clone()
    for j, x in enumerate(drafts):
        if uniform() * q[x] < residual[x]:
            return x, j
        residual = left_over(residual, q)
    return draw(residual), -1


def rrsw(p, q, drafts, uniform=uniform, draw=draw, left_over=left_over):
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


def found(y: int, drafts) -> tuple[int, int]:
    """A token drawn from the target, and the slot where it stands among the drafts."""
    return y, drafts.index(y) if y in drafts else -1


def lookup(p, q, drafts):
    """Sample from the target and look the token up among the drafts."""
    return found(draw(p), drafts)


def point_mass(p, q, drafts, uniform=uniform, draw=draw):
    """Each draft as if it were certain: accepted with what p still gives it, and never put out after a rejection."""
    rest = p.clone()
    for j, x in enumerate(drafts):
        if uniform() * rest.sum() < rest[x]:
            return x, j
        rest[x] = 0
    return draw(rest), -1


def target_only(p, q, drafts, uniform=uniform, draw=draw):
    """One uniform for all siblings; a repeated sibling adds nothing."""
    u, passed, seen = float(uniform()), 0.0, []
    for j, x in enumerate(drafts):
        if x not in seen:
            passed += float(p[x])
            if u < passed:
                return x, j
            seen.append(x)
    rest = p.clone()
    rest[seen] = 0
    return draw(rest), -1


def with_hub(p, q, drafts, hub: int, uniform=uniform):
    """SpecHub for two drafts with this hub."""
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


# -- the wrong rules that others are made of -----------------------------------------------------------------------


def residual_is_p(p, q, drafts, uniform=uniform):
    """After a rejection of the first draft the token comes from p itself."""
    x = drafts[0]
    return (x, 0) if uniform() * q[x] < p[x] else (draw(p), -1)


def accept_all(p, q, drafts):
    return drafts[0], 0


def top_of_residual(p, q, drafts):
    """The most likely token of the residual instead of a draw from it."""
    return rrs(p, q, drafts, draw=lambda residual: int(residual.argmax()))


def leaning(p, q, drafts, lean: float):
    """Accepts with this much too high a probability."""
    return rrs(p, q, drafts, uniform=lambda: uniform() * (1 - lean))
