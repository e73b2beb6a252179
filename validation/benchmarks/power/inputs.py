"""The inputs that an engine may meet, as a distribution: what "a set of measure 1e-3" is a share of."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from spechub_lp import drafts as policies

WHAT = (
    "V from 2 to 2,048, even in log V; logits of p normal with a spread from 0.3 to 8, those of q the same plus normal "
    "noise from 0.01 to 3, both even in the logarithm; half of the rows with logits in bfloat16, one in ten cut to the "
    "top 8 tokens on both sides, one in twenty with q = p"
)


def rows(rng: np.random.Generator, most: int = 2048) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """p and q without end, of at most so many tokens."""
    while True:
        size = round(2 ** rng.uniform(1, np.log2(most)))
        spread, noise = np.exp(rng.uniform(np.log([0.3, 0.01]), np.log([8.0, 3.0])))
        of_p = torch.from_numpy(spread * rng.standard_normal(size))
        of_q = of_p + torch.from_numpy(noise * rng.standard_normal(size))
        if rng.random() < 0.5:
            of_p, of_q = of_p.bfloat16().double(), of_q.bfloat16().double()
        if rng.random() < 0.1:
            of_p, of_q = (torch.where(a >= a.topk(min(8, size)).values[-1], a, -torch.inf) for a in (of_p, of_q))
        if rng.random() < 0.05:
            of_q = of_p
        yield of_p.softmax(0), of_q.softmax(0)


def drawn(q: torch.Tensor, policy: str, k: int, n: int, rng: np.random.Generator) -> Any:
    """[n, k] drafts of a policy from q [V], or from q [k, V] of product drafts."""
    drafts, x = policies.by_name(policy), np.zeros((n, 0), dtype=np.int64)
    given = np.broadcast_to(q.numpy(), (n, *q.shape))
    for _ in range(k):
        ends = np.cumsum(np.broadcast_to(np.asarray(drafts.draft(given, x, k)), (n, q.shape[-1])), axis=1)
        y = (ends <= rng.random((n, 1)) * ends[:, -1:]).sum(1)
        x = np.concatenate([x, y[:, None]], axis=1)
    return x
