"""The right rules in plain torch, with the places where others went wrong left open.

`node_rules` lies in tests/support: the wrong samplers of the tests are made of it too.
"""

from typing import Any

import node_rules
import torch
from node_rules import draw, found, left_over


def uniform() -> Any:
    return torch.rand((), dtype=torch.float64)


def by_cdf(weights: torch.Tensor, u: Any) -> int:
    """The token that u falls on; the weights need not sum to 1."""
    ends = weights.cumsum(0)
    y = int((ends <= u * ends[-1]).sum())
    return min(y, int(weights.nonzero()[-1]))


def rrs(p, q, drafts, uniform=uniform, draw=draw, left_over=left_over):
    """Recursive rejection for drafts with replacement."""
    return node_rules.rrs(p, q, drafts, uniform, draw, left_over)


def rrsw(p, q, drafts, uniform=uniform, draw=draw, left_over=left_over):
    """Recursive rejection for drafts without replacement."""
    return node_rules.rrsw(p, q, drafts, uniform, draw, left_over)


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
    return node_rules.spechub(p, q, drafts, hub, uniform)


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
