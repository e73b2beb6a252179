"""Border's kernels: the choice has the distribution it is verified against, and this is the optimum or below it.

Loops and whole-row operations give the same tokens, of nodes and of trees, and so does a row without its company.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from every_choice import chosen

from spechub_lp import cut, samplers
from spechub_lp.errors import SpecHubError
from spechub_lp.kernels import border
from spechub_lp.kernels.node import KERNELS, verify
from spechub_lp.kernels.tree import children, verify_tree
from spechub_lp.sampling import draw_drafts
from validation.torture import Checks, Doing, rows

SECONDS, MEMORY = 120, 8 << 30
OFF = 1e-8
"""Distance of the choice from b: the race is known to 3e-10, what is beside a hub to a few 1e-9."""
FAR = 1e-6
"""Of the optimum, that sorted rows may lose."""


def trial(seed: int) -> Checks:
    rng = random.Random(seed)
    name, k = rng.choice((("border", rng.choice((1, 2, 3, 8))), ("border_wor", rng.choice((1, 2, 3, 4)))))
    kind, dtype = rng.choice(rows.KINDS), rng.choice(("float64", "float32"))
    sampler, sort = samplers.by_name(name, k), rng.random() < 0.5
    size = rng.choice((rng.randint(1, 6), rng.choice((7, 47, 48, 49, 64, 200, 333, 1000, 1024, 2000))))
    if rng.random() < 0.3 and not sort:
        size = max(size, 1025)
    pairs = [rows.pair(rng, kind, size) for _ in range(5)]
    p, q = (torch.from_numpy(np.stack([pair[side] for pair in pairs]).astype(dtype)) for side in (0, 1))
    what = f"{name}, k = {k}, {kind}, {dtype}, V = {size}, {'sorted' if sort else 'classes'}"
    yield Doing(what)
    for row in range(len(pairs)):
        yield from _mixture(sampler, p[row : row + 1], q[row : row + 1], sort, f"{what}, row {row}")
    dice = np.random.default_rng(rng.randrange(2**32))
    yield from _tokens(sampler, p, q, sort, dice, what)
    shape = [-1, *(rng.randrange(node) for node in range(1, rng.randint(2, 6)))]
    yield from _trees(p, q, shape, KERNELS[type(sampler)], sort, dice, f"{what}, tree {shape}")


def _mixture(sampler: Any, p: torch.Tensor, q: torch.Tensor, sort: bool, what: str) -> Checks:
    k, replaced = sampler.k, KERNELS[type(sampler)] or sampler.k == 1
    made = border.prepare(p, q, k, replaced=replaced, sort=sort)
    b = made.b(torch.arange(p.shape[1])[None])[0]
    target = p[0].double() / p[0].double().sum()
    off = abs(float(b.sum()) - 1)
    yield None if off <= OFF else f"{what}: b sums to 1 + {float(b.sum()) - 1:.2g}"
    try:
        best = cut(target[None], q.double() / q.double().sum(), k, sampler.drafts)
    except SpecHubError:
        best = None
    if best is not None:
        accepted, optimum = float(torch.minimum(target, b).sum()), float(best.alpha[0])
        error = float(best.error[0]) + OFF
        yield None if accepted <= optimum + error else f"{what}: accepts {accepted!r}, the optimum is {optimum!r}"
        whole = made.race is None or not bool(made.race.paired)
        lost = optimum - accepted if sort and whole else 0.0
        yield None if lost <= FAR + error else f"{what}: accepts {accepted!r}, {lost:.2g} below the optimum"
    if p.shape[1] ** k <= 300:
        found, density = chosen(sampler, p, q, sort)
        distance = np.abs(found - density).max()
        yield None if distance <= OFF else f"{what}: the choice is {distance:.2g} from b"


def _tokens(sampler: Any, p: torch.Tensor, q: torch.Tensor, sort: bool, dice: Any, what: str) -> Checks:
    k, n = sampler.k, len(p)
    law = q.double() / q.double().sum(dim=1, keepdim=True)
    x = torch.as_tensor(draw_drafts(sampler.drafts, law, torch.from_numpy(dice.random((n, k)))))
    # there the race waits for every token, the faintest too, and may choose among those that are rejected in two ways
    exhausted = ((q > 0).sum(dim=1) <= k) & (k > 2)
    for turn in range(3):
        u = torch.from_numpy(dice.random((n, 3)) if turn else dice.integers(0, 2, (n, 3)).astype(float))
        ours = verify(sampler, p, q, x, u, sort=sort)
        at = ours.tokens.clamp_min(0)[:, None]
        if bool((ours.tokens < 0).any()):
            yield f"{what}: no token in a row of sum {p.double().sum(1).tolist()}"
        elif bool((p.gather(1, at) <= 0).any()):
            yield f"{what}: a token with p = 0 came out at u = {u.tolist()}"
        taken = ours.slots >= 0
        same = x.gather(1, ours.slots.clamp_min(0)[:, None])[:, 0] == ours.tokens
        yield None if bool((same | ~taken).all()) else f"{what}: a token is not its draft"
        alone = [verify(sampler, *(a[i : i + 1] for a in (p, q, x, u)), sort=sort) for i in range(n)]
        same = torch.cat([one.tokens for one in alone]) == ours.tokens
        yield None if bool(same.all()) else f"{what}: a row depends on its company at u = {u[~same].tolist()}"
        if turn:
            with without_loops():
                plain = verify(sampler, p, q, x, u, sort=sort)
            same = (plain.tokens == ours.tokens) | exhausted
            yield None if bool(same.all()) else f"{what}: loops give other tokens at u = {u[~same].tolist()}"


def _trees(
    p: torch.Tensor, q: torch.Tensor, shape: list[int], replaced: bool, sort: bool, dice: Any, what: str
) -> Checks:
    n, nodes = len(p), len(shape)
    order = torch.from_numpy(dice.integers(0, n, (n, nodes)))
    target, draft = p[order], q[order]
    child = children(torch.tensor(shape).expand(n, -1), max(shape.count(node) for node in range(nodes)))
    policy, token = (
        samplers.by_name("border" if replaced else "border_wor").drafts,
        torch.zeros(n, nodes, dtype=torch.int64),
    )
    for node in range(nodes):
        kids = [kid for kid in range(nodes) if shape[kid] == node]
        if kids:
            law = draft[:, node].double() / draft[:, node].double().sum(dim=1, keepdim=True)
            token[:, kids] = torch.as_tensor(draw_drafts(policy, law, torch.from_numpy(dice.random((n, len(kids))))))
    u, last = torch.from_numpy(dice.random((n, nodes))), torch.from_numpy(dice.random(n))
    given = (target, draft, child, token, u, last)

    def walked(rows: slice) -> torch.Tensor:
        out = verify_tree(*(a[rows] for a in given), depth=nodes - 1, replaced=replaced, sort=sort)
        return torch.cat([out.tokens, out.n[:, None], out.nodes], dim=1)

    ours = walked(slice(None))
    yield None if bool((ours[:, nodes] > 0).all()) else f"{what}: no token in a row"
    alone = torch.cat([walked(slice(row, row + 1)) for row in range(n)])
    yield None if torch.equal(alone, ours) else f"{what}: a row depends on its company"
    with without_loops():
        plain = walked(slice(None))
    yield None if torch.equal(plain, ours) else f"{what}: loops give other tokens"
    end, at = ours[:, nodes : nodes + 1] - 1, ours[:, nodes + 1 :]
    stop = torch.where(end > 0, at.gather(1, (end - 1).clamp_min(0)), 0)
    out_of = ours[:, :nodes].gather(1, end)
    there = target[torch.arange(n), stop[:, 0]].gather(1, out_of.clamp_min(0))
    yield None if bool((there > 0).all()) else f"{what}: a token with p = 0 came out"


@contextmanager
def without_loops() -> Iterator[None]:
    """Whole-row operations alone."""
    with (
        patch("spechub_lp.kernels.classes.has_numba", lambda: False),
        patch("spechub_lp.kernels.mixture.has_numba", lambda: False),
        patch("spechub_lp.kernels.race.has_numba", lambda: False),
    ):
        yield
