"""Draws: numpy and torch agree on equal uniforms, also on the edges of tokens and at both ends.

Nothing of probability 0 comes out; verdicts sum to 1.
"""

import random
from typing import Any

import numpy as np
import torch

from spechub_lp import draw, reference, samplers, sampling_torch
from spechub_lp.errors import SpecHubError
from validation.torture import Checks, Doing, rows

SECONDS, MEMORY = 120, 4 << 30
SMALL_ONLY = ("two_step", "lp_table")
OFF = {"float64": 1e-9, "float32": 1e-3}
"""Distance of the distribution from p that rounding may make."""


def trial(seed: int) -> Checks:
    rng = random.Random(seed)
    kind, dtype = rng.choice(rows.KINDS), rng.choice(("float64", "float32"))
    size = rng.choice((rng.randint(1, 6), rng.randint(2, 60), rng.choice((47, 48, 49, 300))))
    k = rng.choice((1, 2, 2, 3))
    for name in [s.name for s in (*samplers.ALL, *samplers.VARIANTS)]:
        if name in SMALL_ONLY and size**k > 200:
            continue
        try:
            sampler = samplers.by_name(name, k)
        except SpecHubError:
            continue
        policies = [d for d in sampler.own if d.takes(k)]
        sampler = sampler.with_drafts(rng.choice(policies))
        pairs = [rows.pair(rng, kind, size) for _ in range(k)]
        p = pairs[0][0].astype(dtype)
        q = (
            np.stack([b for _, b in pairs]).astype(dtype)
            if sampler.drafts.different_drafters
            else pairs[0][1].astype(dtype)
        )
        if sampler.drafts.different_drafters and k == 1:
            continue
        what = f"{name} with {sampler.drafts.name} drafts, k = {k}, {kind}, {dtype}, V = {size}"
        yield Doing(what)
        yield from _draws(sampler, p, q, uniforms(rng, p, q, k), what)
        if size**k <= 150:
            yield from _distribution(sampler, p, q, dtype, what)


def uniforms(rng: random.Random, p: Any, q: Any, k: int) -> Any:
    """[B, k + 1] random numbers, both ends, and numbers on the edges of the tokens of p and q, an ulp around."""
    ends = [np.cumsum(np.asarray(a, dtype=np.float64).reshape(-1, a.shape[-1])[0]) for a in (p, q)]
    edges = np.clip(np.concatenate([e / e[-1] for e in ends]), 0, 1)

    def number() -> float:
        turn = rng.random()
        if turn < 0.3:
            return rng.choice((0.0, 1.0, 0.5, 2.0**-53, 1 - 2.0**-53, 5e-324, 2.0**-24, 1 - 2.0**-24))
        if turn < 0.6:
            edge = float(rng.choice(edges))
            return min(1.0, max(0.0, rng.choice((edge, np.nextafter(edge, 0), np.nextafter(edge, 1)))))
        return rng.random()

    u = np.array([[number() for _ in range(k + 1)] for _ in range(12)])
    u[0], u[1] = 0.0, 1.0
    return u


def _draws(sampler: Any, p: Any, q: Any, u: Any, what: str) -> Checks:
    sides: list[Any] = []
    for library in (np.asarray, torch.asarray):
        try:
            made = draw(sampler, library(p), library(q), library(u))
            sides.append([np.asarray(a).tolist() for a in (made.tokens, made.slots, made.drafts)])
        except SpecHubError as error:
            sides.append(str(error)[:40])
    if sides[0] != sides[1]:
        at = (
            next((n for n in range(len(u)) if any(a[n] != b[n] for a, b in zip(*sides, strict=True))), None)
            if not any(isinstance(s, str) for s in sides)
            else None
        )
        shown = (
            ""
            if at is None
            else f" at u = {u[at].tolist()}: {[a[at] for a in sides[0]]} and {[a[at] for a in sides[1]]}"
        )
        yield f"{what}: numpy and torch differ{shown or f': {sides}'[:200]}"
    if isinstance(sides[0], str):
        yield None
        return
    tokens, slots, drafts = sides[0]
    yield None if all(p[t] > 0 for t in tokens) else f"{what}: a token with p = 0 came out"
    rows_q = [q] * sampler.k if q.ndim == 1 else list(q)
    drawn = sampler.drafts.name in ("iid", "product")
    for x, slot, token in zip(drafts, slots, tokens, strict=True):
        if drawn and not all(row[y] > 0 for row, y in zip(rows_q, x, strict=True)):
            yield f"{what}: drafted {x}, q is 0 there"
        if slot >= 0 and x[slot] != token:
            yield f"{what}: token {token} is not its draft {x}[{slot}]"
    sliced = sampling_torch.draw(sampler, torch.asarray(p), torch.asarray(q), torch.asarray(u), memory=1)
    ok = sliced.tokens.tolist() == (sides[1][0] if not isinstance(sides[1], str) else None)
    yield None if ok else f"{what}: sampling_torch in slices differs from draw"


def _distribution(sampler: Any, p: Any, q: Any, dtype: str, what: str) -> Checks:
    for library in (np.asarray, torch.asarray):
        try:
            distribution = reference(sampler, library(p), library(q))
        except SpecHubError:
            continue
        sums = distribution.accept.sum(axis=1) + distribution.residual.sum(axis=1)
        if not np.abs(sums - 1).max() <= OFF[dtype]:
            yield f"{what}: a verdict sums to {float(sums[np.argmax(np.abs(sums - 1))])}"
        if not (distribution.accept.min() >= 0 and distribution.residual.min() >= 0):
            yield f"{what}: a verdict is negative, {min(distribution.accept.min(), distribution.residual.min()):.3g}"
        yield None if distribution.distance <= OFF[dtype] else f"{what}: {distribution.distance:.3g} from p"
